#include "engine/reference/router.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace fovea::reference {

Routing route(std::span<const float> logits, std::uint32_t used, bool normalize) {
  Routing routing;
  routing.experts.resize(logits.size());
  std::iota(routing.experts.begin(), routing.experts.end(), 0u);
  // Broken weights can give NaN, which no sort may see.
  const auto ordered = [&](std::uint32_t e) {
    return std::isnan(logits[e]) ? -std::numeric_limits<float>::infinity() : logits[e];
  };
  std::ranges::stable_sort(routing.experts, [&](std::uint32_t a, std::uint32_t b) { return ordered(a) > ordered(b); });

  const double highest = static_cast<double>(logits[routing.experts.front()]);
  double all = 0, chosen = 0;
  for (const float logit : logits) all += std::exp(static_cast<double>(logit) - highest);
  routing.experts.resize(used);
  for (const std::uint32_t expert : routing.experts) chosen += std::exp(static_cast<double>(logits[expert]) - highest);
  for (const std::uint32_t expert : routing.experts)
    routing.weights.push_back(
        static_cast<float>(std::exp(static_cast<double>(logits[expert]) - highest) / (normalize ? chosen : all)));
  return routing;
}

}  // namespace fovea::reference
