// The experts view: how evenly the experts are used, prefill and decode apart, and which one each token took.
#pragma once

#include <QBoxLayout>
#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QStackedWidget>
#include <optional>

#include "ui/panels/routing_counts.hpp"
#include "ui/panels/routing_map.hpp"
#include "ui/state/refresh_clock.hpp"
#include "ui/widgets/empty_state.hpp"

class QCustomPlot;
class QCPBars;
class QCPItemStraightLine;

namespace fovea {

class ExpertsPanel : public QFrame {
  Q_OBJECT
 public:
  ExpertsPanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  [[nodiscard]] RoutingMap& map() const { return *map_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] bool shows_plots() const { return pages_->currentIndex() == 1; }
  [[nodiscard]] const RoutingCounts& counts() const { return counts_; }
  [[nodiscard]] QComboBox& layer_box() const { return *layer_; }
  [[nodiscard]] QString figures_text() const { return figures_[0]->text() + '\n' + figures_[1]->text(); }
  [[nodiscard]] bool idle() const { return !clock_.pending(); }

 protected:
  void changeEvent(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void make_plot();
  void lay_out();
  void retranslate();
  void restyle();
  void start_over();
  void refresh();
  void refresh_pages();
  void plot_calls();
  void fit_figures();
  void point_at_bar(double x);
  [[nodiscard]] std::optional<std::uint32_t> layer() const;

  WorkbenchState& state_;
  const Theme& theme_;
  RoutingCounts counts_;
  QStackedWidget* pages_;
  EmptyState* empty_;
  QCustomPlot* plot_;
  QCPBars *prefill_bars_, *decode_bars_;
  QCPItemStraightLine* uniform_;
  RoutingMap* map_;
  QBoxLayout* bar_;  // layer and figures
  QComboBox* layer_;
  QLabel *figures_[2], *readout_, *map_title_;
  RefreshClock clock_;
};

}  // namespace fovea
