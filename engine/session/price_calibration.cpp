#include "engine/session/price_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea {
namespace {

constexpr double kLeastStep = 0.05, kStepDecay = 0.97;  // of a stretch to the next, so that the end is calm
constexpr double kShrink = 0.95, kLeastShrink = 0.25;  // of prices that keep too little: beyond what the guard asks for; at once
constexpr double kMostMove = 1;   // of load / mean load - 1 at once: an expert may have had all of it
constexpr double kMostPrice = 1;  // as much as all of a token's experts are worth
constexpr double kNewLoad = 0.5;  // weight of the newest stretch in the load
constexpr double kLeastScale = 0.5, kMostScale = 1.5;  // of what was found; far from 1 the square of a price is no measure
constexpr double kSettledLoss = 0.95;                  // of what may be lost: texts differ

double variation_of(const std::vector<double>& load) {
  const double mean = std::accumulate(load.begin(), load.end(), 0.0) / static_cast<double>(load.size());
  double squares = 0;
  for (const double u : load) squares += (u - mean) * (u - mean);
  return mean > 0 ? std::sqrt(squares / static_cast<double>(load.size())) / mean : 0;
}

}  // namespace

PriceCalibration::PriceCalibration(std::uint32_t layers, std::uint32_t experts, const CalibrationGoal& goal) : goal_(goal), layers_(layers) {
  for (Layer& layer : layers_) {
    layer.prices.assign(experts, 0);
    layer.mean.assign(experts, 0);
    layer.load.assign(experts, 0);
  }
}

void PriceCalibration::add(const RoutingWork& work) {
  if (work.size() != layers_.size()) return;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer& layer = layers_[l];
    if (work[l].tokens == 0 || work[l].calls.size() != layer.prices.size()) continue;
    ++layer.stretches;
    see(layer, work[l]);
    if (settles_) {
      fit_scale(layer, work[l]);
      continue;
    }
    move(layer, work[l]);
    const double newest = 3.0 / (layer.stretches + 2);  // weights of the stretches: about 1, 4, 9, ...
    for (std::size_t e = 0; e < layer.prices.size(); ++e) layer.mean[e] += newest * (layer.prices[e] - layer.mean[e]);
  }
}

void PriceCalibration::see(Layer& layer, const LayerRouting& counted) const {
  const auto calls = static_cast<double>(std::accumulate(counted.calls.begin(), counted.calls.end(), std::uint64_t{0}));
  if (calls <= 0) return;
  const double newest = layer.stretches == 1 ? 1 : kNewLoad;
  for (std::size_t e = 0; e < layer.load.size(); ++e) layer.load[e] += newest * (static_cast<double>(counted.calls[e]) / calls - layer.load[e]);
  layer.cv = variation_of(layer.load);
}

void PriceCalibration::fit_scale(Layer& layer, const LayerRouting& counted) const {
  const double kept = counted.moved_mass / static_cast<double>(counted.tokens);
  if (kept < goal_.retained) ++layer.guarded;
  if (layer.guarded == 0) return;
  ++layer.settled;
  layer.lost += (1 - kept) / (layer.scale * layer.scale);
  const double lost = layer.lost / layer.settled, most = layer.cv <= goal_.cv ? 1 : kMostScale;
  layer.scale = lost > 0 ? std::clamp(std::sqrt(kSettledLoss * (1 - goal_.retained) / lost), kLeastScale, most) : 1;
}

void PriceCalibration::move(Layer& layer, const LayerRouting& counted) const {
  const auto experts = static_cast<double>(layer.prices.size()), tokens = static_cast<double>(counted.tokens);
  const auto calls = static_cast<double>(std::accumulate(counted.calls.begin(), counted.calls.end(), std::uint64_t{0}));
  if (calls <= 0) return;
  const double kept = counted.moved_mass / tokens;
  if (kept < goal_.retained) {
    ++layer.guarded;
    layer.step = std::max(layer.step / 2, kLeastStep);
    // What prices lose grows with their square: as many tokens change an expert as a price is large, and lose as much each.
    const double scale = std::max(kShrink * std::sqrt((1 - goal_.retained) / (1 - kept)), kLeastShrink);
    for (double& price : layer.prices) price *= scale;
    return;
  }
  if (layer.cv <= goal_.cv) return;
  const double step = layer.step * tokens / calls;  // a token's expert is worth about 1 / experts of a token
  for (std::size_t e = 0; e < layer.prices.size(); ++e) layer.prices[e] += step * std::min(layer.load[e] * experts - 1, kMostMove);
  layer.step = std::max(layer.step * kStepDecay, kLeastStep);
  const double mean = std::accumulate(layer.prices.begin(), layer.prices.end(), 0.0) / experts;
  for (double& price : layer.prices) price = std::clamp(price - mean, -kMostPrice, kMostPrice);
}

std::vector<float> PriceCalibration::prices() const {
  if (settles_) return found();
  std::vector<float> all;
  for (const Layer& layer : layers_) all.insert(all.end(), layer.prices.begin(), layer.prices.end());
  return all;
}

std::vector<float> PriceCalibration::found() const {
  std::vector<float> all;
  for (const Layer& layer : layers_)
    for (const double price : layer.mean) all.push_back(static_cast<float>(layer.scale * price));
  return all;
}

CalibrationEnd PriceCalibration::end(std::uint32_t layer) const {
  const Layer& one = layers_[layer];
  if (one.stretches > 0 && one.cv <= goal_.cv) return CalibrationEnd::reached;
  return one.guarded > 0 ? CalibrationEnd::guard : CalibrationEnd::text;
}

}  // namespace fovea
