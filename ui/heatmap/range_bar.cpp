#include "ui/heatmap/range_bar.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kSide = 8, kHistogram = 16, kStrip = 8, kLabels = 16;
constexpr float kAxisLow = 1e-5f;    // the logarithmic axis starts here
constexpr double kOutliers = 0.005;  // part of the weights at either end that a fitted range leaves out
}  // namespace

RangeBar::RangeBar(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) {
  setFocusPolicy(Qt::StrongFocus);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  connect(&theme, &Theme::changed, this, qOverload<>(&QWidget::update));
}

void RangeBar::set_scale(const ColorScale& scale) {
  scale_ = scale;
  update();
}

void RangeBar::set_picture(const HeatmapPicture& picture) {
  histogram_ = picture.histogram;
  update();
}

ColorScale RangeBar::axis() const { return {scale_.logarithmic, scale_.logarithmic ? kAxisLow : 0, 1, theme_.dark()}; }

QRectF RangeBar::strip() const { return {kSide, kHistogram + 2.0, std::max(1, width() - 2 * kSide) * 1.0, kStrip}; }

double RangeBar::x_of(float weight) const { return strip().left() + axis().position(weight) * strip().width(); }

void RangeBar::fit() {
  // Bin 0 is what counts as zero.
  double total = 0;
  for (std::size_t i = 1; i < kHistogramBins; ++i) total += histogram_[i];
  if (total == 0) return;
  std::size_t first = kHistogramBins, last = 0;
  double seen = 0;
  for (std::size_t i = 1; i < kHistogramBins; ++i) {
    const double before = seen;
    seen += histogram_[i];
    if (first == kHistogramBins && seen > kOutliers * total) first = i;
    if (before < (1 - kOutliers) * total) last = i;
  }
  const ColorScale bins{true, kHistogramLow, 1, false};
  const float low =
      scale_.logarithmic ? std::max(bins.weight_at(static_cast<float>(first) / kHistogramBins), kAxisLow) : 0;
  const float high = bins.weight_at(static_cast<float>(last + 1) / kHistogramBins);
  Q_EMIT range_changed(low, std::min(1.f, std::max(high, low * 1.01f)));
}

void RangeBar::move(Handle handle, float weight) {
  handle_ = handle;
  float low = scale_.low, high = scale_.high;
  if (handle == Handle::low)
    low = std::clamp(weight, axis().low, high * 0.99f);
  else
    high = std::clamp(weight, std::max(low * 1.01f, 1e-4f), 1.f);
  Q_EMIT range_changed(low, high);
}

void RangeBar::mousePressEvent(QMouseEvent* event) {
  const double x = event->position().x();
  dragging_ = true;
  const bool nearer_low = std::fabs(x - x_of(scale_.low)) < std::fabs(x - x_of(scale_.high));
  handle_ = nearer_low ? Handle::low : Handle::high;
  mouseMoveEvent(event);
}

void RangeBar::mouseMoveEvent(QMouseEvent* event) {
  if (!dragging_) return;
  const double position = (event->position().x() - strip().left()) / strip().width();
  move(handle_, axis().weight_at(static_cast<float>(std::clamp(position, 0.0, 1.0))));
}

void RangeBar::mouseReleaseEvent(QMouseEvent*) { dragging_ = false; }

void RangeBar::mouseDoubleClickEvent(QMouseEvent*) {
  dragging_ = false;
  fit();
}

void RangeBar::keyPressEvent(QKeyEvent* event) {
  const float step = event->modifiers() & Qt::ShiftModifier ? 0.1f : 0.02f;
  const float at = axis().position(handle_ == Handle::low ? scale_.low : scale_.high);
  switch (event->key()) {
    case Qt::Key_Left:
      return move(handle_, axis().weight_at(std::max(0.f, at - step)));
    case Qt::Key_Right:
      return move(handle_, axis().weight_at(std::min(1.f, at + step)));
    case Qt::Key_Up:
    case Qt::Key_Down:
      handle_ = handle_ == Handle::low ? Handle::high : Handle::low;
      return update();
    case Qt::Key_Return:
    case Qt::Key_Enter:
      return fit();
    default:
      QWidget::keyPressEvent(event);
  }
}

void RangeBar::focusInEvent(QFocusEvent*) { update(); }

void RangeBar::paintEvent(QPaintEvent*) {
  const ThemeColors& colors = theme_.colors();
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  const QRectF bar = strip();

  // Histogram: shares on a square-root height, so that the few large weights are seen beside the many small.
  const std::uint32_t most = *std::max_element(histogram_.begin() + 1, histogram_.end());
  const ColorScale bins{true, kHistogramLow, 1, false};
  painter.setPen(Qt::NoPen);
  painter.setBrush(colors.dim);
  for (int i = 1; i < kHistogramBins && most > 0; ++i) {
    const double left = x_of(bins.weight_at(static_cast<float>(i) / kHistogramBins));
    const double right = x_of(bins.weight_at(static_cast<float>(i + 1) / kHistogramBins));
    const double height = kHistogram * std::sqrt(static_cast<double>(histogram_[static_cast<std::size_t>(i)]) / most);
    if (right > left && height > 0) painter.drawRect(QRectF(left, bar.top() - 2 - height, right - left, height));
  }

  ColorScale shown = scale_;
  shown.dark = theme_.dark();
  painter.setRenderHint(QPainter::Antialiasing, false);
  for (int x = 0; x < static_cast<int>(bar.width()); ++x)
    painter.fillRect(QRectF(bar.left() + x, bar.top(), 1, bar.height()),
                     QColor(shown.color(axis().weight_at(static_cast<float>(x / bar.width())))));
  painter.setPen(colors.line);
  painter.setBrush(Qt::NoBrush);
  painter.drawRect(bar);

  painter.setRenderHint(QPainter::Antialiasing);
  painter.setFont(theme_.sans(11));
  const QFontMetrics metrics = painter.fontMetrics();
  const QString low = shown_number(scale_.low), high = shown_number(scale_.high);
  const double low_x = x_of(scale_.low), high_x = x_of(scale_.high);
  for (const auto handle : {Handle::low, Handle::high}) {
    const double x = handle == Handle::low ? low_x : high_x;
    painter.setBrush(hasFocus() && handle == handle_ ? colors.accent : colors.panel);
    painter.setPen(QPen(hasFocus() && handle == handle_ ? colors.accent : colors.text, 1.5));
    painter.drawRoundedRect(QRectF(x - 3, bar.top() - 3, 6, bar.height() + 6), 2, 2);
  }
  painter.setPen(colors.dim);
  const double low_width = metrics.horizontalAdvance(low), high_width = metrics.horizontalAdvance(high);
  const double high_at = std::clamp(high_x - high_width / 2, 0.0, width() - high_width);
  const double low_at = std::clamp(low_x - low_width / 2, 0.0, std::max(0.0, high_at - low_width - 6));
  const double top = bar.bottom() + 4;
  painter.drawText(QRectF(low_at, top, low_width + 2, kLabels), Qt::AlignLeft | Qt::AlignVCenter, low);
  painter.drawText(QRectF(high_at, top, high_width + 2, kLabels), Qt::AlignLeft | Qt::AlignVCenter, high);
}

}  // namespace fovea
