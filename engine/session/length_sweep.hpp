// At what length a policy pays: one policy over contexts of several lengths, and two of them held against each other.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/session/evaluation.hpp"

namespace fovea {

// One policy at one length.
struct LengthPoint {
  std::uint32_t context = 0;  // tokens of a window
  double seconds = 0;         // of whole windows: all their tokens computed, the scored ones also through the output matrix
  double perplexity = 0;
  double density = 1, flops = 1;  // of attention, over dense
  std::uint64_t kv_bytes = 0;     // the allocator's
};

// Of one policy, `done` of `all` points.
using SweepProgress = std::function<void(const LengthPoint& point, std::size_t done, std::size_t all)>;

// `lengths`: tokens, ascending, each at least 2 and at most the engine's context. A window of the shortest is computed once before
// anything is timed, so that the kernels that this policy needs are made. The engine should hold nothing of another policy, since
// memory is told as it is.
// Errors: a text that does not fill a window, what the engine says, a stop.
[[nodiscard]] Result<std::vector<LengthPoint>> sweep_lengths(Engine& engine, const EvaluationOptions& text, std::span<const TokenId> tokens,
                                                             std::span<const std::uint32_t> lengths, const SweepProgress& progress, std::stop_token stop);

// From which context on, up to the last, `a` is faster than `b`; both of the same lengths.
[[nodiscard]] std::optional<std::uint32_t> pays_from(std::span<const LengthPoint> a, std::span<const LengthPoint> b);

}  // namespace fovea
