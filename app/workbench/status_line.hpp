// The line at the window's foot: tokens, speed, first token, what is recorded, the seed.
#pragma once

#include <QLabel>
#include <QStatusBar>

#include "ui/state/refresh_clock.hpp"
#include "ui/state/workbench_state.hpp"

namespace fovea {

class StatusLine : public QStatusBar {
  Q_OBJECT
 public:
  explicit StatusLine(WorkbenchState& state, QWidget* parent = nullptr);

  [[nodiscard]] QString text() const;  // all of it, parts joined by " · "

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void refresh();
  [[nodiscard]] QString doing() const;
  [[nodiscard]] QString recording() const;
  void show_speed();

  WorkbenchState& state_;
  QLabel *doing_, *tokens_, *speed_, *first_, *recording_, *seed_;
  RefreshClock clock_;
};

}  // namespace fovea
