// Bytes that one decoded token must touch, counted from shapes: the floor that speed is measured against.
#pragma once

#include <cstdint>

#include "engine/decoder/device_weights.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

struct StepBytes {
  std::uint64_t weights = 0;  // every matrix once, of experts the used ones; one row of the embedding
  std::uint64_t kv = 0;       // keys and values read at this depth, and one position written
  [[nodiscard]] std::uint64_t total() const { return weights + kv; }
};

// Derived, not measured. `depth`: positions in the cache before the token.
[[nodiscard]] StepBytes decode_step_bytes(const ModelConfig& config, const DeviceWeights& weights, std::uint32_t depth);

}  // namespace fovea
