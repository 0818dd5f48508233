// Bytes that one decoded token must touch, counted from shapes: the floor that speed is measured against.
#pragma once

#include "engine/api/model_summary.hpp"
#include "engine/decoder/device_weights.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

// Derived, not measured. `kv`: type of the cache.
[[nodiscard]] TokenBytes token_bytes(const ModelConfig& config, const DeviceWeights& weights, DType kv);

// Of keys and values per position behind the window of a cache in tiers, hot ones counted by their share.
[[nodiscard]] std::uint64_t position_bytes(const ModelConfig& config, const KvTiers& tiers);

}  // namespace fovea
