// The attention view: all heads small beside one head large, on one scale that the range bar controls.
#pragma once

#include <QCheckBox>
#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QSpinBox>
#include <QSplitter>
#include <QStackedWidget>
#include <QToolButton>

#include "ui/heatmap/attention_map.hpp"
#include "ui/heatmap/head_grid.hpp"
#include "ui/heatmap/page_strip.hpp"
#include "ui/heatmap/range_bar.hpp"
#include "ui/state/refresh_clock.hpp"
#include "ui/widgets/empty_state.hpp"

namespace fovea {

class AttentionPanel : public QFrame {
  Q_OBJECT
 public:
  AttentionPanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  [[nodiscard]] AttentionMap& map() const { return *map_; }
  [[nodiscard]] HeadGrid& grid() const { return *grid_; }
  [[nodiscard]] PageStrip& page_strip() const { return *strip_; }
  [[nodiscard]] QComboBox& mask_box() const { return *mask_; }
  [[nodiscard]] QComboBox& figure_box() const { return *figure_; }
  [[nodiscard]] const QLabel& tiers_label() const { return *tiers_; }
  [[nodiscard]] const QLabel& work_label() const { return *work_; }
  [[nodiscard]] RangeBar& range_bar() const { return *range_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] bool shows_map() const { return pages_->currentWidget() == map_; }
  [[nodiscard]] bool idle() const;  // nothing is waiting to be drawn
  void set_logarithmic(bool logarithmic);

 Q_SIGNALS:
  // Run again from the prompt, recording the selected head.
  void record_requested();
  void became_idle();

 protected:
  void changeEvent(QEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  QWidget* make_inspector();
  void retranslate();
  void restyle();
  void refresh();
  void refresh_pages();
  void refresh_sparse();
  void refresh_tiers();
  void offer_looks(bool sparse, bool tiered);
  void apply_scale();

  WorkbenchState& state_;
  const Theme& theme_;
  RasterLanes* lanes_;
  HeadGrid* grid_;
  AttentionMap* map_;
  PageStrip* strip_;
  RangeBar* range_;
  QSplitter* split_;            // grid and map
  bool split_by_hand_ = false;  // then it stays so
  EmptyState* empty_;
  QStackedWidget* pages_;
  QLabel *layer_label_, *head_label_, *legend_, *readout_, *note_, *work_, *tiers_;
  QSpinBox *layer_, *head_;
  QComboBox *mask_, *figure_;  // what is drawn of sparse attention: in the map, in the grid
  QToolButton *log_, *per_row_, *fit_, *reset_;
  ColorScale scale_;
  RefreshClock map_clock_, grid_clock_;
};

}  // namespace fovea
