#include "engine/reference/quantize.hpp"

#include <algorithm>
#include <cmath>

namespace fovea::reference {

void round_to_8_bits(std::span<const float> x, std::span<float> out) {
  constexpr std::size_t kBlock = 16;
  for (std::size_t first = 0; first < x.size(); first += kBlock) {
    float most = 0;
    for (const float value : x.subspan(first, kBlock)) most = std::max(most, std::abs(value));
    const float scale = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0.0f;
    for (std::size_t i = first; i < first + kBlock; ++i) out[i] = scale * std::floor(x[i] * inverse + 0.5f);
  }
}

}  // namespace fovea::reference
