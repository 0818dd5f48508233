// The legend of a weight map and its range control in one: colours, a histogram of what is shown, two handles.
#pragma once

#include <QWidget>

#include "ui/heatmap/heatmap_raster.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class RangeBar : public QWidget {
  Q_OBJECT
 public:
  explicit RangeBar(const Theme& theme, QWidget* parent = nullptr);

  void set_scale(const ColorScale& scale);
  void set_picture(const HeatmapPicture& picture);  // its histogram
  [[nodiscard]] const ColorScale& scale() const { return scale_; }
  // The range that holds nearly all of what is shown: a few outliers (the first token sees only itself) do not count.
  void fit();

  QSize sizeHint() const override { return {260, 46}; }
  QSize minimumSizeHint() const override { return {140, 46}; }

 Q_SIGNALS:
  void range_changed(float low, float high);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void focusInEvent(QFocusEvent* event) override;

 private:
  enum class Handle { low, high };
  [[nodiscard]] ColorScale axis() const;  // the whole axis, of which the range is a part
  [[nodiscard]] QRectF strip() const;
  [[nodiscard]] double x_of(float weight) const;
  void move(Handle handle, float weight);

  const Theme& theme_;
  ColorScale scale_;
  std::array<std::uint32_t, kHistogramBins> histogram_{};
  Handle handle_ = Handle::high;
  bool dragging_ = false;
};

}  // namespace fovea
