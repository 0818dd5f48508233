#include "engine/reference/rms_norm.hpp"

#include <cmath>
#include <cstddef>

namespace fovea::reference {

void rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> out) {
  const std::size_t width = weight.size();
  for (std::size_t start = 0; start + width <= x.size(); start += width) {
    double squares = 0;
    for (std::size_t i = 0; i < width; ++i)
      squares += static_cast<double>(x[start + i]) * static_cast<double>(x[start + i]);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(width) + static_cast<double>(epsilon));
    for (std::size_t i = 0; i < width; ++i)
      out[start + i] = static_cast<float>(static_cast<double>(x[start + i]) * scale * static_cast<double>(weight[i]));
  }
}

}  // namespace fovea::reference
