// Measures how long the event loop did not come round: the longest block that a person could have felt.
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

namespace fovea {

class LatencyProbe : public QObject {
  Q_OBJECT
 public:
  explicit LatencyProbe(QObject* parent = nullptr);

  void start();
  // Gaps are also kept apart while a run goes on.
  void set_generating(bool generating) { generating_ = generating; }
  [[nodiscard]] double longest_ms() const { return longest_ms_; }
  [[nodiscard]] double longest_generating_ms() const { return longest_generating_ms_; }

 private:
  void tick();

  static constexpr int kPeriod = 2;  // milliseconds
  QTimer timer_;
  QElapsedTimer since_;
  bool generating_ = false;
  double longest_ms_ = 0, longest_generating_ms_ = 0;
};

}  // namespace fovea
