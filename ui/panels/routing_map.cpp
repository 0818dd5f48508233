#include "ui/panels/routing_map.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QStringList>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kLeft = 28, kBottom = 18, kTop = 2, kRight = 4;
constexpr double kWidestToken = 28, kPreferredToken = 10;
constexpr double kSlotWidth = 14, kSlotHeight = 12;  // a cell this large shows its other experts too
constexpr int kDragFrom = 4;
constexpr std::uint32_t kWidestImage = 32000;  // tokens; what QImage and the painter take without trouble
}  // namespace

RoutingMap::RoutingMap(WorkbenchState& state, const Theme& theme, const RoutingCounts& counts, QWidget* parent)
    : QWidget(parent), state_(state), theme_(theme), counts_(counts) {
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  connect(&state, &WorkbenchState::run_started, this, &RoutingMap::reset_view);
  connect(&theme, &Theme::changed, this, &RoutingMap::redraw_all);
  connect(&state.selection(), &Selection::token_changed, this, [this] {
    if (const TokenIndex token = state_.selection().token(); token && !fitted_) {
      const double across = plot().width() / scale_;
      first_ = std::clamp(first_, *token + 1 - across, static_cast<double>(*token));
      clamp();
    }
    update();
  });
  connect(&state.selection(), &Selection::hover_changed, this, qOverload<>(&QWidget::update));
}

QRectF RoutingMap::plot() const {
  return {kLeft * 1.0, kTop * 1.0, std::max(1.0, width() - kLeft - kRight * 1.0),
          std::max(1.0, height() - kTop - kBottom * 1.0)};
}

void RoutingMap::clamp() {
  const double tokens = std::max(1u, counts_.tokens());
  const double smallest = std::min(plot().width() / tokens, kPreferredToken);
  scale_ = fitted_ ? smallest : std::clamp(scale_, smallest, std::max(smallest, kWidestToken));
  first_ = std::clamp(first_, 0.0, std::max(0.0, tokens - plot().width() / scale_));
}

void RoutingMap::reset_view() {
  fitted_ = true;
  redraw_all();
}

void RoutingMap::redraw_all() {
  drawn_ = 0;
  image_ = {};
  refresh();
}

void RoutingMap::refresh() {
  const std::uint32_t tokens = std::min(counts_.tokens(), kWidestImage), layers = counts_.layers();
  if (tokens < drawn_ || (image_.height() > 0 && image_.height() != static_cast<int>(layers))) {
    drawn_ = 0;
    image_ = {};
  }
  if (tokens > 0 && static_cast<int>(tokens) > image_.width()) {
    // Room ahead, so that growing copies seldom.
    QImage grown(static_cast<int>(std::min(tokens + tokens / 2 + 256, kWidestImage)), static_cast<int>(layers),
                 QImage::Format_RGB32);
    grown.fill(theme_.colors().unrecorded);
    if (!image_.isNull())
      for (int y = 0; y < image_.height(); ++y)
        std::copy_n(reinterpret_cast<const QRgb*>(image_.constScanLine(y)), image_.width(),
                    reinterpret_cast<QRgb*>(grown.scanLine(y)));
    image_ = grown;
  }
  std::vector<QRgb> hues;
  for (std::uint32_t expert = 0; expert < counts_.experts(); ++expert)
    hues.push_back(expert_color(expert, theme_.dark()).rgb());
  for (std::uint32_t layer = 0; layer < layers && drawn_ < tokens; ++layer) {
    auto* const line = reinterpret_cast<QRgb*>(image_.scanLine(static_cast<int>(layer)));
    for (std::uint32_t token = drawn_; token < tokens; ++token) {
      const std::uint16_t expert = counts_.main_expert(token, layer);
      line[token] = expert < hues.size() ? hues[expert] : theme_.colors().unrecorded.rgb();
    }
  }
  drawn_ = tokens;
  clamp();
  update();
}

double RoutingMap::token_x(std::uint32_t token) const { return plot().left() + (token - first_) * scale_; }

std::optional<RoutingMap::Cell> RoutingMap::cell_at(const QPointF& point) const {
  const QRectF at = plot();
  if (!at.contains(point) || counts_.layers() == 0) return std::nullopt;
  const double token = first_ + (point.x() - at.left()) / scale_;
  const double layer = (point.y() - at.top()) / at.height() * counts_.layers();
  if (token < 0 || token >= counts_.tokens()) return std::nullopt;
  return Cell{static_cast<std::uint32_t>(token), std::min(static_cast<std::uint32_t>(layer), counts_.layers() - 1)};
}

QString RoutingMap::cell_text(std::uint32_t token, std::uint32_t layer) const {
  if (!state_.trace() || token >= state_.token_count()) return {};
  const auto chosen = state_.trace()->routing.chosen(token, layer);
  const QString place = tr("token %1 %2, layer %3").arg(token).arg(shown_token(state_.tokens()[token])).arg(layer);
  if (chosen.empty()) return tr("%1: not recorded").arg(place);
  QStringList experts;
  for (const ExpertChoice& choice : chosen)
    experts << QStringLiteral("%1 %2").arg(choice.expert).arg(shown_number(static_cast<double>(choice.weight)));
  return tr("%1: experts %2").arg(place, experts.join(QStringLiteral(", ")));
}

void RoutingMap::point_at(std::optional<Cell> cell) {
  if (cell == hovered_) return;
  hovered_ = cell;
  state_.selection().hover_token(cell ? TokenIndex(cell->token) : std::nullopt);
  Q_EMIT cell_pointed(cell ? cell_text(cell->token, cell->layer) : QString());
  update();
}

void RoutingMap::zoom(double factor, double x) {
  const double token = first_ + (x - plot().left()) / scale_;
  scale_ *= factor;
  fitted_ = false;
  clamp();
  first_ = token - (x - plot().left()) / scale_;
  clamp();
  update();
}

void RoutingMap::resizeEvent(QResizeEvent*) { refresh(); }

void RoutingMap::wheelEvent(QWheelEvent* event) {
  if (event->angleDelta().y() == 0) return;
  zoom(std::pow(1.2, event->angleDelta().y() / 120.0), event->position().x());
  event->accept();
}

void RoutingMap::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  pressed_ = true;
  dragging_ = false;
  press_at_ = last_at_ = event->position();
}

void RoutingMap::mouseMoveEvent(QMouseEvent* event) {
  if (pressed_) {
    dragging_ = dragging_ || std::fabs(event->position().x() - press_at_.x()) > kDragFrom;
    if (dragging_) {
      first_ -= (event->position().x() - last_at_.x()) / scale_;
      last_at_ = event->position();
      clamp();
      return update();
    }
  }
  point_at(cell_at(event->position()));
}

void RoutingMap::mouseReleaseEvent(QMouseEvent* event) {
  if (const auto cell = cell_at(event->position()); pressed_ && !dragging_ && cell) {
    layer_cursor_ = cell->layer;
    state_.selection().select_token(cell->token);
  }
  pressed_ = dragging_ = false;
}

void RoutingMap::mouseDoubleClickEvent(QMouseEvent*) { reset_view(); }
void RoutingMap::leaveEvent(QEvent*) { point_at(std::nullopt); }

void RoutingMap::move_cursor(int tokens, int layers) {
  Selection& selection = state_.selection();
  const std::int64_t last_layer = std::int64_t{counts_.layers()} - 1;
  layer_cursor_ = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(std::int64_t{layer_cursor_} + layers, 0, std::max<std::int64_t>(last_layer, 0)));
  if (tokens != 0 || !selection.token()) selection.step(tokens != 0 ? tokens : -1, counts_.tokens());
  if (selection.token()) Q_EMIT cell_pointed(cell_text(*selection.token(), layer_cursor_));
  update();
}

void RoutingMap::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Left:
      return move_cursor(-1, 0);
    case Qt::Key_Right:
      return move_cursor(1, 0);
    case Qt::Key_Up:
      return move_cursor(0, -1);
    case Qt::Key_Down:
      return move_cursor(0, 1);
    case Qt::Key_Escape:
      return state_.selection().select_token(std::nullopt);
    case Qt::Key_Plus:
    case Qt::Key_Equal:
      return zoom(1.25, plot().center().x());
    case Qt::Key_Minus:
      return zoom(0.8, plot().center().x());
    case Qt::Key_0:
      return reset_view();
    default:
      QWidget::keyPressEvent(event);
  }
}

void RoutingMap::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), theme_.colors().panel);
  painter.save();
  painter.setClipRect(plot());
  paint_cells(painter);
  painter.restore();
  paint_axes(painter);
  if (hasFocus()) {
    painter.setPen(QPen(theme_.colors().accent, 1));
    painter.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5));
  }
}

void RoutingMap::paint_cells(QPainter& painter) const {
  if (image_.isNull() || drawn_ == 0) return;
  const QRectF at = plot();
  const double across = std::min(at.width() / scale_, drawn_ - first_);
  painter.drawImage(QRectF(at.left(), at.top(), across * scale_, at.height()), image_,
                    QRectF(first_, 0, across, counts_.layers()));
  if (scale_ >= kSlotWidth && at.height() / counts_.layers() >= kSlotHeight) paint_slots(painter);
  const auto column = [&](std::uint32_t token, const QColor& color) {
    painter.setPen(QPen(color, 1));
    painter.drawRect(QRectF(token_x(token) - 0.5, at.top(), std::max(scale_, 2.0) + 1, at.height() - 1));
  };
  const Selection& selection = state_.selection();
  if (selection.hovered() && *selection.hovered() < counts_.tokens()) column(*selection.hovered(), theme_.colors().dim);
  if (selection.token() && *selection.token() < counts_.tokens()) {
    column(*selection.token(), theme_.colors().text);
    if (hasFocus()) {
      const double height = at.height() / std::max(1u, counts_.layers());
      painter.setPen(QPen(theme_.colors().accent, 2));
      painter.drawRect(
          QRectF(token_x(*selection.token()), at.top() + layer_cursor_ * height, std::max(scale_, 4.0), height));
    }
  }
}

// Zoomed in, the right part of a cell is split among the other chosen experts by their weights.
void RoutingMap::paint_slots(QPainter& painter) const {
  if (!state_.trace()) return;
  const QRectF at = plot();
  const double height = at.height() / counts_.layers();
  const auto last = std::min<std::uint32_t>(drawn_, static_cast<std::uint32_t>(first_ + at.width() / scale_) + 1);
  for (auto token = static_cast<std::uint32_t>(first_); token < last; ++token)
    for (std::uint32_t layer = 0; layer < counts_.layers(); ++layer) {
      const auto chosen = state_.trace()->routing.chosen(token, layer);
      double rest = 0;
      for (std::size_t slot = 1; slot < chosen.size(); ++slot) rest += static_cast<double>(chosen[slot].weight);
      double y = at.top() + layer * height;
      for (std::size_t slot = 1; slot < chosen.size() && rest > 0; ++slot) {
        const double part = static_cast<double>(chosen[slot].weight) / rest * (height - 1);
        painter.fillRect(QRectF(token_x(token) + scale_ * 0.68, y, scale_ * 0.32 - 1, part),
                         expert_color(chosen[slot].expert, theme_.dark()));
        y += part;
      }
      painter.setPen(theme_.colors().panel);
      painter.drawLine(QPointF(token_x(token), y), QPointF(token_x(token) + scale_, y));
    }
}

void RoutingMap::paint_axes(QPainter& painter) const {
  const QRectF at = plot();
  painter.setFont(theme_.sans(11));
  painter.setPen(theme_.colors().dim);
  if (counts_.layers() == 0 || counts_.tokens() == 0) return;
  const double height = at.height() / counts_.layers();
  const std::uint32_t layer_step = tick_step(15 / height);
  for (std::uint32_t layer = 0; layer < counts_.layers(); layer += layer_step)
    painter.drawText(QRectF(0, at.top() + layer * height + height / 2 - 8, kLeft - 6, 16),
                     Qt::AlignRight | Qt::AlignVCenter, QString::number(layer));
  const std::uint32_t step = tick_step(56 / scale_);
  for (auto token = static_cast<std::uint32_t>(std::ceil(first_ / step)) * step; token < counts_.tokens();
       token += step) {
    const double x = token_x(token) + scale_ / 2;
    if (x > at.right() - 8) break;
    painter.drawText(QRectF(x - 40, at.bottom() + 2, 80, 16), Qt::AlignHCenter | Qt::AlignVCenter, shown_count(token));
  }
}

}  // namespace fovea
