// Which expert each token took in each layer: tokens to the right, layers down, one hue per expert.
#pragma once

#include <QImage>
#include <QWidget>
#include <optional>

#include "ui/panels/routing_counts.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class RoutingMap : public QWidget {
  Q_OBJECT
 public:
  RoutingMap(WorkbenchState& state, const Theme& theme, const RoutingCounts& counts, QWidget* parent = nullptr);

  void refresh();  // draws the tokens that the counts have taken in since
  void reset_view();
  [[nodiscard]] QString cell_text(std::uint32_t token, std::uint32_t layer) const;
  [[nodiscard]] double token_x(std::uint32_t token) const;  // left edge of its column

  QSize sizeHint() const override { return {320, 140}; }
  QSize minimumSizeHint() const override { return {120, 72}; }

 Q_SIGNALS:
  void cell_pointed(const QString& text);
  void layer_chosen(std::uint32_t layer);

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

 private:
  struct Cell {
    std::uint32_t token = 0, layer = 0;
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  void redraw_all();
  void clamp();
  void zoom(double factor, double x);
  void point_at(std::optional<Cell> cell);
  void move_cursor(int tokens, int layers);
  [[nodiscard]] QRectF plot() const;
  [[nodiscard]] std::optional<Cell> cell_at(const QPointF& point) const;
  void paint_cells(QPainter& painter) const;
  void paint_slots(QPainter& painter) const;
  void paint_axes(QPainter& painter) const;

  WorkbenchState& state_;
  const Theme& theme_;
  const RoutingCounts& counts_;
  QImage image_;  // one pixel per token and layer
  std::uint32_t drawn_ = 0;
  double scale_ = 4, first_ = 0;  // pixels per token; the token at the left edge
  bool fitted_ = true;            // all tokens stay in view
  std::optional<Cell> hovered_;
  std::uint32_t layer_cursor_ = 0;
  bool pressed_ = false, dragging_ = false;
  QPointF press_at_, last_at_;
};

}  // namespace fovea
