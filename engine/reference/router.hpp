// Which experts a token goes to, and with which weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea::reference {

struct Routing {
  std::vector<std::uint32_t> experts;  // highest probability first
  std::vector<float> weights;
};

// Softmax over all experts' logits in double; the `used` highest are chosen, of equals the lower index first.
// `normalize` divides the chosen weights by their sum.
[[nodiscard]] Routing route(std::span<const float> logits, std::uint32_t used, bool normalize);

}  // namespace fovea::reference
