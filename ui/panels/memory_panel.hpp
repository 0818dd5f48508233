// The memory view: what the allocator has given out after each token, stacked, beside the estimate.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QStackedWidget>
#include <array>

#include "ui/state/refresh_clock.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"
#include "ui/widgets/empty_state.hpp"

class QCustomPlot;
class QCPGraph;
class QCPItemStraightLine;
class QCPItemText;

namespace fovea {

class MemoryPanel : public QFrame {
  Q_OBJECT
 public:
  MemoryPanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] bool shows_plot() const { return pages_->currentIndex() == 1; }
  [[nodiscard]] const QLabel& tiers_label() const { return *tiers_; }
  [[nodiscard]] QString value_text(std::size_t part) const { return values_[part]->text(); }
  [[nodiscard]] std::size_t plotted_samples() const { return taken_; }
  [[nodiscard]] bool idle() const { return !clock_.pending(); }

 protected:
  void changeEvent(QEvent* event) override;

 private:
  static constexpr std::size_t kParts = 4;  // weights, KV, compute, other
  void make_plot();
  void lay_out();
  void retranslate();
  void restyle();
  void start_over();
  void refresh();
  void show_values(const MemoryBytes& bytes);
  void show_tiers();
  void set_ranges();

  WorkbenchState& state_;
  const Theme& theme_;
  QStackedWidget* pages_;
  EmptyState* empty_;
  QCustomPlot* plot_;
  std::array<QCPGraph*, kParts> areas_{};
  QCPItemStraightLine *estimate_line_, *cursor_;
  QCPItemText* hint_;
  std::array<QLabel*, kParts> swatches_{}, names_{}, values_{}, estimates_{};
  QLabel *total_name_, *total_, *measured_name_, *estimate_name_, *estimate_total_, *tiers_;
  std::size_t taken_ = 0;  // samples of the snapshot that are plotted
  double unit_ = 1;        // bytes per unit of the axis
  double most_ = 0;        // bytes, of samples
  RefreshClock clock_;
};

}  // namespace fovea
