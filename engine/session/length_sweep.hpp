// At what length a policy pays: one policy over contexts of several lengths, and two of them held against each other.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/api/length_sweep.hpp"
#include "engine/base/result.hpp"
#include "engine/session/evaluation.hpp"
#include "engine/session/policy_scoring.hpp"

namespace fovea {

// Of one policy, `done` of `all` points.
using SweepProgress = std::function<void(const LengthPoint& point, std::size_t done, std::size_t all)>;

// `lengths`: tokens, ascending, each at least 2 and at most the engine's context. A window of the shortest is computed, and decoded
// behind, once before anything is timed, so that the kernels that this policy needs are made. `decoded`: tokens, at the end of a window
// of tokens drawn at random, whose decoding is timed; 0: none. The engine should hold nothing of another policy, since memory is told
// as it is.
// Errors: a text that does not fill a window, what the engine says, a stop.
[[nodiscard]] Result<std::vector<LengthPoint>> sweep_lengths(Engine& engine, const EvaluationOptions& text, std::span<const TokenId> tokens,
                                                             std::span<const std::uint32_t> lengths, std::uint32_t decoded, const SweepProgress& progress,
                                                             std::stop_token stop);

using TakeLengths = std::function<void(const LengthSweep& so_far)>;
// `a`, then `b`, each with a model of its own, at 1,024 tokens and every doubling up to `longest` that the model was trained for,
// that the file `text` fills and that memory holds; a model trained for fewer than that at its own length. 0: no limit of one's own.
// Points come as they are measured.
// Errors: an unreadable or too short file, a policy that load_with() refuses, what the engine says, a stop.
[[nodiscard]] Result<LengthSweep> measure_lengths(const ScoringModel& model, const EvaluationOptions& text, std::uint32_t longest, const PolicyText& a,
                                                  const PolicyText& b, const ScoreProgress& progress, const TakeLengths& take, std::stop_token stop);

}  // namespace fovea
