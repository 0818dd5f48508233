#include "engine/session/bias_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea {
namespace {

constexpr double kLeastStep = 0.05, kStepDecay = 0.97;  // of a stretch to the next, so that the end is calm
constexpr double kShrink = 0.9;     // of a bias that keeps too little
constexpr double kMostMove = 1;     // of a log ratio at once: an expert that was never called has none
constexpr double kMostBias = 8;
constexpr double kNewLoad = 0.5;    // weight of the newest stretch in the load

double variation_of(const std::vector<double>& load) {
  const double mean = std::accumulate(load.begin(), load.end(), 0.0) / static_cast<double>(load.size());
  double squares = 0;
  for (const double u : load) squares += (u - mean) * (u - mean);
  return mean > 0 ? std::sqrt(squares / static_cast<double>(load.size())) / mean : 0;
}

}  // namespace

BiasCalibration::BiasCalibration(std::uint32_t layers, std::uint32_t experts, const CalibrationGoal& goal) : goal_(goal), layers_(layers) {
  for (Layer& layer : layers_) layer.bias.assign(experts, 0);
}

void BiasCalibration::add(const RoutingWork& work) {
  if (work.size() != layers_.size()) return;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    const LayerRouting& counted = work[l];
    const std::size_t experts = layer.bias.size();
    if (counted.tokens == 0 || counted.calls.size() != experts) continue;
    const auto calls = static_cast<double>(std::accumulate(counted.calls.begin(), counted.calls.end(), std::uint64_t{0}));
    layer.load.resize(experts, 1.0 / static_cast<double>(experts));
    const double newest = layer.stretches++ == 0 ? 1 : kNewLoad;
    for (std::size_t e = 0; e < experts; ++e) layer.load[e] += newest * (static_cast<double>(counted.calls[e]) / calls - layer.load[e]);
    layer.cv = variation_of(layer.load);

    const double kept = counted.moved_mass / static_cast<double>(counted.tokens);
    layer.guard_was_last = kept < goal_.retained;
    if (layer.guard_was_last) {
      ++layer.guarded;
      layer.step = std::max(layer.step / 2, kLeastStep);
      for (double& b : layer.bias) b *= kShrink;
      continue;
    }
    if (layer.cv <= goal_.cv) continue;
    for (std::size_t e = 0; e < experts; ++e) {
      const double ratio = layer.load[e] * static_cast<double>(experts);
      layer.bias[e] += layer.step * std::clamp(-std::log(std::max(ratio, 1e-6)), -kMostMove, kMostMove);
    }
    layer.step = std::max(layer.step * kStepDecay, kLeastStep);
    const double mean = std::accumulate(layer.bias.begin(), layer.bias.end(), 0.0) / static_cast<double>(experts);
    for (double& b : layer.bias) b = std::clamp(b - mean, -kMostBias, kMostBias);
  }
}

std::vector<float> BiasCalibration::bias() const {
  std::vector<float> all;
  for (const Layer& layer : layers_)
    for (const double b : layer.bias) all.push_back(static_cast<float>(b));
  return all;
}

CalibrationEnd BiasCalibration::end(std::uint32_t layer) const {
  const Layer& one = layers_[layer];
  if (one.stretches > 0 && one.cv <= goal_.cv) return CalibrationEnd::reached;
  return one.guarded > 0 ? CalibrationEnd::guard : CalibrationEnd::text;
}

}  // namespace fovea
