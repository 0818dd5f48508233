// The experts view: how evenly experts are used, which one each token took, how they follow each other and what text calls them;
// prefill and decode apart.
#pragma once

#include <QBoxLayout>
#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QStackedWidget>
#include <array>
#include <optional>

#include "ui/compare/plot_export.hpp"
#include "ui/panels/expert_curve.hpp"
#include "ui/panels/expert_view.hpp"
#include "ui/panels/matrix_pair.hpp"
#include "ui/panels/routing_counts.hpp"
#include "ui/panels/routing_map.hpp"
#include "ui/panels/routing_patterns.hpp"
#include "ui/panels/scheduling_view.hpp"
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

  [[nodiscard]] ExpertView view() const { return static_cast<ExpertView>(view_->currentIndex()); }
  void set_view(ExpertView view) { view_->setCurrentIndex(static_cast<int>(view)); }
  [[nodiscard]] RoutingMap& map() const { return *map_; }
  [[nodiscard]] MatrixPair& matrix() const { return *matrix_; }
  [[nodiscard]] ExpertCurve& curve() const { return *curve_; }
  [[nodiscard]] SchedulingView& scheduling() const { return *scheduling_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] EmptyState& absence() const { return *absent_; }  // of one view alone
  [[nodiscard]] bool shows_plots() const { return pages_->currentIndex() == 1; }
  [[nodiscard]] const RoutingCounts& counts() const { return counts_; }
  [[nodiscard]] const RoutingPatterns& patterns() const { return patterns_; }
  [[nodiscard]] QComboBox& layer_box() const { return *layer_; }
  [[nodiscard]] QComboBox& pair_box() const { return *pair_; }
  [[nodiscard]] QString figures_text() const { return figures_[0]->text() + '\n' + figures_[1]->text(); }
  [[nodiscard]] QString readout() const { return readout_->text(); }
  [[nodiscard]] bool idle() const { return !clock_.pending(); }
  // What is shown as a picture and its data; experts_export.cpp. nullopt: it is no plot, or nothing ran.
  [[nodiscard]] std::optional<ExportedPlot> exported();

 protected:
  void changeEvent(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

 private:
  static constexpr int kNarrow = 360;  // pixels of width below which figures are fewer
  void make_plot();
  void lay_out();
  [[nodiscard]] QWidget* make_use_page();
  void retranslate();
  void restyle();
  void start_over();
  void refresh();
  void refresh_pages();
  void fit_figures();
  void point_at_bar(double x);
  [[nodiscard]] std::optional<std::uint32_t> layer() const;

  // What each view shows; experts_pages.cpp.
  void show_view();
  void show_use();
  void show_layers();
  void show_skew();
  void show_reuse();
  void show_transitions();
  void show_classes();
  void show_classes_by_layer();
  void show_scheduling();
  std::uint64_t show_kinds(bool prefill, MatrixTable& table);
  void show_figure(bool prefill, const std::optional<QString>& text);  // nullopt: no tokens yet
  void show_matrix(MatrixScale scale, MatrixTable table);
  void point_at_cell(const std::optional<MatrixCell>& cell);
  void point_at_number(std::optional<std::uint32_t> experts);
  [[nodiscard]] QString told_transition(const MatrixCell& cell) const;
  [[nodiscard]] QString told_class(const MatrixCell& cell) const;
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint32_t>> marks() const;  // of the cursor's token
  [[nodiscard]] QString usage(const std::vector<std::uint64_t>& calls, bool prefill) const;
  [[nodiscard]] QString csv() const;
  // A curve of a layer, or over all layers the mean by their calls.
  [[nodiscard]] std::vector<double> skew(bool prefill) const;
  [[nodiscard]] static QString phase_name(bool prefill);

  WorkbenchState& state_;
  const Theme& theme_;
  RoutingCounts counts_;
  RoutingPatterns patterns_;
  QStackedWidget *pages_, *views_;
  EmptyState *empty_, *absent_;
  QCustomPlot* plot_;
  QCPBars *prefill_bars_, *decode_bars_;
  QCPItemStraightLine* uniform_;
  RoutingMap* map_;
  ExpertCurve* curve_;
  MatrixPair* matrix_;
  SchedulingView* scheduling_;
  QBoxLayout* bar_;  // what is chosen, and figures
  QComboBox *view_, *layer_, *pair_;
  QLabel *figures_[2], *readout_, *map_title_;
  std::array<std::pair<QString, int>, 2> fitted_;  // text and width that figures have room for
  RefreshClock clock_;
};

}  // namespace fovea
