// Figures of one run that comparisons and headers tell.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/run_record.hpp"

namespace fovea {

// Of `work`; the model's own number where it chose for itself and nothing was recorded; nullopt: dense, or nothing ran.
[[nodiscard]] std::optional<double> experts_per_token(const RunRecord& run, const RoutingWork& work);

// How much of a run was recorded, in tokens, samples and rows.
struct Coverage {
  std::uint64_t tokens = 0, timed_tokens = 0, memory_samples = 0, routed_tokens = 0, heads = 0, rows = 0;
};
[[nodiscard]] Coverage coverage_of(const RunRecord& run);

// Weights, KV cache and compute memory: what a run takes whatever is recorded of it, in bytes.
[[nodiscard]] double run_bytes(const MemoryBytes& memory);
// The same when a token was there, from the allocator; nullopt: not recorded.
[[nodiscard]] std::vector<std::optional<double>> token_memory(const RunRecord& run);

}  // namespace fovea
