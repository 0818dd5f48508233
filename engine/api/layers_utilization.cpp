#include "engine/api/layers_utilization.hpp"

namespace fovea {

std::optional<LayersUtilization> utilization_of_layers(const RoutingWork& work) {
  LayersUtilization all;
  double layers = 0;
  for (std::size_t layer = 0; layer < work.size(); ++layer) {
    const auto figures = utilization_figures(work[layer].calls);
    if (!figures) continue;
    if (layers++ == 0 || figures->cv > all.worst_cv) all.worst_cv = figures->cv, all.worst_layer = static_cast<std::uint32_t>(layer);
    all.mean.cv += figures->cv;
    all.mean.cv_floor += figures->cv_floor;
    all.mean.utilization += figures->utilization;
    all.mean.entropy += figures->entropy;
    all.mean.gini += figures->gini;
    all.mean.dead += figures->dead;
    all.mean.total += figures->total;
  }
  if (layers == 0) return std::nullopt;
  for (double* figure : {&all.mean.cv, &all.mean.cv_floor, &all.mean.utilization, &all.mean.entropy, &all.mean.gini}) *figure /= layers;
  return all;
}

}  // namespace fovea
