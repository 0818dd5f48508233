#include "ui/heatmap/page_strip.hpp"

#include <QEvent>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kLabel = 56, kRight = 8, kText = 18, kLane = 22, kGap = 4;
constexpr int kWide = 560;
constexpr int kSwatch = 10;

// In a low window first the legend and the second line of figures give way to the map, then what was read: dense attention
// has its colours too.
constexpr int kLeastHeight = kText + kLane + kGap;

// The share of attention on every page of a recorded row.
std::vector<float> page_masses(std::span<const std::uint16_t> row) {
  std::vector<float> masses((row.size() + kAttentionPage - 1) / kAttentionPage);
  for (std::size_t key = 0; key < row.size(); ++key) masses[key / kAttentionPage] += weight_of_half(row[key]);
  return masses;
}
}  // namespace

QColor page_color(const ThemeColors& colors, PagePart part) {
  switch (part) {
    case PagePart::sinks:
      return colors.page_sinks;
    case PagePart::window:
      return colors.page_window;
    case PagePart::chosen:
      return colors.page_chosen;
    case PagePart::left_out:
      break;
  }
  return colors.page_left_out_hatch;
}

PageStrip::PageStrip(WorkbenchState& state, const Theme& theme, QWidget* parent) : QWidget(parent), state_(state), theme_(theme) {
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Maximum);
  for (const auto signal : {&WorkbenchState::trace_changed, &WorkbenchState::run_ended, &WorkbenchState::run_started, &WorkbenchState::model_changed})
    connect(&state, signal, this, &PageStrip::refresh);
  connect(&state.selection(), &Selection::head_changed, this, &PageStrip::refresh);
  connect(&state.selection(), &Selection::token_changed, this, &PageStrip::refresh);
  connect(&state.selection(), &Selection::hover_changed, this, &PageStrip::refresh);
  connect(&theme, &Theme::changed, this, qOverload<>(&QWidget::update));
}

bool PageStrip::narrow() const { return width() < kWide; }
int PageStrip::low_height() { return kText + kGap + 2 * (kLane + kGap); }
int PageStrip::full_height() const { return (narrow() ? 4 : 3) * kText + 2 * (kLane + kGap) + kGap; }
QSize PageStrip::sizeHint() const { return {420, full_height()}; }
QSize PageStrip::minimumSizeHint() const { return {160, kLeastHeight}; }

void PageStrip::resizeEvent(QResizeEvent* event) {
  updateGeometry();  // the height follows from the width
  QWidget::resizeEvent(event);
}

void PageStrip::refresh() {
  if (!isVisible()) return;
  setToolTip(figures());
  setAccessibleDescription(figures());
  update();
}

void PageStrip::set_scale(const ColorScale& scale) {
  scale_ = scale;
  update();
}

std::optional<std::uint32_t> PageStrip::row() const {
  const Selection& selection = state_.selection();
  if (selection.hovered() && *selection.hovered() < state_.token_count()) return *selection.hovered();
  if (selection.token() && *selection.token() < state_.token_count()) return *selection.token();
  const PageTrace* pages = state_.pages();
  if (pages == nullptr || pages->choices.empty()) return std::nullopt;
  return pages->choices.back()->first_query + pages->choices.back()->queries - 1;
}

QString PageStrip::figures() const {
  const auto query = row();
  const PageTrace* pages = state_.pages();
  if (pages == nullptr) return state_.token_count() > 0 ? tr("which pages were read was not recorded") : QString();
  if (!query) return {};
  const HeadId head = state_.selection().head();
  const auto choice = pages->choice(head.layer, head.head / state_.heads_of_group(), *query);
  const QString place = tr("row %1").arg(*query);
  if (!choice) return tr("%1: which pages it read was not recorded").arg(place);
  const std::uint32_t all = *query / kAttentionPage + 1, read = choice->pages_read(*query);
  if (read == all)
    return (pages->chooses(head.layer) ? tr("%1: all %2 pages were read, so little is there") : tr("%1: all %2 pages were read, the layer is dense"))
        .arg(place)
        .arg(all);
  const QString counted = tr("%1: %2 of %3 pages read").arg(place).arg(read).arg(all);
  const RowMeasure* measure = pages->measure(head.layer, head.head, *query);
  const QString estimated = shown_percent(1 - static_cast<double>(choice->mass));
  if (measure == nullptr) return tr("%1\nestimated loss %2; the true one was not measured").arg(counted, estimated);
  return tr("%1, lost %2\nestimated %3, best for the KV head %4\nentropy %5, of what was kept %6")
      .arg(counted, shown_percent(1 - static_cast<double>(measure->recall)), estimated, shown_percent(1 - static_cast<double>(measure->oracle)))
      .arg(static_cast<double>(measure->entropy), 0, 'f', 2)
      .arg(static_cast<double>(measure->kept_entropy), 0, 'f', 2);
}

void PageStrip::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange || event->type() == QEvent::FontChange) refresh();
  QWidget::changeEvent(event);
}

void PageStrip::paintEvent(QPaintEvent*) {
  const ThemeColors& colors = theme_.colors();
  QPainter painter(this);
  painter.fillRect(rect(), colors.panel);
  painter.setFont(theme_.sans(12));
  painter.setPen(colors.text);
  QStringList told = figures().split('\n');
  const bool low = height() < full_height();
  if (low)
    told.resize(std::min<qsizetype>(told.size(), 1));
  else if (told.size() > 2)
    told = {told[0], narrow() ? told[1] : told.mid(1).join(QStringLiteral(" · "))};
  for (int line = 0; line < told.size(); ++line) {
    if (line > 0) painter.setPen(colors.dim);
    painter.drawText(QRect(0, line * kText, width() - kRight, kText), Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(told[line], Qt::ElideRight, width() - kRight));
  }
  const auto query = row();
  const PageTrace* pages = state_.pages();
  const HeadId head = state_.selection().head();
  const auto choice = query && pages ? pages->choice(head.layer, head.head / state_.heads_of_group(), *query) : std::nullopt;
  painter.setFont(theme_.sans(11));
  const QRect dense(kLabel, (low ? 1 : 2) * kText + kGap, width() - kLabel - kRight, kLane), sparse = dense.translated(0, kLane + kGap);
  painter.setPen(colors.dim);
  painter.drawText(QRect(0, dense.top(), kLabel - 8, kLane), Qt::AlignRight | Qt::AlignVCenter, tr("dense"));
  const bool both = sparse.bottom() < height();
  if (both) painter.drawText(QRect(0, sparse.top(), kLabel - 8, kLane), Qt::AlignRight | Qt::AlignVCenter, tr("sparse"));
  if (choice) {
    const HeadTrace* recorded = state_.trace()->head(head);
    const auto weights = recorded ? recorded->row(*query) : std::span<const std::uint16_t>{};
    ChosenPages shown = *choice;
    std::vector<float> masses = page_masses(weights);
    if (weights.empty()) masses.assign(*query / kAttentionPage + 1, -1.f);
    paint_lane(painter, dense, shown, masses, false);
    if (both) paint_lane(painter, sparse, shown, masses, true);
  } else {
    for (const QRect& lane : {dense, both ? sparse : dense}) {
      painter.setPen(QPen(colors.unrecorded_dots, 1, Qt::DotLine));
      painter.drawRect(lane.adjusted(0, 0, -1, -1));
    }
  }
  if (height() - sparse.bottom() > kText) paint_legend(painter, {0, sparse.bottom() + 1 + kGap, width() - kRight, kText});
}

// A bar for every page: its height is its share of attention on the map's scale; without recorded weights, half a lane.
void PageStrip::paint_lane(QPainter& painter, const QRect& at, const ChosenPages& choice, std::span<const float> masses, bool sparse) const {
  const ThemeColors& colors = theme_.colors();
  const auto pages = static_cast<std::uint32_t>(masses.size());
  painter.fillRect(at, colors.page_left_out);
  double kept = 0;
  for (std::uint32_t page = 0; page < pages; ++page)
    if (choice.reads(page)) kept += static_cast<double>(std::max(masses[page], 0.f));
  const double step = static_cast<double>(at.width()) / std::max(pages, 1u), gap = step >= 5 ? 1 : 0;
  for (std::uint32_t page = 0; page < pages; ++page) {
    const PagePart part = choice.part(page);
    const bool read = choice.reads(page), known = masses[page] >= 0;
    const QRectF cell(at.left() + page * step, at.top(), std::max(step - gap, 1.0), at.height());
    if (!read) {
      painter.fillRect(cell, QBrush(colors.page_left_out_hatch, Qt::BDiagPattern));
      if (sparse) continue;
    }
    const double mass = static_cast<double>(masses[page]) / (sparse && kept > 0 ? kept : 1);
    const double share = known ? static_cast<double>(scale_.position(static_cast<float>(std::min(mass, 1.0)))) : 0.5;
    const double tall = std::max(1.0, std::round(share * at.height()));
    if (!known && !sparse) continue;
    const QColor hue = choice.bits.empty() ? colors.dim : read ? page_color(colors, part) : colors.loss;
    painter.fillRect(QRectF(cell.left(), at.bottom() + 1 - tall, cell.width(), tall), hue);
  }
}

void PageStrip::paint_legend(QPainter& painter, const QRect& at) const {
  const ThemeColors& colors = theme_.colors();
  painter.setFont(theme_.sans(11));
  const QFontMetrics metrics = painter.fontMetrics();
  const std::pair<QBrush, QString> entries[] = {{colors.page_sinks, tr("sinks")},
                                                {colors.page_window, tr("window")},
                                                {colors.page_chosen, tr("chosen")},
                                                {QBrush(colors.page_left_out_hatch, Qt::BDiagPattern), tr("not attended")},
                                                {colors.loss, tr("lost")}};
  int x = 0, y = at.top();
  for (const auto& [brush, words] : entries) {
    const int width = kSwatch + 5 + metrics.horizontalAdvance(words);
    if (x + width > at.right()) {
      x = 0;
      y += at.height();
    }
    const QRect swatch(x, y + (at.height() - kSwatch) / 2 + 1, kSwatch, kSwatch);
    painter.fillRect(swatch, colors.page_left_out);
    painter.fillRect(swatch, brush);
    painter.setPen(colors.dim);
    painter.drawText(QRect(x + kSwatch + 5, y, width, at.height()), Qt::AlignLeft | Qt::AlignVCenter, words);
    x += width + 10;
  }
}

}  // namespace fovea
