// How evenly the experts of a mixture are used over all of its layers: plain values.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/api/routing_facts.hpp"

namespace fovea {

// The mean of the layers' figures, and the layer with the largest CV. Experts of
// the same number in different layers are different experts, whose sum looks more even than any layer is. `dead` and `total`
// are of all layers together. nullopt without calls; layers without any do not count.
struct LayersUtilization {
  UtilizationFigures mean;
  double worst_cv = 0;
  std::uint32_t worst_layer = 0;
};
[[nodiscard]] std::optional<LayersUtilization> utilization_of_layers(const RoutingWork& work);

}  // namespace fovea
