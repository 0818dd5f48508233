// Where the cells of a query x key map lie on the widget: pure arithmetic of zoom, pan and picking.
#pragma once

#include <QPointF>
#include <QRectF>
#include <cstdint>
#include <optional>

namespace fovea {

struct HeatmapCell {
  std::uint32_t query = 0, key = 0;
  friend bool operator==(const HeatmapCell&, const HeatmapCell&) = default;
};

// Cell (key k, query q) covers [k, k+1) x [q, q+1) of cell space; x runs along keys, y down the queries.
class HeatmapGeometry {
 public:
  static constexpr double kLargestCell = 64;  // pixels

  void set_plot(const QRectF& plot);            // where the map is drawn, in widget pixels
  void set_cells(std::uint32_t cells);          // rows and columns; a fitted view stays fitted
  void fit();                                   // all cells in view
  void zoom(double factor, const QPointF& at);  // the cell under `at` stays under it
  void pan(const QPointF& pixels);              // the picture follows the mouse
  void reveal(const HeatmapCell& cell);         // pans just enough to bring it into view

  [[nodiscard]] const QRectF& plot() const { return plot_; }
  [[nodiscard]] std::uint32_t cells() const { return cells_; }
  [[nodiscard]] double scale() const { return scale_; }            // pixels per cell
  [[nodiscard]] const QPointF& origin() const { return origin_; }  // cell coordinates at the plot's top left
  [[nodiscard]] bool fitted() const { return fitted_; }

  [[nodiscard]] QPointF to_pixel(const QPointF& cell) const { return plot_.topLeft() + (cell - origin_) * scale_; }
  [[nodiscard]] QPointF to_cell(const QPointF& pixel) const { return (pixel - plot_.topLeft()) / scale_ + origin_; }
  [[nodiscard]] std::optional<HeatmapCell> cell_at(const QPointF& pixel) const;

  friend bool operator==(const HeatmapGeometry&, const HeatmapGeometry&) = default;

 private:
  [[nodiscard]] double fit_scale() const;
  void clamp();

  QRectF plot_;
  std::uint32_t cells_ = 0;
  double scale_ = 1;
  QPointF origin_;
  bool fitted_ = true;
};

// A step for axis labels: 1, 2 or 5 times a power of ten, at least `smallest`.
[[nodiscard]] std::uint32_t tick_step(double smallest);

}  // namespace fovea
