#include "app/workbench/latency_probe.hpp"

#include <algorithm>

namespace fovea {

LatencyProbe::LatencyProbe(QObject* parent) : QObject(parent) {
  timer_.setTimerType(Qt::PreciseTimer);
  connect(&timer_, &QTimer::timeout, this, &LatencyProbe::tick);
}

void LatencyProbe::start() {
  since_.start();
  timer_.start(kPeriod);
}

void LatencyProbe::tick() {
  const double gap = std::max(0.0, static_cast<double>(since_.nsecsElapsed()) / 1e6 - kPeriod);
  since_.start();
  longest_ms_ = std::max(longest_ms_, gap);
  if (generating_) longest_generating_ms_ = std::max(longest_generating_ms_, gap);
}

}  // namespace fovea
