// Coalesces many "something changed" into at most one repaint per interval.
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>
#include <functional>

namespace fovea {

class RefreshClock : public QObject {
  Q_OBJECT
 public:
  RefreshClock(int interval_ms, std::function<void()> refresh, QObject* parent);

  // Runs `refresh` soon: at once in the next turn of the event loop when the last run is an interval ago, else after
  // it.
  void request();
  // Runs it now if it was requested.
  void flush();
  [[nodiscard]] bool pending() const { return timer_.isActive(); }

 private:
  void run();

  QTimer timer_;
  QElapsedTimer since_last_;
  int interval_ms_;
  std::function<void()> refresh_;
};

}  // namespace fovea
