#include "ui/state/refresh_clock.hpp"

#include <algorithm>
#include <utility>

namespace fovea {

RefreshClock::RefreshClock(int interval_ms, std::function<void()> refresh, QObject* parent)
    : QObject(parent), interval_ms_(interval_ms), refresh_(std::move(refresh)) {
  timer_.setSingleShot(true);
  connect(&timer_, &QTimer::timeout, this, &RefreshClock::run);
}

void RefreshClock::request() {
  if (timer_.isActive()) return;
  const qint64 passed = since_last_.isValid() ? since_last_.elapsed() : interval_ms_;
  timer_.start(static_cast<int>(std::clamp<qint64>(interval_ms_ - passed, 0, interval_ms_)));
}

void RefreshClock::flush() {
  if (!timer_.isActive()) return;
  timer_.stop();
  run();
}

void RefreshClock::run() {
  refresh_();
  since_last_.start();
}

}  // namespace fovea
