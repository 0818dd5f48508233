// Traces by construction: frames whose channels say the domain, the need and, two tokens later, the experts.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/semantic_router/network.hpp"
#include "engine/semantic_router/trace.hpp"
#include "engine/tensor/half.hpp"

namespace fovea::test {

inline constexpr RouterShape kSmallShape{.input = 12, .width = 9, .first_layer = 2, .layers = 4, .experts = 6, .experts_used = 3, .domains = 3};

inline double uniform(std::mt19937_64& random) { return 2 * (static_cast<double>(random() >> 11) * 0x1p-53) - 1; }

inline RouterTrace made_trace(const RouterShape& shape, std::uint32_t domain, std::uint32_t tokens, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  RouterTrace trace{.domain = domain, .tokens = tokens};
  std::vector<std::uint32_t> kinds;
  for (std::uint32_t t = 0; t < tokens; ++t) {
    const auto kind = static_cast<std::uint32_t>(random() % shape.experts);  // told by the frame, called two tokens later
    kinds.push_back(kind);
    for (std::uint32_t i = 0; i < shape.input; ++i)
      trace.frames.push_back(float_to_half(static_cast<float>(0.2 * uniform(random) + (i == kind ? 2 : 0) + (i == shape.experts + domain ? 1 : 0))));
    const std::uint32_t first = kinds[t < 2 ? 0 : t - 2];
    for (std::uint32_t l = 0; l < shape.predicted(); ++l) {
      // 1/2, 1/4, .. and the last once more: halves that sum to one exactly, which the check of gradients needs.
      for (std::uint32_t e = 0; e < shape.experts; ++e) {
        const std::uint32_t rank = (e + shape.experts - first + l) % shape.experts;
        trace.probabilities.push_back(float_to_half(std::ldexp(1.f, -static_cast<int>(std::min(rank + 1, shape.experts - 1)))));
      }
      for (std::uint32_t s = 0; s < shape.experts_used; ++s) trace.chosen.push_back(static_cast<std::uint16_t>((s + first + shape.experts - l) % shape.experts));
    }
    const auto need = static_cast<std::uint8_t>(t % 3 == 2 ? 0 : 1 + kinds[t] % shape.experts_used);
    trace.need.push_back(need);
    for (std::uint32_t k = 1; k <= shape.experts_used; ++k) trace.losses.push_back(need > k ? 3.f : 2.f);
  }
  return trace;
}

}  // namespace fovea::test
