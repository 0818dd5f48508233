// Finds the frozen prices of a mixture's experts that even their load as far as a guard of quality lets it: the deterministic form
// of balancing (reset=frozen). Pure arithmetic over what was counted; who runs the model is the caller.
//
// Of all choices of one evenness those by prices keep the most router mass (engine/reference/expert_choice.hpp): the price of expert
// e is g (u_e / mean u - 1), the derivative of g / 2 CV^2, and to second order that of the entropy of the mean choice (ln E - H =
// CV^2 / 2; load moves the choice alone as in loss-free balancing, arXiv 2408.15664). After every stretch of text a layer's prices
// take a step along it; where less router mass than wished was kept they shrink to what would keep it and the step is halved: the guard
// wins, and g settles where it is. Found is the mean of the prices on the way, later ones counting more: single ones swing about it with the text.
// What swings loses more than its mean does, so last the mean is held still and only its scale is found, over some stretches more:
// that at which all that the guard lets go is lost.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/expert_calibration.hpp"

namespace fovea {

class PriceCalibration {
 public:
  PriceCalibration(std::uint32_t layers, std::uint32_t experts, const CalibrationGoal& goal);
  // What a stretch of text did under prices(). Work of another shape is ignored.
  void add(const RoutingWork& work);
  // From now on found() stays but for one factor of each layer that the guard held, which prices() have too.
  void settle() { settles_ = true; }
  // For the next stretch: (layers, experts), of mean 0 in each layer, in units of the scores of the model's own choice together.
  [[nodiscard]] std::vector<float> prices() const;
  [[nodiscard]] std::vector<float> found() const;  // likewise, by all stretches so far
  [[nodiscard]] CalibrationEnd end(std::uint32_t layer) const;
  [[nodiscard]] std::uint32_t guarded(std::uint32_t layer) const { return layers_[layer].guarded; }  // how often the guard won

 private:
  struct Layer {
    std::vector<double> prices, mean, load;  // mean: of the prices so far; load: of the last stretches; newer ones count more in both
    double step = 0.25, cv = 0;              // step: of a price, in units of an expert's part of its token
    double scale = 1, lost = 0;              // of the mean; mass that a scale of 1 would have lost, over the stretches since settle()
    std::uint32_t guarded = 0, stretches = 0, settled = 0;
  };
  void see(Layer& layer, const LayerRouting& counted) const;
  void move(Layer& layer, const LayerRouting& counted) const;
  void fit_scale(Layer& layer, const LayerRouting& counted) const;
  CalibrationGoal goal_;
  bool settles_ = false;
  std::vector<Layer> layers_;
};

}  // namespace fovea
