#include "ui/heatmap/heatmap_geometry.hpp"

#include <algorithm>
#include <cmath>

namespace fovea {

double HeatmapGeometry::fit_scale() const {
  const double side = std::min(plot_.width(), plot_.height());
  if (cells_ == 0 || side <= 0) return 1;
  return std::min(side / cells_, kLargestCell);
}

void HeatmapGeometry::set_plot(const QRectF& plot) {
  plot_ = plot;
  if (fitted_)
    fit();
  else
    clamp();
}

void HeatmapGeometry::set_cells(std::uint32_t cells) {
  cells_ = cells;
  if (fitted_)
    fit();
  else
    clamp();
}

void HeatmapGeometry::fit() {
  scale_ = fit_scale();
  origin_ = {};
  fitted_ = true;
}

void HeatmapGeometry::zoom(double factor, const QPointF& at) {
  const QPointF cell = to_cell(at);
  const double smallest = fit_scale();
  scale_ = std::clamp(scale_ * factor, smallest, std::max(smallest, kLargestCell));
  fitted_ = scale_ <= smallest * (1 + 1e-9);
  origin_ = cell - (at - plot_.topLeft()) / scale_;
  if (fitted_)
    fit();
  else
    clamp();
}

void HeatmapGeometry::pan(const QPointF& pixels) {
  origin_ -= pixels / scale_;
  clamp();
}

void HeatmapGeometry::reveal(const HeatmapCell& cell) {
  const double across = plot_.width() / scale_, down = plot_.height() / scale_;
  origin_.setX(std::clamp(origin_.x(), cell.key + 1 - across, static_cast<double>(cell.key)));
  origin_.setY(std::clamp(origin_.y(), cell.query + 1 - down, static_cast<double>(cell.query)));
  clamp();
}

void HeatmapGeometry::clamp() {
  const auto kept = [&](double at, double pixels) {
    return std::clamp(at, 0.0, std::max(0.0, cells_ - pixels / scale_));
  };
  origin_ = {kept(origin_.x(), plot_.width()), kept(origin_.y(), plot_.height())};
}

std::optional<HeatmapCell> HeatmapGeometry::cell_at(const QPointF& pixel) const {
  if (!plot_.contains(pixel)) return std::nullopt;
  const QPointF cell = to_cell(pixel);
  if (cell.x() < 0 || cell.y() < 0 || cell.x() >= cells_ || cell.y() >= cells_) return std::nullopt;
  return HeatmapCell{static_cast<std::uint32_t>(cell.y()), static_cast<std::uint32_t>(cell.x())};
}

std::uint32_t tick_step(double smallest) {
  if (!(smallest > 1)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(smallest)));
  for (const double times : {1.0, 2.0, 5.0, 10.0})
    if (times * power >= smallest * (1 - 1e-12)) return static_cast<std::uint32_t>(times * power);
  return static_cast<std::uint32_t>(10 * power);
}

}  // namespace fovea
