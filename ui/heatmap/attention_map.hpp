// One head large: queries down, keys to the right. Zoom by wheel, pan by drag, reset by double-click, cells by
// keyboard.
#pragma once

#include <QImage>
#include <QWidget>
#include <memory>
#include <optional>

#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/heatmap/heatmap_raster.hpp"
#include "ui/heatmap/raster_lanes.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

[[nodiscard]] HeatmapGround heatmap_ground(const ThemeColors& colors);
[[nodiscard]] MaskColors mask_colors(const ThemeColors& colors);

// How a page is kept, in words; nullopt as PageTiers::of() has it.
[[nodiscard]] QString tier_words(const std::optional<PageTier>& tier);

class AttentionMap : public QWidget {
  Q_OBJECT
 public:
  AttentionMap(WorkbenchState& state, const Theme& theme, RasterLanes& lanes, int lane, QWidget* parent = nullptr);

  void set_scale(const ColorScale& scale, bool per_row);
  void set_mask(MaskLook look);
  void set_active(bool active);  // an inactive map (another page is shown) rasters nothing
  void refresh();                // the snapshot has advanced or the head has changed
  void reset_view();

  [[nodiscard]] const HeatmapGeometry& geometry_of_map() const { return geometry_; }
  [[nodiscard]] std::optional<HeatmapCell> hovered_cell() const { return hovered_; }
  // Lines for query, key and weight, or why there is no weight.
  [[nodiscard]] QString cell_text(const HeatmapCell& cell) const;

  QSize sizeHint() const override { return {420, 420}; }
  QSize minimumSizeHint() const override { return {160, 96}; }

 Q_SIGNALS:
  void picture_changed(const fovea::HeatmapPicture& picture);
  void cell_pointed(const QString& text);  // empty: the mouse is elsewhere

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void changeEvent(QEvent* event) override;

 private:
  void place_plot();
  void submit_raster();
  void point_at(std::optional<HeatmapCell> cell);
  void move_cell(int queries, int keys);
  [[nodiscard]] std::uint32_t extent() const;  // rows that the axes span
  void paint_picture(QPainter& painter) const;
  void paint_axes(QPainter& painter) const;
  void paint_token_labels(QPainter& painter) const;
  void paint_cursor(QPainter& painter) const;

  WorkbenchState& state_;
  const Theme& theme_;
  RasterLanes& lanes_;
  int lane_;
  ColorScale scale_;
  bool per_row_ = false;
  MaskLook mask_ = MaskLook::none;
  bool active_ = false;

  HeatmapGeometry geometry_;
  QImage image_;
  HeatmapGeometry image_geometry_;  // that image_ was drawn for
  std::uint32_t extent_ = 0;
  std::shared_ptr<HeadPyramid> pyramid_;  // handed from job to job of the lane
  HeadId pyramid_head_;
  std::uint64_t pyramid_run_ = 0;

  std::optional<HeatmapCell> hovered_;
  std::uint32_t key_cursor_ = 0;
  bool key_cursor_shown_ = false;
  QPointF press_at_, last_at_;
  bool dragging_ = false, pressed_ = false;
};

}  // namespace fovea
