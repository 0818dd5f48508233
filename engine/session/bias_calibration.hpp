// Finds the frozen bias of log scores that evens the load of a mixture's experts as far as a guard of quality lets it: the
// deterministic form of balancing (reset=frozen). Pure arithmetic over what was counted; who runs the model is the caller.
//
// After every stretch of text each layer's bias moves against its load, b_e += step * log(mean load / load of e), which to
// second order ascends the entropy of the mean choice (ln E - H = CV^2 / 2; bias on the choice alone as in loss-free balancing,
// arXiv 2408.15664). Where less router mass than wished was kept, the bias shrinks and its step is halved: the guard wins.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/expert_calibration.hpp"

namespace fovea {

class BiasCalibration {
 public:
  BiasCalibration(std::uint32_t layers, std::uint32_t experts, const CalibrationGoal& goal);
  // What a stretch of text did under bias(). Work of another shape is ignored.
  void add(const RoutingWork& work);
  [[nodiscard]] std::vector<float> bias() const;  // (layers, experts), of mean 0 in each layer
  [[nodiscard]] CalibrationEnd end(std::uint32_t layer) const;
  [[nodiscard]] std::uint32_t guarded(std::uint32_t layer) const { return layers_[layer].guarded; }  // how often the guard won

 private:
  struct Layer {
    std::vector<double> bias, load;  // load: of the last stretches, newer ones count more
    double step = 0.5, cv = 0;
    std::uint32_t guarded = 0, stretches = 0;
    bool guard_was_last = false;
  };
  CalibrationGoal goal_;
  std::vector<Layer> layers_;
};

}  // namespace fovea
