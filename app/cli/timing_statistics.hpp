// Mean, spread and middle of repeated measurements.
#pragma once

#include <span>

namespace fovea::cli {

struct TimingStatistics {
  double mean = 0, stddev = 0 /* over n - 1; 0 for one value */, median = 0;
};
// Zeros for no values.
[[nodiscard]] TimingStatistics timing_statistics(std::span<const double> values);

}  // namespace fovea::cli
