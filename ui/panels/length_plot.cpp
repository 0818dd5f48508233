#include "ui/panels/length_plot.hpp"

#include <QContextMenuEvent>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "engine/runs/comparison_export.hpp"
#include "ui/compare/run_words.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"
#include "ui/text/policy_words.hpp"

namespace fovea {

namespace {
// Lengths double, so they stand at even distances.
double place_of(std::uint32_t length) { return std::log2(static_cast<double>(length)); }
}  // namespace

double prefill_ms(const LengthPoint& point, std::uint32_t windows) { return point.seconds * 1e3 / (static_cast<double>(point.context) * std::max(windows, 1u)); }
double percent_over(double perplexity, double standard) { return 100 * (perplexity / standard - 1); }

LengthPlot::LengthPlot(const Theme& theme, QWidget* parent) : QFrame(parent), theme_(theme), plot_(new QCustomPlot), readout_(new QLabel) {
  plot_->setMinimumSize(200, 80);
  plot_->setFocusPolicy(Qt::NoFocus);
  plot_->setMouseTracking(true);
  plot_->installEventFilter(this);
  plot_->plotLayout()->clear();
  for (int part = 0; part < kParts; ++part) {
    Field& field = fields_[static_cast<std::size_t>(part)];
    field.cell = new QCPLayoutGrid;
    field.title = new QCPTextElement(plot_);
    field.title->setTextFlags(Qt::AlignLeft | Qt::AlignVCenter);
    field.rect = new QCPAxisRect(plot_);
    field.cell->addElement(0, 0, field.title);
    field.cell->addElement(1, 0, field.rect);
    field.cell->setRowSpacing(0);
    plot_->plotLayout()->addElement(part / 2, part % 2, field.cell);
    QCPAxis *const x = field.rect->axis(QCPAxis::atBottom), *const y = field.rect->axis(QCPAxis::atLeft);
    field.a = plot_->addGraph(x, y);
    field.b = plot_->addGraph(x, y);
    for (QCPItemStraightLine** line : {&field.pays, &field.cursor}) {
      *line = new QCPItemStraightLine(plot_);
      for (QCPItemPosition* point : {(*line)->point1, (*line)->point2}) {
        point->setTypeX(QCPItemPosition::ptPlotCoords);
        point->setTypeY(QCPItemPosition::ptAxisRectRatio);
        point->setAxes(x, y);
        point->setAxisRect(field.rect);
      }
      (*line)->setClipAxisRect(field.rect);
      (*line)->setVisible(false);
    }
    field.pays_text = new QCPItemText(plot_);
    field.pays_text->position->setTypeX(QCPItemPosition::ptPlotCoords);
    field.pays_text->position->setTypeY(QCPItemPosition::ptAxisRectRatio);
    field.pays_text->position->setAxes(x, y);
    field.pays_text->position->setAxisRect(field.rect);
    field.pays_text->setClipAxisRect(field.rect);
    field.pays_text->setPadding(QMargins(4, 1, 4, 1));
    field.pays_text->setVisible(false);
  }
  const Field& loss = fields_[kPerplexity];
  zero_ = new QCPItemStraightLine(plot_);
  for (QCPItemPosition* point : {zero_->point1, zero_->point2}) point->setAxes(loss.rect->axis(QCPAxis::atBottom), loss.rect->axis(QCPAxis::atLeft));
  zero_->point1->setCoords(0, 0);
  zero_->point2->setCoords(1, 0);
  zero_->setClipAxisRect(loss.rect);
  auto* sides = new QCPMarginGroup(plot_);
  for (const Field& field : fields_) field.rect->setMarginGroup(QCP::msLeft, sides);
  readout_->setProperty("dim", true);
  readout_->setTextFormat(Qt::PlainText);
  readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  readout_->setText(QStringLiteral(" "));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(2);
  layout->addWidget(plot_, 1);
  layout->addWidget(readout_);
  connect(&theme, &Theme::changed, this, &LengthPlot::restyle);
  retranslate();
}

// Two by two, or in a low window all in a row.
void LengthPlot::arrange() {
  if (arranged_low_ == low()) return;
  arranged_low_ = low();
  for (Field& field : fields_) plot_->plotLayout()->take(field.cell);
  plot_->plotLayout()->simplify();
  for (int part = 0; part < kParts; ++part)
    plot_->plotLayout()->addElement(low() ? 0 : part / 2, low() ? part : part % 2, fields_[static_cast<std::size_t>(part)].cell);
  draw();
}

void LengthPlot::show_sweep(const std::shared_ptr<const LengthSweep>& sweep) {
  sweep_ = sweep;
  point_at(std::nullopt);
  retranslate();  // the unit of memory
}

void LengthPlot::draw() {
  static const LengthSweep kNone;
  const LengthSweep& sweep = sweep_ ? *sweep_ : kNone;
  const std::size_t both = std::min(sweep.of_a.size(), sweep.of_b.size());
  const auto fill = [](QCPGraph* graph, std::span<const LengthPoint> points, auto value) {
    QVector<double> x, y;
    for (const LengthPoint& point : points) {
      x << place_of(point.context);
      y << value(point);
    }
    graph->setData(x, y, true);
  };
  const auto prefill = [&](const LengthPoint& point) { return prefill_ms(point, sweep.windows); };
  const auto decode = [](const LengthPoint& point) { return point.decode_ms; };
  const auto memory = [&](const LengthPoint& point) { return static_cast<double>(point.kv_bytes) / memory_unit_; };
  fill(fields_[kPrefill].a, sweep.of_a, prefill);
  fill(fields_[kPrefill].b, sweep.of_b, prefill);
  fill(fields_[kDecode].a, sweep.of_a, decode);
  fill(fields_[kDecode].b, sweep.of_b, decode);
  fill(fields_[kMemory].a, sweep.of_a, memory);
  fill(fields_[kMemory].b, sweep.of_b, memory);
  QVector<double> x, y;
  for (std::size_t i = 0; i < both; ++i) {
    x << place_of(sweep.of_a[i].context);
    y << percent_over(sweep.of_b[i].perplexity, sweep.of_a[i].perplexity);
  }
  fields_[kPerplexity].b->setData(x, y, true);

  const double first = sweep.lengths.empty() ? 10 : place_of(sweep.lengths.front()), last = sweep.lengths.empty() ? 13 : place_of(sweep.lengths.back());
  const bool complete = both > 0 && both == sweep.lengths.size();
  for (int part = 0; part < kParts; ++part) {
    Field& field = fields_[static_cast<std::size_t>(part)];
    auto ticks = QSharedPointer<QCPAxisTickerText>::create();
    for (const std::uint32_t length : sweep.lengths) ticks->addTick(place_of(length), length % 1024 == 0 ? QStringLiteral("%1k").arg(length / 1024) : shown_count(length));
    field.rect->axis(QCPAxis::atBottom)->setTicker(ticks);
    field.rect->axis(QCPAxis::atBottom)->setRange(first - 0.3, last + 0.3);
    double least = 0, most = 0;
    for (const QCPGraph* graph : {field.a, field.b})
      for (const QCPGraphData& point : *graph->data()) {
        least = std::min(least, point.value);
        most = std::max(most, point.value);
      }
    if (most == least) most = least + 1;
    const double room = (most - least) * 0.18;
    field.rect->axis(QCPAxis::atLeft)->setRange(part == kPerplexity || least < 0 ? least - room : 0, most + room);
    field.rect->axis(QCPAxis::atLeft)->ticker()->setTickCount(low() ? 3 : 4);
  }
  mark_crossover(fields_[kPrefill], complete ? pays_from(sweep.of_b, sweep.of_a) : std::nullopt);
  mark_crossover(fields_[kDecode], complete ? pays_from(sweep.of_b, sweep.of_a, &LengthPoint::decode_ms) : std::nullopt);
  restyle();
}

void LengthPlot::mark_crossover(Field& field, std::optional<std::uint32_t> from) {
  field.pays->setVisible(from.has_value());
  field.pays_text->setVisible(from.has_value() && !low());
  if (!from) return;
  const double at = place_of(*from);
  const QCPRange range = field.rect->axis(QCPAxis::atBottom)->range();
  field.pays->point1->setCoords(at, 0);
  field.pays->point2->setCoords(at, 1);
  // Words stay inside and off the curves, which rise to the right: in the right half to the left of the line, at its foot.
  const bool right = at > range.center();
  field.pays_text->position->setCoords(at, right ? 1 : 0);
  field.pays_text->setPositionAlignment(right ? Qt::AlignRight | Qt::AlignBottom : Qt::AlignLeft | Qt::AlignTop);
  field.pays_text->setText(tr("faster from here"));
}

std::optional<std::size_t> LengthPlot::index_at(const QPointF& at) const {
  for (const Field& field : fields_) {
    if (!sweep_ || !field.rect->rect().contains(at.toPoint())) continue;
    const double x = field.rect->axis(QCPAxis::atBottom)->pixelToCoord(at.x());
    const auto nearest = std::ranges::min_element(sweep_->lengths, {}, [&](std::uint32_t length) { return std::abs(place_of(length) - x); });
    if (nearest != sweep_->lengths.end()) return static_cast<std::size_t>(nearest - sweep_->lengths.begin());
  }
  return std::nullopt;
}

void LengthPlot::point_at(std::optional<std::size_t> index) {
  const std::size_t count = sweep_ ? sweep_->lengths.size() : 0, i = index.value_or(count);
  const bool shown = i < count;
  for (Field& field : fields_) {
    field.cursor->setVisible(shown);
    if (!shown) continue;
    field.cursor->point1->setCoords(place_of(sweep_->lengths[i]), 0);
    field.cursor->point2->setCoords(place_of(sweep_->lengths[i]), 1);
  }
  readout_->setText(shown ? told(i) : QStringLiteral(" "));
  readout_->setToolTip(readout_->text().trimmed());
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

QString LengthPlot::told(std::size_t i) const {
  const QString length = tr("%1 tokens").arg(shown_count(sweep_->lengths[i]));
  if (i >= sweep_->of_a.size()) return tr("%1: not measured").arg(length);
  const LengthPoint& a = sweep_->of_a[i];
  if (i >= sweep_->of_b.size())
    return tr("%1: dense prefills a token in %2, decodes one in %3; sparse was not measured")
        .arg(length, shown_duration(prefill_ms(a, sweep_->windows)), shown_duration(a.decode_ms));
  const LengthPoint& b = sweep_->of_b[i];
  return tr("%1, dense → sparse: prefill %2 → %3, decode %4 → %5, KV %6 → %7, perplexity %8")
      .arg(length, shown_duration(prefill_ms(a, sweep_->windows)), shown_duration(prefill_ms(b, sweep_->windows)), shown_duration(a.decode_ms),
           shown_duration(b.decode_ms), shown_bytes(static_cast<double>(a.kv_bytes)), shown_bytes(static_cast<double>(b.kv_bytes)),
           figure_difference(b.perplexity / a.perplexity - 1, ComparedFigure::Unit::percent));
}

bool LengthPlot::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && event->type() == QEvent::Resize) arrange();
  if (watched == plot_ && event->type() == QEvent::MouseMove) point_at(index_at(static_cast<QMouseEvent*>(event)->position()));
  if (watched == plot_ && event->type() == QEvent::Leave) point_at(std::nullopt);
  return QFrame::eventFilter(watched, event);
}

QString LengthPlot::csv() const {
  ExportTable table{"", {"context", "prefill_ms_dense", "prefill_ms_sparse", "decode_ms_dense", "decode_ms_sparse", "kv_bytes_dense", "kv_bytes_sparse",
                         "perplexity_dense", "perplexity_sparse", "density", "flops_ratio"}, {}};
  const auto number = [](double value) { return QString::number(value, 'g', 17).toStdString(); };
  for (std::size_t i = 0; sweep_ && i < sweep_->of_a.size(); ++i) {
    const LengthPoint& a = sweep_->of_a[i];
    const bool there = i < sweep_->of_b.size();
    const auto other = [&](auto value) { return there ? number(value(sweep_->of_b[i])) : std::string(); };
    table.rows.push_back({std::to_string(a.context), number(prefill_ms(a, sweep_->windows)), other([&](const LengthPoint& b) { return prefill_ms(b, sweep_->windows); }),
                          number(a.decode_ms), other([](const LengthPoint& b) { return b.decode_ms; }), std::to_string(a.kv_bytes),
                          there ? std::to_string(sweep_->of_b[i].kv_bytes) : std::string(), number(a.perplexity), other([](const LengthPoint& b) { return b.perplexity; }),
                          other([](const LengthPoint& b) { return b.density; }), other([](const LengthPoint& b) { return b.flops; })});
  }
  return QString::fromStdString(fovea::csv(table));
}

ExportedPlot LengthPlot::exported() {
  const auto keys = [this] {
    const ThemeColors& colors = theme_.colors();
    return std::vector<PlotKey>{{QString::fromUtf8(kMarkA), colors.run_a, attention_words(std::nullopt)},
                                {QString::fromUtf8(kMarkB), colors.run_b, sweep_ ? attention_words(sweep_->b.attention) : QString()},
                                {{}, {}, tr("By tokens of context, each measured once.")}};
  };
  const auto restyle = [this] {
    point_at(std::nullopt);
    arrange();
    draw();
  };
  return {plot_, &theme_, tr("Dense and sparse attention by length"), keys, restyle, [this] { return csv(); }};
}

bool LengthPlot::save(const QString& path) { return save_plot(exported(), path); }

void LengthPlot::contextMenuEvent(QContextMenuEvent* event) { show_export_menu(exported(), event->globalPos()); }

void LengthPlot::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void LengthPlot::retranslate() {
  double most = 0;
  if (sweep_)
    for (const auto* points : {&sweep_->of_a, &sweep_->of_b})
      for (const LengthPoint& point : *points) most = std::max(most, static_cast<double>(point.kv_bytes));
  const bool large = most >= 1e3 * (1 << 20);
  memory_unit_ = large ? 1 << 30 : 1 << 20;
  const std::array<QString, kParts> names{tr("prefill, ms a token"), tr("decode, ms a token"), tr("KV cache, %1").arg(large ? QStringLiteral("GiB") : QStringLiteral("MiB")),
                                          tr("perplexity over dense, %")};
  for (std::size_t i = 0; i < kParts; ++i) fields_[i].title->setText(names[i]);
  plot_->setAccessibleName(tr("Time, memory and perplexity of dense and sparse attention by length"));
  draw();
}

void LengthPlot::restyle() {
  const ThemeColors& colors = theme_.colors();
  plot_->setBackground(QBrush(colors.panel));
  plot_->setFont(theme_.sans(11));
  for (Field& field : fields_) {
    style_axis(*field.rect->axis(QCPAxis::atBottom), theme_, false);
    style_axis(*field.rect->axis(QCPAxis::atLeft), theme_, true);
    field.rect->setMinimumMargins(QMargins(8, 4, 12, 4));
    field.title->setFont(theme_.sans(11));
    field.title->setTextColor(colors.dim);
    for (QCPAxis* axis : {field.rect->axis(QCPAxis::atTop), field.rect->axis(QCPAxis::atRight)})
      if (axis != nullptr) axis->setVisible(false);
    field.a->setPen(QPen(colors.run_a, 1.4));
    field.a->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssDisc, QPen(colors.run_a), QBrush(colors.run_a), 7));
    field.b->setPen(QPen(colors.run_b, 1.4));
    field.b->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssTriangle, QPen(colors.run_b), QBrush(colors.run_b), 9));
    field.pays->setPen(QPen(colors.gain, 1.2, Qt::DashLine));
    field.pays_text->setColor(colors.text);
    field.pays_text->setBrush(QBrush(colors.panel));
    field.pays_text->setFont(theme_.sans(11));
    field.cursor->setPen(QPen(colors.dim, 1, Qt::DotLine));
  }
  zero_->setPen(QPen(colors.dim, 1, Qt::DashLine));
  readout_->setFont(theme_.sans(12));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

}  // namespace fovea
