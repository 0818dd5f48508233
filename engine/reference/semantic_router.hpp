// The semantic router's network, one token after another in double: the judge of engine/semantic_router/network.hpp, which has the
// formulas. Parameters stand in the order of the formulas, products as (in, out), convolutions as (tap, width), the newest tap first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea::reference {

struct RouterSizes {
  std::uint32_t input = 0, width = 0, domains = 0, needs = 0, priors = 0;  // needs: K - 1; priors: predicted layers * experts
};

struct RouterAnswer {
  std::vector<double> domain, need, prior;  // logits
};

// The answer for the last of `frames` (tokens, input), which are all that the network saw.
[[nodiscard]] RouterAnswer semantic_router(const RouterSizes& sizes, std::span<const float> parameters, std::span<const float> frames);

}  // namespace fovea::reference
