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

  // Whether the open model takes the policy without its semantic router, which is then said while nothing runs.
  void set_router_left_out(bool left_out);
  [[nodiscard]] QString text() const;  // all of it, also what has no room; parts joined by " · "

 protected:
  void changeEvent(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  void refresh();
  void fit();  // what there is no room for goes; all of it is then in the tooltip
  [[nodiscard]] QString doing() const;
  [[nodiscard]] QString recording() const;
  void show_speed();

  WorkbenchState& state_;
  QLabel *doing_, *tokens_, *speed_, *first_, *recording_, *seed_;
  RefreshClock clock_;
  bool router_left_out_ = false;
};

}  // namespace fovea
