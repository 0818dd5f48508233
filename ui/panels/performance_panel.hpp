// The performance view: speed of prefill and decode, memory bandwidth beside its bound, GPU time per kernel.
#pragma once

#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <array>
#include <optional>

#include "engine/api/throughput.hpp"
#include "ui/models/kernel_model.hpp"
#include "ui/panels/routing_counts.hpp"
#include "ui/state/refresh_clock.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"
#include "ui/widgets/bandwidth_box.hpp"
#include "ui/widgets/empty_state.hpp"
#include "ui/widgets/figure.hpp"

namespace fovea {

class PerformancePanel : public QFrame {
  Q_OBJECT
 public:
  enum Part { kPrefill, kDecode, kTokenBytes, kAchieved, kOfBound, kParts };
  PerformancePanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  // The device's peak in GB/s; nullopt: unknown.
  void set_peak(std::optional<double> gb_per_s);
  void set_timing(bool on) { timing_->setChecked(on); }

  [[nodiscard]] const Figure& figure(Part part) const { return *figures_[part]; }
  [[nodiscard]] QString note_text() const { return note_->text(); }
  [[nodiscard]] QString total_text() const { return total_->text(); }
  [[nodiscard]] QToolButton& timing_button() const { return *timing_; }
  [[nodiscard]] QComboBox& phase_box() const { return *phase_; }
  [[nodiscard]] BandwidthBox& peak_box() const { return *peak_; }
  [[nodiscard]] QTableView& table() const { return *table_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] EmptyState& kernels_empty_state() const { return *no_times_; }
  [[nodiscard]] bool shows_figures() const { return pages_->currentIndex() == 1; }
  [[nodiscard]] bool shows_kernels() const { return shows_figures() && kernels_->currentIndex() == 1; }
  [[nodiscard]] bool idle() const { return !clock_.pending(); }

 Q_SIGNALS:
  void timing_changed(bool on);
  void timed_run_requested();  // the last run again, with the switch on
  void peak_changed();         // by the person; peak_box() says to what

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void make_table();
  void lay_out();
  void retranslate();
  void restyle();
  void refresh();
  void start_over();
  void show_speeds();
  // Of the decoded tokens so far, by layer; none where every token takes the model's own number.
  [[nodiscard]] RoutingWork routed() const;
  void show_bandwidth(const std::optional<PhaseSpeed>& decode);
  void show_note(const std::optional<PhaseSpeed>& measured);
  void show_kernels();
  void explain_no_times();
  void press_no_times();
  // Of the whole phase once it is over, of the last second while it goes on.
  [[nodiscard]] std::optional<PhaseSpeed> speed(bool prefill) const;
  [[nodiscard]] bool shows_prefill() const { return phase_->currentIndex() == 1; }

  WorkbenchState& state_;
  const Theme& theme_;
  KernelModel* model_;
  QStackedWidget* pages_;
  EmptyState* empty_;
  std::array<Figure*, kParts> figures_{};
  QLabel* note_;
  BandwidthBox* peak_;
  QToolButton* timing_;
  QComboBox* phase_;
  QStackedWidget* kernels_;
  EmptyState* no_times_;
  QTableView* table_;
  QLabel* total_;
  RoutingCounts counts_;  // under a policy of experts
  RefreshClock clock_;
};

}  // namespace fovea
