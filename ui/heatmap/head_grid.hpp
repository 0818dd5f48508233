// Every layer and head as a thumbnail on one shared scale: layers down, heads across.
#pragma once

#include <QAbstractScrollArea>
#include <QImage>
#include <memory>
#include <vector>

#include "ui/heatmap/heatmap_raster.hpp"
#include "ui/heatmap/raster_lanes.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

// What the grid tells of a head.
enum class GridFigure {
  map,      // its attention, small
  recall,   // how much of dense attention its pages held
  entropy,  // how even dense attention is
};

class HeadGrid : public QAbstractScrollArea {
  Q_OBJECT
 public:
  // Takes the lanes from `first_lane` on, one per head.
  HeadGrid(WorkbenchState& state, const Theme& theme, RasterLanes& lanes, int first_lane, QWidget* parent = nullptr);

  void set_scale(const ColorScale& scale, bool per_row);
  void set_figure(GridFigure figure);
  void refresh();  // rasters the thumbnails in view whose rows have grown
  void invalidate();
  [[nodiscard]] QRect thumbnail_rect(HeadId head) const;  // in the viewport
  [[nodiscard]] bool has_thumbnail(HeadId head) const;

  QSize sizeHint() const override { return {232, 300}; }
  QSize minimumSizeHint() const override { return {96, 96}; }

 Q_SIGNALS:
  void head_pointed(const QString& text);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool viewportEvent(QEvent* event) override;
  void scrollContentsBy(int dx, int dy) override;

 private:
  struct Thumbnail {
    QImage image;
    std::shared_ptr<HeadPyramid> pyramid;
    std::uint32_t drawn_rows = 0;  // recorded rows and tokens that the image shows
    std::uint32_t drawn_tokens = 0;
    std::uint64_t drawn_version = 0;
  };

  void rebuild();
  void refresh_figures();
  void paint_figure(QPainter& painter, const QRect& at, HeadId head) const;
  [[nodiscard]] QString head_text(HeadId head) const;
  void lay_out();
  void submit(std::size_t index, std::uint32_t rows);
  void reveal(HeadId head);
  [[nodiscard]] std::optional<HeadId> head_at(const QPoint& point) const;

  WorkbenchState& state_;
  const Theme& theme_;
  RasterLanes& lanes_;
  int first_lane_;
  ColorScale scale_;
  bool per_row_ = false;
  std::uint32_t layers_ = 0, heads_ = 0;
  int side_ = 24;
  std::uint64_t version_ = 1;          // of scale, theme and size
  std::vector<Thumbnail> thumbnails_;  // layer-major
  std::optional<HeadId> hovered_;
  GridFigure figure_ = GridFigure::map;
  std::vector<RecallFigures> figures_;  // layer-major; empty: nothing was measured
};

}  // namespace fovea
