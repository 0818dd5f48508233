#include "engine/reference/rope.hpp"

#include <cmath>

namespace fovea::reference {

RopeParameters rope_parameters(const ModelConfig& config) {
  return {config.head_width, config.rope_width,   config.rope_base,
          config.rope_scale, config.rope_factors, config.rope_layout};
}

void rope(std::span<float> heads, std::uint32_t position, const RopeParameters& p) {
  const std::size_t pairs = p.width / 2;
  const bool neighbours = p.layout == RopeLayout::neighbours;
  for (std::size_t i = 0; i < pairs; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(p.width);
    double angle =
        static_cast<double>(position) / static_cast<double>(p.scale) * std::pow(static_cast<double>(p.base), exponent);
    if (!p.factors.empty()) angle /= static_cast<double>(p.factors[i]);
    const double cosine = std::cos(angle), sine = std::sin(angle);
    for (std::size_t head = 0; head + p.head_width <= heads.size(); head += p.head_width) {
      float& first = heads[head + (neighbours ? 2 * i : i)];
      float& second = heads[head + (neighbours ? 2 * i + 1 : i + pairs)];
      const double a = static_cast<double>(first), b = static_cast<double>(second);
      first = static_cast<float>(a * cosine - b * sine);
      second = static_cast<float>(a * sine + b * cosine);
    }
  }
}

}  // namespace fovea::reference
