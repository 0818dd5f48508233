// One row of the map as sparse attention has it: dense attention and what was read, page by page, and what was lost in figures.
#pragma once

#include <QWidget>
#include <optional>

#include "ui/heatmap/color_scale.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

[[nodiscard]] QColor page_color(const ThemeColors& colors, PagePart part);

class PageStrip : public QWidget {
  Q_OBJECT
 public:
  PageStrip(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  void set_scale(const ColorScale& scale);  // of the bars: a page's share of attention
  // The row under the mouse, else the chosen one, else the last.
  [[nodiscard]] std::optional<std::uint32_t> row() const;
  // What the row's figures say, three lines at most, or why there are none; empty without a row.
  [[nodiscard]] QString figures() const;

  [[nodiscard]] static int low_height();  // one line of figures, both lanes, no legend

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void changeEvent(QEvent* event) override;

 private:
  void paint_lane(QPainter& painter, const QRect& at, const ChosenPages& choice, std::span<const float> masses, bool sparse) const;
  void paint_legend(QPainter& painter, const QRect& at) const;
  [[nodiscard]] bool narrow() const;  // two rows of legend, and no entropies but in the tooltip
  [[nodiscard]] int full_height() const;
  void refresh();

  WorkbenchState& state_;
  const Theme& theme_;
  ColorScale scale_;
};

}  // namespace fovea
