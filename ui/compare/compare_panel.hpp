// The compare view: two runs chosen above, their figures, texts, experts and the frontier in pages below.
#pragma once

#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QMenu>
#include <QStackedWidget>
#include <QTabBar>
#include <QTableView>
#include <QToolButton>
#include <array>

#include "engine/api/command.hpp"
#include "ui/compare/figure_model.hpp"
#include "ui/compare/frontier_plot.hpp"
#include "ui/compare/overlay_plot.hpp"
#include "ui/compare/paired_text.hpp"
#include "ui/widgets/elided_box.hpp"
#include "ui/state/run_shelf.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/widgets/empty_state.hpp"
#include "ui/widgets/progress_strip.hpp"

namespace fovea {

class ComparePanel : public QFrame {
  Q_OBJECT
 public:
  enum Page { kFigures, kTexts, kExperts, kFrontier, kPages };

  ComparePanel(WorkbenchState& state, RunShelf& shelf, const Theme& theme, QWidget* parent = nullptr);

  // Run files and comparisons; what cannot be read is told through failed().
  void open(const QString& path);
  void show_page(Page page);
  // On the tokens of A, or on the text of a file.
  void measure_predictions(const QString& file = {});
  void measure_frontier(const QString& file = {});
  void save_run(const std::shared_ptr<const RunRecord>& run);  // asks for a name; what cannot be written is told through failed()
  [[nodiscard]] bool export_to(const QString& path) const;  // by its ending: .json, .html, .csv, .fovea
  [[nodiscard]] QString why_not_measured() const;           // "" = it can be measured

  [[nodiscard]] QTabBar& tabs() const { return *tabs_; }
  [[nodiscard]] QComboBox& box(RunShelf::Side side) const { return *boxes_[side == RunShelf::Side::a ? 0 : 1]; }
  [[nodiscard]] const QLabel& note() const { return *note_; }
  [[nodiscard]] QTableView& table() const { return *table_; }
  [[nodiscard]] PairedText& texts() const { return *texts_; }
  [[nodiscard]] OverlayPlot& token_plot() const { return *token_plot_; }
  [[nodiscard]] OverlayPlot& count_plot() const { return *count_plot_; }
  [[nodiscard]] OverlayPlot& expert_plot() const { return *expert_plot_; }
  [[nodiscard]] FrontierPlot& frontier_plot() const { return *frontier_; }
  [[nodiscard]] QComboBox& token_choice() const { return *token_choice_; }
  [[nodiscard]] EmptyState& empty() const { return *empty_; }

 Q_SIGNALS:
  void command(const fovea::Command& command);
  void failed(const fovea::Error& error);

 protected:
  void changeEvent(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  void make_bar();
  void make_menus();
  void make_pages();
  void fill_boxes();
  void fill_choices();
  void refresh();
  void refresh_measured();
  void refresh_progress();
  void refresh_notes();
  void plot_tokens();
  void plot_experts();
  void choose_text(void (ComparePanel::*measure)(const QString&));
  void choose_runs();
  void write_runs(RunFile file, const QString& path);  // in the background: the models' files are summed first
  void save_whole(const char* ending, const QString& filter);
  [[nodiscard]] bool low() const;
  void retranslate();
  void retranslate_menus();
  void restyle();
  [[nodiscard]] ScoredText text_to_score(const QString& file) const;

  WorkbenchState& state_;
  RunShelf& shelf_;
  const Theme& theme_;
  FigureModel* model_;
  QStackedWidget *outer_, *pages_, *frontier_pages_;
  EmptyState *empty_, *no_frontier_;
  std::array<QLabel*, 2> marks_{};
  std::array<ElidedBox*, 2> boxes_{};
  QToolButton *swap_, *open_, *measure_, *export_;
  QMenu *measure_menu_, *export_menu_;
  std::array<QAction*, 4> measure_actions_{};
  std::array<QAction*, 4> export_actions_{};
  QLabel *note_, *scored_, *legend_, *frontier_note_;
  ProgressStrip* progress_;
  QTabBar* tabs_;
  QTableView* table_;
  PairedText* texts_;
  OverlayPlot *token_plot_, *count_plot_, *expert_plot_;
  FrontierPlot* frontier_;
  ElidedBox* token_choice_;
  QComboBox* layer_;
};

}  // namespace fovea
