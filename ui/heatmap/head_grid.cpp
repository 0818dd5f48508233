#include "ui/heatmap/head_grid.hpp"

#include <QEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <algorithm>
#include <cmath>

#include "ui/heatmap/attention_map.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kLabel = 24, kHeader = 20, kGap = 4, kMargin = 3;
constexpr int kSmallest = 20, kLargest = 72;
constexpr double kMostLost = 0.25;  // share lost from which on the colour of recall changes no more
}  // namespace

HeadGrid::HeadGrid(WorkbenchState& state, const Theme& theme, RasterLanes& lanes, int first_lane, QWidget* parent)
    : QAbstractScrollArea(parent), state_(state), theme_(theme), lanes_(lanes), first_lane_(first_lane) {
  setFrameShape(QFrame::NoFrame);
  setFocusPolicy(Qt::StrongFocus);
  viewport()->setMouseTracking(true);
  connect(&state, &WorkbenchState::run_started, this, &HeadGrid::rebuild);
  connect(&state, &WorkbenchState::model_changed, this, &HeadGrid::rebuild);
  connect(&theme, &Theme::changed, this, &HeadGrid::invalidate);
  connect(&state.selection(), &Selection::head_changed, this, [this] {
    reveal(state_.selection().head());
    viewport()->update();
  });
  rebuild();
}

void HeadGrid::rebuild() {
  const auto& model = state_.model();
  layers_ = model ? model->layers : 0;
  heads_ = model ? model->query_heads : 0;
  ++version_;  // results of jobs for the former run are dropped
  thumbnails_.assign(std::size_t{layers_} * heads_, {});
  for (Thumbnail& thumbnail : thumbnails_) thumbnail.pyramid = std::make_shared<HeadPyramid>();
  hovered_.reset();
  figures_.clear();
  lay_out();
  viewport()->update();
}

void HeadGrid::lay_out() {
  if (heads_ == 0 || layers_ == 0) return;
  const int across = (viewport()->width() - kLabel - 2 * kMargin) / static_cast<int>(heads_) - kGap;
  const int down = (viewport()->height() - kHeader - 2 * kMargin) / static_cast<int>(layers_) - kGap;
  const int side = std::clamp(std::min(across, down), kSmallest, kLargest);
  if (side != side_) ++version_;
  side_ = side;
  const int width = kLabel + 2 * kMargin + static_cast<int>(heads_) * (side_ + kGap);
  const int height = kHeader + 2 * kMargin + static_cast<int>(layers_) * (side_ + kGap);
  horizontalScrollBar()->setRange(0, std::max(0, width - viewport()->width()));
  verticalScrollBar()->setRange(0, std::max(0, height - viewport()->height()));
  for (QScrollBar* bar : {horizontalScrollBar(), verticalScrollBar()}) {
    bar->setSingleStep(side_ + kGap);
    bar->setPageStep(4 * (side_ + kGap));
  }
}

void HeadGrid::set_scale(const ColorScale& scale, bool per_row) {
  scale_ = scale;
  per_row_ = per_row;
  invalidate();
}

void HeadGrid::set_figure(GridFigure figure) {
  if (figure_ == figure) return;
  figure_ = figure;
  refresh();
  viewport()->update();
}

void HeadGrid::refresh_figures() {
  const PageTrace* pages = state_.pages();
  if (figure_ == GridFigure::map || pages == nullptr || pages->rows.empty()) return figures_.clear();
  figures_.resize(thumbnails_.size());
  for (std::uint32_t layer = 0; layer < layers_; ++layer)
    for (std::uint32_t head = 0; head < heads_; ++head)
      figures_[std::size_t{layer} * heads_ + head] = recall_figures(pages->rows, heads_, layer, layer + 1, head);
}

// A field whose colour is the share lost, or the entropy, with the number where it fits.
void HeadGrid::paint_figure(QPainter& painter, const QRect& at, HeadId head) const {
  const ThemeColors& colors = theme_.colors();
  const std::size_t index = std::size_t{head.layer} * heads_ + head.head;
  const RecallFigures figures = index < figures_.size() ? figures_[index] : RecallFigures{};
  if (figures.measured == 0) {
    painter.setPen(QPen(colors.unrecorded_dots, 1, Qt::DotLine));
    painter.drawRect(at.adjusted(0, 0, -1, -1));
    return;
  }
  const bool recall = figure_ == GridFigure::recall;
  if (recall && figures.sparse == 0) {  // nothing was left out, so nothing can be lost
    painter.fillRect(at, colors.page_left_out);
    painter.setPen(colors.dim);
    painter.drawText(at, Qt::AlignCenter, QStringLiteral("–"));
    return;
  }
  const double shown = recall ? figures.recall.mean : figures.entropy;
  const double place = recall ? std::min(1.0, (1 - shown) / kMostLost) : shown;
  const QColor ground = QColor::fromRgb(color_table(theme_.dark())[static_cast<std::size_t>(std::lround(place * 255))]);
  painter.fillRect(at, ground);
  painter.setPen(contrast(ground, Qt::black) >= contrast(ground, Qt::white) ? Qt::black : Qt::white);
  // Rounded down, so that 100 says all.
  const QString text = side_ >= 36 ? QString::number(std::floor(shown * 1000) / 10, 'f', 1) : QString::number(static_cast<int>(shown * 100));
  painter.drawText(at, Qt::AlignCenter, text);
}

QString HeadGrid::head_text(HeadId head) const {
  const QString place = (has_thumbnail(head) ? tr("layer %1, head %2") : tr("layer %1, head %2: not recorded")).arg(head.layer).arg(head.head);
  if (figure_ == GridFigure::map) return place;
  const QString name = tr("layer %1, head %2").arg(head.layer).arg(head.head);
  const std::size_t index = std::size_t{head.layer} * heads_ + head.head;
  if (index >= figures_.size() || figures_[index].measured == 0) return tr("%1\nnot measured").arg(name);
  const RecallFigures& figures = figures_[index];
  const QString entropy = tr("entropy %1, of what was kept %2").arg(figures.entropy, 0, 'f', 2).arg(figures.kept_entropy, 0, 'f', 2);
  if (figures.sparse == 0) return tr("%1\neverything was read\n%2").arg(name, entropy);
  return tr("%1\nkept %2 of attention, in 5 % of the rows less than %3\nbest choice %4\n%5")
      .arg(name, shown_percent(figures.recall.mean), shown_percent(figures.recall.p5), shown_percent(figures.oracle.mean), entropy);
}

void HeadGrid::invalidate() {
  ++version_;
  refresh();
  viewport()->update();
}

QRect HeadGrid::thumbnail_rect(HeadId head) const {
  const int pitch = side_ + kGap;
  return {kMargin + kLabel + static_cast<int>(head.head) * pitch - horizontalScrollBar()->value(),
          kMargin + kHeader + static_cast<int>(head.layer) * pitch - verticalScrollBar()->value(), side_, side_};
}

bool HeadGrid::has_thumbnail(HeadId head) const {
  const std::size_t index = std::size_t{head.layer} * heads_ + head.head;
  return index < thumbnails_.size() && !thumbnails_[index].image.isNull();
}

std::optional<HeadId> HeadGrid::head_at(const QPoint& point) const {
  const int pitch = side_ + kGap;
  const int x = point.x() - kMargin - kLabel + horizontalScrollBar()->value();
  const int y = point.y() - kMargin - kHeader + verticalScrollBar()->value();
  if (x < 0 || y < 0) return std::nullopt;
  const HeadId head{static_cast<std::uint32_t>(y / pitch), static_cast<std::uint32_t>(x / pitch)};
  if (head.layer >= layers_ || head.head >= heads_) return std::nullopt;
  return head;
}

void HeadGrid::refresh() {
  const auto& trace = state_.trace();
  if (!trace || !isVisible()) return;
  if (figure_ != GridFigure::map) {
    refresh_figures();
    viewport()->update();
    return;
  }
  for (const HeadTrace& head : trace->heads) {
    const std::size_t index = std::size_t{head.id.layer} * heads_ + head.id.head;
    if (head.id.head >= heads_ || index >= thumbnails_.size() || head.chunks.empty()) continue;
    if (!thumbnail_rect(head.id).intersects(viewport()->rect())) continue;
    const std::uint32_t rows = head.chunks.back()->first_query + head.chunks.back()->rows;
    const Thumbnail& thumbnail = thumbnails_[index];
    if (thumbnail.drawn_rows == rows && thumbnail.drawn_version == version_ &&
        thumbnail.drawn_tokens == state_.token_count())
      continue;
    submit(index, rows);
  }
}

void HeadGrid::submit(std::size_t index, std::uint32_t rows) {
  Thumbnail& thumbnail = thumbnails_[index];
  thumbnail.drawn_rows = rows;
  thumbnail.drawn_tokens = state_.token_count();
  thumbnail.drawn_version = version_;
  const double ratio = devicePixelRatioF();
  HeatmapQuery query;
  query.size = QSize(side_, side_) * ratio;
  query.tokens = std::max(state_.token_count(), 1u);
  query.pixels_per_cell = query.size.width() / static_cast<double>(query.tokens);
  query.pixel_ratio = ratio;
  query.scale = scale_;
  query.scale.dark = theme_.dark();
  query.per_row = per_row_;
  query.ground = heatmap_ground(theme_.colors());
  query.ground.future_hatch = query.ground.future;  // a hatch this small is only noise
  const HeadId head{static_cast<std::uint32_t>(index / heads_), static_cast<std::uint32_t>(index % heads_)};
  lanes_.submit(first_lane_ + static_cast<int>(index),
                [this, query, head, index, trace = state_.trace(), pyramid = thumbnail.pyramid,
                 version = version_]() -> RasterLanes::Finish {
                  const HeadTrace* recorded = trace->head(head);
                  if (recorded && query.pixels_per_cell * HeadPyramid::kBlock <= 1) pyramid->absorb(*recorded);
                  return [this, index, head, version, image = raster_attention(recorded, pyramid.get(), query).image] {
                    if (index >= thumbnails_.size() || thumbnails_[index].drawn_version != version) return;
                    thumbnails_[index].image = image;
                    viewport()->update(thumbnail_rect(head).adjusted(-3, -3, 3, 3));
                  };
                });
}

void HeadGrid::reveal(HeadId head) {
  const QRect at = thumbnail_rect(head), view = viewport()->rect();
  if (at.top() < kHeader) verticalScrollBar()->setValue(verticalScrollBar()->value() + at.top() - kHeader - kMargin);
  if (at.bottom() > view.bottom())
    verticalScrollBar()->setValue(verticalScrollBar()->value() + at.bottom() - view.bottom() + kMargin);
  if (at.left() < kLabel)
    horizontalScrollBar()->setValue(horizontalScrollBar()->value() + at.left() - kLabel - kMargin);
  if (at.right() > view.right())
    horizontalScrollBar()->setValue(horizontalScrollBar()->value() + at.right() - view.right() + kMargin);
}

void HeadGrid::paintEvent(QPaintEvent*) {
  const ThemeColors& colors = theme_.colors();
  QPainter painter(viewport());
  painter.fillRect(viewport()->rect(), colors.panel);
  painter.setFont(theme_.sans(11));
  const HeadId chosen = state_.selection().head();
  for (std::uint32_t layer = 0; layer < layers_; ++layer)
    for (std::uint32_t head = 0; head < heads_; ++head) {
      const QRect at = thumbnail_rect({layer, head});
      if (!at.intersects(viewport()->rect())) continue;
      const Thumbnail& thumbnail = thumbnails_[std::size_t{layer} * heads_ + head];
      const HeadId id{layer, head};
      if (figure_ != GridFigure::map) {
        paint_figure(painter, at, id);
      } else if (!thumbnail.image.isNull()) {
        painter.drawImage(at, thumbnail.image);
      } else {
        painter.setPen(QPen(colors.unrecorded_dots, 1, Qt::DotLine));
        painter.drawRect(at.adjusted(0, 0, -1, -1));
      }
      if (id == chosen || id == hovered_) {
        painter.setPen(QPen(id == chosen ? colors.accent : colors.dim, 2));
        painter.drawRect(at.adjusted(-1, -1, 1, 1));
      }
    }

  painter.setFont(theme_.sans(11));
  const auto label = [&](const QRect& at, std::uint32_t index, bool lit) {
    painter.fillRect(at, colors.panel);
    painter.setPen(lit ? colors.accent : colors.dim);
    painter.drawText(at, Qt::AlignCenter, QString::number(index));
  };
  for (std::uint32_t head = 0; head < heads_; ++head)
    label({thumbnail_rect({0, head}).left() - 2, 0, side_ + kGap, kHeader}, head, head == chosen.head);
  for (std::uint32_t layer = 0; layer < layers_; ++layer)
    label({0, thumbnail_rect({layer, 0}).top() - 2, kLabel, side_ + kGap}, layer, layer == chosen.layer);
  painter.fillRect(QRect(0, 0, kLabel, kHeader), colors.panel);
  if (hasFocus()) {
    painter.setPen(QPen(colors.accent, 1));
    painter.drawRect(viewport()->rect().adjusted(0, 0, -1, -1));
  }
}

void HeadGrid::resizeEvent(QResizeEvent*) {
  lay_out();
  refresh();
}

void HeadGrid::scrollContentsBy(int, int) {
  refresh();
  viewport()->update();
}

void HeadGrid::mousePressEvent(QMouseEvent* event) {
  if (const auto head = head_at(event->pos())) state_.selection().select_head(*head);
}

void HeadGrid::mouseMoveEvent(QMouseEvent* event) {
  const auto head = head_at(event->pos());
  if (head == hovered_) return;
  hovered_ = head;
  Q_EMIT head_pointed(head ? head_text(*head) : QString());
  viewport()->update();
}

bool HeadGrid::viewportEvent(QEvent* event) {
  if (event->type() == QEvent::Leave && hovered_) {
    hovered_.reset();
    Q_EMIT head_pointed(QString());
    viewport()->update();
  }
  return QAbstractScrollArea::viewportEvent(event);
}

void HeadGrid::keyPressEvent(QKeyEvent* event) {
  HeadId head = state_.selection().head();
  switch (event->key()) {
    case Qt::Key_Up:
      head.layer -= head.layer > 0 ? 1 : 0;
      break;
    case Qt::Key_Down:
      head.layer += head.layer + 1 < layers_ ? 1 : 0;
      break;
    case Qt::Key_Left:
      head.head -= head.head > 0 ? 1 : 0;
      break;
    case Qt::Key_Right:
      head.head += head.head + 1 < heads_ ? 1 : 0;
      break;
    case Qt::Key_Home:
      head = {head.layer, 0};
      break;
    case Qt::Key_End:
      head.head = heads_ > 0 ? heads_ - 1 : 0;
      break;
    default:
      return QAbstractScrollArea::keyPressEvent(event);
  }
  state_.selection().select_head(head);
}

}  // namespace fovea
