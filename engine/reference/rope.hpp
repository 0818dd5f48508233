// Rotary position embedding (Su et al. 2021) in both pair layouts.
#pragma once

#include <cstdint>
#include <span>

#include "engine/model/model_config.hpp"

namespace fovea::reference {

struct RopeParameters {
  std::uint32_t head_width = 0;
  std::uint32_t width = 0;  // leading dimensions rotated; the others stay
  float base = 10000.0f;
  float scale = 1.0f;              // positions are divided by it
  std::span<const float> factors;  // width / 2 frequency divisors, or empty
  RopeLayout layout = RopeLayout::neighbours;
};

[[nodiscard]] RopeParameters rope_parameters(const ModelConfig& config);

// Rotates every head of one token in place. heads: [heads][head_width].
void rope(std::span<float> heads, std::uint32_t position, const RopeParameters& parameters);

}  // namespace fovea::reference
