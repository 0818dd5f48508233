#include "ui/heatmap/attention_map.hpp"

#include <QEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {

constexpr int kLeft = 72, kTop = 44, kRight = 8, kBottom = 8;  // margins that hold the labels
constexpr double kLabelCell = 13;  // pixels of a cell from which on tokens are written beside it
constexpr int kDragFrom = 4;       // pixels before a press becomes a drag
constexpr std::uint32_t kFewestCells = 8;
constexpr int kMapPriority = 1;  // before thumbnails

}  // namespace

HeatmapGround heatmap_ground(const ThemeColors& colors) {
  return {colors.panel.rgb(), colors.future.rgb(), colors.future_hatch.rgb(), colors.unrecorded.rgb(),
          colors.unrecorded_dots.rgb()};
}

MaskColors mask_colors(const ThemeColors& colors) {
  return {colors.page_sinks.rgb(), colors.page_window.rgb(), colors.page_chosen.rgb(), colors.page_left_out.rgb(),
          colors.page_left_out_hatch.rgb(), colors.loss.rgb(),
          colors.tier_f16.rgb(), colors.tier_eight_bits.rgb(), colors.tier_four_bits.rgb()};
}

QString tier_words(const std::optional<PageTier>& tier) {
  if (!tier) return AttentionMap::tr("kept as a far page, or a hot one: not told yet");
  switch (*tier) {
    case PageTier::f16:
      return AttentionMap::tr("kept as f16");
    case PageTier::eight_bits:
      return AttentionMap::tr("kept as a hot page now");
    case PageTier::four_bits:
      break;
  }
  return AttentionMap::tr("kept as a far page now");
}

AttentionMap::AttentionMap(WorkbenchState& state, const Theme& theme, RasterLanes& lanes, int lane, QWidget* parent)
    : QWidget(parent), state_(state), theme_(theme), lanes_(lanes), lane_(lane) {
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  Selection& selection = state.selection();
  connect(&selection, &Selection::head_changed, this, &AttentionMap::refresh);
  connect(&selection, &Selection::hover_changed, this, qOverload<>(&QWidget::update));
  connect(&selection, &Selection::token_changed, this, [this] {
    if (const TokenIndex token = state_.selection().token(); token && !geometry_.fitted()) {
      geometry_.reveal({*token, std::min(key_cursor_, *token)});
      submit_raster();
    }
    update();
  });
  connect(&state, &WorkbenchState::run_started, this, [this] {
    extent_ = 0;
    image_ = {};
    key_cursor_shown_ = false;
    point_at(std::nullopt);
    geometry_.fit();
    refresh();
  });
  connect(&theme, &Theme::changed, this, &AttentionMap::submit_raster);
}

void AttentionMap::set_scale(const ColorScale& scale, bool per_row) {
  scale_ = scale;
  per_row_ = per_row;
  submit_raster();
}

void AttentionMap::set_mask(MaskLook look) {
  if (mask_ == look) return;
  mask_ = look;
  submit_raster();
}

void AttentionMap::set_active(bool active) {
  if (active_ == active) return;
  active_ = active;
  refresh();
}

// While a run grows the axes leave room ahead, so that the picture is not rescaled with every token, and never under
// the mouse.
std::uint32_t AttentionMap::extent() const {
  const std::uint32_t tokens = std::max(state_.token_count(), kFewestCells);
  if (extent_ == 0 || tokens > extent_) return state_.running() ? tokens + tokens / 4 : tokens;
  return !state_.running() && !underMouse() ? tokens : extent_;
}

void AttentionMap::refresh() {
  if (!active_) return;
  extent_ = extent();
  geometry_.set_cells(extent_);
  submit_raster();
  update();
}

void AttentionMap::reset_view() {
  extent_ = 0;
  extent_ = extent();
  geometry_.set_cells(extent_);
  geometry_.fit();
  submit_raster();
  update();
}

void AttentionMap::place_plot() {
  geometry_.set_plot(
      QRectF(kLeft, kTop, std::max(1, width() - kLeft - kRight), std::max(1, height() - kTop - kBottom)));
}

void AttentionMap::submit_raster() {
  if (!active_ || !isVisible() || geometry_.plot().isEmpty()) return;
  const double ratio = devicePixelRatioF();
  HeatmapQuery query;
  query.size = (geometry_.plot().size() * ratio).toSize();
  query.pixels_per_cell = geometry_.scale() * ratio;
  query.first_key = geometry_.origin().x();
  query.first_query = geometry_.origin().y();
  query.tokens = state_.token_count();
  query.pixel_ratio = ratio;
  query.scale = scale_;
  query.scale.dark = theme_.dark();
  query.per_row = per_row_;
  query.ground = heatmap_ground(theme_.colors());
  const HeadId head = state_.selection().head();
  const auto trace = state_.trace();
  query.mask = mask_;
  query.mask_colors = mask_colors(theme_.colors());
  query.head = head;
  query.group = state_.heads_of_group();
  const std::uint64_t run = state_.request().id;
  if (!pyramid_ || pyramid_head_ != head || pyramid_run_ != run) {
    pyramid_ = std::make_shared<HeadPyramid>();
    pyramid_head_ = head;
    pyramid_run_ = run;
  }
  lanes_.submit(
      lane_,
      [this, query, head, trace, pyramid = pyramid_, geometry = geometry_]() -> RasterLanes::Finish {
        const HeadTrace* recorded = trace ? trace->head(head) : nullptr;
        if (recorded && query.pixels_per_cell * HeadPyramid::kBlock <= 1) pyramid->absorb(*recorded);
        const auto tiers = trace && trace->tiers && query.mask == MaskLook::tiers ? std::optional(PageTiers(trace->tiers, trace->steps)) : std::nullopt;
        return [this, geometry,
                picture = raster_attention(recorded, pyramid.get(), query, trace ? trace->pages.get() : nullptr, tiers ? &*tiers : nullptr)] {
          image_ = picture.image;
          image_geometry_ = geometry;
          Q_EMIT picture_changed(picture);
          update();
        };
      },
      kMapPriority);
}

QString AttentionMap::cell_text(const HeatmapCell& cell) const {
  const auto& tokens = state_.tokens();
  if (cell.query >= tokens.size() || cell.key >= tokens.size()) return {};
  const QString place = tr("query %1 %2\nkey %3 %4")
                            .arg(cell.query)
                            .arg(shown_token(tokens[cell.query]))
                            .arg(cell.key)
                            .arg(shown_token(tokens[cell.key]));
  if (cell.key > cell.query) return tr("%1\ncannot see it: the key comes later").arg(place);
  const HeadId id = state_.selection().head();
  const HeadTrace* head = state_.trace() ? state_.trace()->head(id) : nullptr;
  const auto row = head ? head->row(cell.query) : std::span<const std::uint16_t>{};
  QString weight = row.empty() ? tr("%1\nnot recorded").arg(place) : tr("%1\nweight %2").arg(place, shown_number(weight_of_half(row[cell.key])));
  const std::uint32_t page = cell.key / kAttentionPage;
  if (state_.trace() && state_.trace()->tiers) weight = QStringLiteral("%1\n%2").arg(weight, tier_words(PageTiers(state_.trace()->tiers, state_.trace()->steps).of(id.layer, page, cell.query)));
  const PageTrace* pages = state_.pages();
  const auto choice = pages && pages->chooses(id.layer) ? pages->choice(id.layer, id.head / state_.heads_of_group(), cell.query) : std::nullopt;
  if (!choice) return weight;
  switch (choice->part(page)) {
    case PagePart::sinks:
      return tr("%1\npage %2: a sink").arg(weight).arg(page);
    case PagePart::window:
      return tr("%1\npage %2: in the window").arg(weight).arg(page);
    case PagePart::chosen:
      return tr("%1\npage %2: chosen").arg(weight).arg(page);
    case PagePart::left_out:
      break;
  }
  return tr("%1\npage %2: not attended").arg(weight).arg(page);
}

void AttentionMap::point_at(std::optional<HeatmapCell> cell) {
  if (cell && (cell->query >= state_.token_count() || cell->key >= state_.token_count())) cell.reset();
  if (cell == hovered_) return;
  hovered_ = cell;
  state_.selection().hover_token(cell ? TokenIndex(cell->query) : std::nullopt);
  Q_EMIT cell_pointed(cell ? cell_text(*cell) : QString());
  update();
}

void AttentionMap::resizeEvent(QResizeEvent*) {
  place_plot();
  submit_raster();
}

void AttentionMap::wheelEvent(QWheelEvent* event) {
  const QPoint turned = event->angleDelta();
  if (turned.y() == 0) return;
  geometry_.zoom(std::pow(1.2, turned.y() / 120.0), event->position());
  point_at(geometry_.cell_at(event->position()));
  submit_raster();
  update();
  event->accept();
}

void AttentionMap::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  pressed_ = true;
  dragging_ = false;
  press_at_ = last_at_ = event->position();
}

void AttentionMap::mouseMoveEvent(QMouseEvent* event) {
  if (pressed_) {
    dragging_ = dragging_ || (event->position() - press_at_).manhattanLength() > kDragFrom;
    if (dragging_) {
      setCursor(Qt::ClosedHandCursor);
      geometry_.pan(event->position() - last_at_);
      last_at_ = event->position();
      submit_raster();
      update();
      return;
    }
  }
  point_at(geometry_.cell_at(event->position()));
}

void AttentionMap::mouseReleaseEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  unsetCursor();
  const auto cell = geometry_.cell_at(event->position());
  if (pressed_ && !dragging_ && cell && cell->query < state_.token_count() && cell->key < state_.token_count()) {
    key_cursor_ = cell->key;
    key_cursor_shown_ = true;
    state_.selection().select_token(event->modifiers() & Qt::ShiftModifier ? cell->key : cell->query);
    update();
  }
  pressed_ = dragging_ = false;
}

void AttentionMap::mouseDoubleClickEvent(QMouseEvent*) { reset_view(); }

void AttentionMap::leaveEvent(QEvent*) {
  point_at(std::nullopt);
  if (active_ && extent() != extent_) refresh();
}

void AttentionMap::move_cell(int queries, int keys) {
  Selection& selection = state_.selection();
  const std::uint32_t tokens = state_.token_count();
  if (tokens == 0) return;
  if (queries != 0 || !selection.token()) selection.step(queries != 0 ? queries : -1, tokens);
  if (!selection.token()) return;
  const std::int64_t moved = std::int64_t{key_cursor_} + keys;
  key_cursor_ = static_cast<std::uint32_t>(std::clamp<std::int64_t>(moved, 0, *selection.token()));
  key_cursor_shown_ = true;
  geometry_.reveal({*selection.token(), key_cursor_});
  Q_EMIT cell_pointed(cell_text({*selection.token(), key_cursor_}));
  submit_raster();
  update();
}

void AttentionMap::keyPressEvent(QKeyEvent* event) {
  const QPointF center = geometry_.plot().center();
  switch (event->key()) {
    case Qt::Key_Up:
      return move_cell(-1, 0);
    case Qt::Key_Down:
      return move_cell(1, 0);
    case Qt::Key_Left:
      return move_cell(0, -1);
    case Qt::Key_Right:
      return move_cell(0, 1);
    case Qt::Key_PageUp:
      return move_cell(-16, 0);
    case Qt::Key_PageDown:
      return move_cell(16, 0);
    case Qt::Key_Escape:
      key_cursor_shown_ = false;
      state_.selection().select_token(std::nullopt);
      Q_EMIT cell_pointed(QString());
      return update();
    case Qt::Key_Plus:
    case Qt::Key_Equal:
      geometry_.zoom(1.25, center);
      break;
    case Qt::Key_Minus:
      geometry_.zoom(0.8, center);
      break;
    case Qt::Key_0:
      return reset_view();
    default:
      return QWidget::keyPressEvent(event);
  }
  submit_raster();
  update();
}

void AttentionMap::changeEvent(QEvent* event) {
  if (event->type() == QEvent::FontChange || event->type() == QEvent::LanguageChange) update();
  QWidget::changeEvent(event);
}

void AttentionMap::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), theme_.colors().panel);
  if (!active_) return;
  painter.save();
  painter.setClipRect(geometry_.plot());
  paint_picture(painter);
  paint_cursor(painter);
  painter.restore();
  paint_axes(painter);
  if (hasFocus()) {
    painter.setPen(QPen(theme_.colors().accent, 1));
    painter.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5));
  }
}

void AttentionMap::paint_picture(QPainter& painter) const {
  if (image_.isNull()) return;
  // A picture drawn for another zoom stands in, moved and stretched, until its successor is ready.
  const QPointF first = geometry_.to_pixel(image_geometry_.origin());
  const double stretch = geometry_.scale() / image_geometry_.scale();
  const QSizeF size = QSizeF(image_.size()) / image_.devicePixelRatio() * stretch;
  painter.drawImage(QRectF(first, size), image_, QRectF(image_.rect()));
}

void AttentionMap::paint_axes(QPainter& painter) const {
  const ThemeColors& colors = theme_.colors();
  const QRectF& plot = geometry_.plot();
  painter.setFont(theme_.sans(11));
  painter.setPen(colors.dim);
  const double tokens = state_.token_count();
  const QPointF end = geometry_.to_pixel({tokens, tokens});
  const double right = std::min(plot.right(), end.x()), bottom = std::min(plot.bottom(), end.y());
  if (tokens == 0) return;
  if (geometry_.scale() >= kLabelCell) return paint_token_labels(painter);

  painter.drawText(QRectF(0, plot.top() - 38, kLeft - 14, 18), Qt::AlignRight | Qt::AlignVCenter, tr("keys →"));
  painter.drawText(QRectF(0, plot.top() - 21, kLeft - 14, 18), Qt::AlignRight | Qt::AlignVCenter, tr("queries ↓"));
  const std::uint32_t step = tick_step(56 / geometry_.scale());
  const auto ticks = [&](double start, double pixels, const auto& draw) {
    for (auto tick = static_cast<std::uint32_t>(std::ceil(start / step)) * step; tick < tokens; tick += step) {
      if ((tick - start) * geometry_.scale() > pixels) break;
      draw(tick);
    }
  };
  ticks(geometry_.origin().x(), right - plot.left(), [&](std::uint32_t tick) {
    const double x = geometry_.to_pixel({tick + 0.5, 0}).x();
    painter.drawLine(QPointF(x, plot.top() - 5), QPointF(x, plot.top() - 1));
    painter.drawText(QRectF(x - 40, plot.top() - 22, 80, 16), Qt::AlignHCenter | Qt::AlignBottom, shown_count(tick));
  });
  ticks(geometry_.origin().y(), bottom - plot.top(), [&](std::uint32_t tick) {
    const double y = geometry_.to_pixel({0, tick + 0.5}).y();
    painter.drawLine(QPointF(plot.left() - 5, y), QPointF(plot.left() - 1, y));
    painter.drawText(QRectF(0, y - 10, kLeft - 9, 20), Qt::AlignRight | Qt::AlignVCenter, shown_count(tick));
  });
}

void AttentionMap::paint_token_labels(QPainter& painter) const {
  const QRectF& plot = geometry_.plot();
  const auto& tokens = state_.tokens();
  painter.setFont(theme_.mono(11));
  const QFontMetrics metrics = painter.fontMetrics();
  const TokenIndex selected = state_.selection().token();
  const auto color = [&](std::uint32_t token) {
    const bool lit =
        (selected && *selected == token) || (hovered_ && (hovered_->query == token || hovered_->key == token));
    return lit ? theme_.colors().text : theme_.colors().dim;
  };
  const auto label = [&](std::uint32_t token, int width) {
    QString text = shown_token(tokens[token]);
    return metrics.elidedText(text.mid(1, text.size() - 2), Qt::ElideRight, width);
  };
  const auto range = [&](double start, double pixels) {
    const auto first = static_cast<std::uint32_t>(std::max(0.0, start));
    const auto last = std::min(start + pixels / geometry_.scale(), state_.token_count() - 1.0);
    return std::pair(first, static_cast<std::uint32_t>(std::max(0.0, last)));
  };
  const auto [first_query, last_query] = range(geometry_.origin().y(), plot.height());
  for (std::uint32_t token = first_query; token <= last_query; ++token) {
    const double y = geometry_.to_pixel({0, token + 0.5}).y();
    if (y < plot.top() || y > plot.bottom()) continue;
    painter.setPen(color(token));
    painter.drawText(QRectF(2, y - 10, kLeft - 7, 20), Qt::AlignRight | Qt::AlignVCenter, label(token, kLeft - 7));
  }
  const auto [first_key, last_key] = range(geometry_.origin().x(), plot.width());
  for (std::uint32_t token = first_key; token <= last_key; ++token) {
    const double x = geometry_.to_pixel({token + 0.5, 0}).x();
    if (x < plot.left() || x > plot.right()) continue;
    painter.save();
    painter.setPen(color(token));
    painter.translate(x, plot.top() - 4);
    painter.rotate(-90);
    painter.drawText(QRectF(0, -10, kTop - 6, 20), Qt::AlignLeft | Qt::AlignVCenter, label(token, kTop - 6));
    painter.restore();
  }
}

void AttentionMap::paint_cursor(QPainter& painter) const {
  const double tokens = state_.token_count();
  const double cell = geometry_.scale();
  const auto bands = [&](std::uint32_t token, const QColor& color) {
    QColor ground = color;
    ground.setAlpha(cell >= 3 ? 48 : 0);
    const QPointF at = geometry_.to_pixel({static_cast<double>(token), static_cast<double>(token)});
    const QPointF zero = geometry_.to_pixel({0, 0}), end = geometry_.to_pixel({tokens, tokens});
    const double side = std::max(cell, 1.0);
    painter.setPen(Qt::NoPen);
    const QRectF row(zero.x(), at.y(), at.x() + cell - zero.x(), side), column(at.x(), at.y(), side, end.y() - at.y());
    painter.fillRect(row, ground);
    painter.fillRect(column, ground);
    painter.setPen(QPen(color, 1));
    if (cell < 3) {
      painter.drawLine(row.topLeft(), row.topRight());
      painter.drawLine(column.topLeft(), column.bottomLeft());
    } else {
      painter.drawRect(row);
      painter.drawRect(column);
    }
  };
  const Selection& selection = state_.selection();
  if (const TokenIndex hover = selection.hovered(); hover && !hovered_ && *hover < tokens) {
    QColor quiet = theme_.colors().dim;
    quiet.setAlpha(150);
    bands(*hover, quiet);
  }
  if (const TokenIndex token = selection.token(); token && *token < tokens) {
    bands(*token, theme_.colors().accent);
    if (key_cursor_shown_ && key_cursor_ <= *token) {
      const QPointF at = geometry_.to_pixel({static_cast<double>(key_cursor_), static_cast<double>(*token)});
      painter.setPen(QPen(theme_.colors().run_b, 2));
      painter.drawRect(QRectF(at, QSizeF(std::max(cell, 4.0), std::max(cell, 4.0))));
    }
  }
  if (hovered_) {
    const QPointF at = geometry_.to_pixel({static_cast<double>(hovered_->key), static_cast<double>(hovered_->query)});
    painter.setPen(QPen(theme_.colors().text, 1));
    painter.drawRect(QRectF(at, QSizeF(std::max(cell, 3.0), std::max(cell, 3.0))));
  }
}

}  // namespace fovea
