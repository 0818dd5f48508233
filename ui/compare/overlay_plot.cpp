#include "ui/compare/overlay_plot.hpp"

#include <QContextMenuEvent>
#include <QFontMetrics>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/runs/comparison_export.hpp"
#include "ui/compare/run_words.hpp"
#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {

constexpr int kFewPoints = 80;   // more would hide the line behind its marks
constexpr int kLowerHeight = 64, kBelow = 44;  // below: numbers and name of the axis

using Value = std::optional<double>;

QVector<double> numbers(const std::vector<Value>& values, double scale) {
  QVector<double> result;
  result.reserve(static_cast<int>(values.size()));
  for (const Value& value : values) result << (value ? *value * scale : std::numeric_limits<double>::quiet_NaN());
  return result;
}

QVector<double> places(std::size_t count, int first) {
  QVector<double> result;
  for (std::size_t i = 0; i < count; ++i) result << static_cast<double>(first) + static_cast<double>(i);
  return result;
}

std::pair<double, double> range_of(std::initializer_list<const QVector<double>*> sets) {
  double least = 0, most = 0;
  for (const auto* values : sets)
    for (const double value : *values)
      if (std::isfinite(value)) {
        least = std::min(least, value);
        most = std::max(most, value);
      }
  const double room = (most - least) * 0.1;
  return {least < 0 ? least - room : 0, most > 0 ? most + room : (least < 0 ? 0 : 1)};
}

}  // namespace

OverlayPlot::OverlayPlot(const Theme& theme, Form form, QWidget* parent)
    : QFrame(parent), theme_(theme), form_(form), plot_(new QCustomPlot), readout_(new QLabel), top_(new QHBoxLayout) {
  make_plot();
  readout_->setTextFormat(Qt::PlainText);
  readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  readout_->setProperty("dim", true);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(0);
  top_->setContentsMargins(8, 0, 12, 0);
  top_->setSpacing(8);
  top_->addWidget(readout_, 1);
  layout->addLayout(top_);
  layout->addWidget(plot_, 1);
  connect(&theme, &Theme::changed, this, &OverlayPlot::restyle);
  restyle();
}

void OverlayPlot::set_corner(QWidget* choice) { top_->insertWidget(0, choice); }

void OverlayPlot::make_plot() {
  plot_->setMinimumSize(120, 80);
  plot_->setFocusPolicy(Qt::NoFocus);
  plot_->setMouseTracking(true);
  plot_->installEventFilter(this);
  plot_->plotLayout()->clear();
  upper_ = new QCPAxisRect(plot_);
  lower_ = new QCPAxisRect(plot_);
  plot_->plotLayout()->addElement(0, 0, upper_);
  plot_->plotLayout()->addElement(1, 0, lower_);
  plot_->plotLayout()->setRowSpacing(0);
  auto* group = new QCPMarginGroup(plot_);
  for (QCPAxisRect* rect : {upper_, lower_}) {
    rect->setMarginGroup(QCP::msLeft | QCP::msRight, group);
    rect->setRangeDrag(Qt::Horizontal);
    rect->setRangeZoom(Qt::Horizontal);
    for (QCPAxis* axis : rect->axes()) axis->setLayer(QStringLiteral("axes"));
    for (QCPAxis* axis : rect->axes()) axis->grid()->setLayer(QStringLiteral("grid"));
    rect->axis(QCPAxis::atBottom)->setTicker(QSharedPointer<QCPAxisTicker>(new QCPAxisTickerFixed));
  }
  lower_->setMinimumSize(0, kLowerHeight);
  lower_->setMaximumSize(QWIDGETSIZE_MAX, kLowerHeight);
  upper_->axis(QCPAxis::atBottom)->setTickLabels(false);
  QCPAxis *x = upper_->axis(QCPAxis::atBottom), *y = upper_->axis(QCPAxis::atLeft);
  QCPAxis *low_x = lower_->axis(QCPAxis::atBottom), *low_y = lower_->axis(QCPAxis::atLeft);
  connect(x, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), low_x, qOverload<const QCPRange&>(&QCPAxis::setRange));
  connect(low_x, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), x, qOverload<const QCPRange&>(&QCPAxis::setRange));
  connect(x, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), this, [this] { fit(); });
  if (form_ == Form::lines) {
    for (QCPGraph*& line : lines_) line = new QCPGraph(x, y);
    difference_line_ = new QCPGraph(low_x, low_y);
    plot_->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
  } else {
    auto* bars = new QCPBarsGroup(plot_);
    for (QCPBars*& set : bars_) {
      set = new QCPBars(x, y);
      set->setBarsGroup(bars);
      set->setWidth(0.38);
      set->setAntialiased(false);
    }
    bars->setSpacingType(QCPBarsGroup::stAbsolute);
    bars->setSpacing(0);
    for (QCPGraph*& mark : lines_) mark = new QCPGraph(x, y);  // the symbols that tell A from B without colour
    difference_bars_ = new QCPBars(low_x, low_y);
    difference_bars_->setWidth(0.5);
    difference_bars_->setAntialiased(false);
  }
  const auto vertical = [&] {
    auto* line = new QCPItemStraightLine(plot_);
    for (QCPItemPosition* point : {line->point1, line->point2}) {
      point->setTypeX(QCPItemPosition::ptPlotCoords);
      point->setTypeY(QCPItemPosition::ptAxisRectRatio);
      point->setAxes(x, y);
      point->setAxisRect(upper_);
    }
    line->setClipAxisRect(upper_);
    line->setVisible(false);
    return line;
  };
  parting_ = vertical();
  cursor_ = vertical();
  zero_ = new QCPItemStraightLine(plot_);
  for (QCPItemPosition* point : {zero_->point1, zero_->point2}) point->setAxes(low_x, low_y);
  zero_->point1->setCoords(0, 0);
  zero_->point2->setCoords(1, 0);
  zero_->setClipAxisRect(lower_);
  nothing_ = new QCPItemText(plot_);
  nothing_->setClipToAxisRect(false);
  nothing_->position->setType(QCPItemPosition::ptViewportRatio);
  nothing_->position->setCoords(0.5, 0.5);
  nothing_->setTextAlignment(Qt::AlignCenter);
  connect(plot_, &QCustomPlot::mouseDoubleClick, this, [this] {
    draw();
    plot_->replot(QCustomPlot::rpQueuedReplot);
  });
}

void OverlayPlot::show_series(const ComparedSeries& series, const Words& words, std::optional<std::uint32_t> divergence) {
  series_ = series;
  words_ = words;
  divergence_ = divergence;
  plot_->setAccessibleName(words.name);
  say(std::nullopt);
  draw();
}

void OverlayPlot::draw() {
  const std::size_t count = std::max(series_.a.size(), series_.b.size());
  const bool nothing = series_.empty();
  const std::size_t start = form_ == Form::lines ? first_recorded() : 0;  // a prompt that was not measured takes no room
  const QVector<double> a = numbers(series_.a, words_.scale), b = numbers(series_.b, words_.scale), difference = numbers(series_.difference(), words_.scale);
  const bool two = plot_->height() > 2 * kLowerHeight && std::ranges::any_of(difference, [](double d) { return std::isfinite(d); });
  if (form_ == Form::lines) {
    lines_[0]->setData(places(series_.a.size(), words_.first), a, true);
    lines_[1]->setData(places(series_.b.size(), words_.first), b, true);
    difference_line_->setData(places(static_cast<std::size_t>(difference.size()), words_.first), difference, true);
  } else {
    for (const int side : {0, 1}) {
      const QVector<double>& values = side == 0 ? a : b;
      bars_[side]->setData(places(static_cast<std::size_t>(values.size()), words_.first), values, true);
      QVector<double> at = places(static_cast<std::size_t>(values.size()), words_.first), above = values;
      for (double& place : at) place += side == 0 ? -0.19 : 0.19;
      const auto [low, high] = range_of({&a, &b});
      for (double& value : above) value += (high - low) * 0.045;  // free of the bar
      lines_[side]->setData(at, above, true);
    }
    difference_bars_->setData(places(static_cast<std::size_t>(difference.size()), words_.first), difference, true);
  }
  for (QCPAxisRect* rect : {upper_, lower_}) rect->setVisible(!nothing && (rect == upper_ || two));
  for (QCPAxis* axis : lower_->axes()) axis->setVisible(!nothing && two && (axis->axisType() == QCPAxis::atLeft || axis->axisType() == QCPAxis::atBottom));
  for (QCPAxis* axis : upper_->axes()) axis->setVisible(!nothing && (axis->axisType() == QCPAxis::atLeft || axis->axisType() == QCPAxis::atBottom));
  zero_->setVisible(two);
  lower_->setMaximumSize(QWIDGETSIZE_MAX, two ? kLowerHeight : 1);
  lower_->setMinimumSize(0, two ? kLowerHeight : 1);
  upper_->axis(QCPAxis::atBottom)->setTickLabels(!two);
  upper_->axis(QCPAxis::atBottom)->setLabel(two ? QString() : words_.x);
  lower_->axis(QCPAxis::atBottom)->setLabel(words_.x);
  // A name that its axis is too short for would be cut.
  const int room = plot_->height() - (two ? kLowerHeight : 0) - kBelow;
  upper_->axis(QCPAxis::atLeft)->setLabel(QFontMetrics(theme_.sans(11)).horizontalAdvance(words_.y) <= room ? words_.y : QString());
  lower_->axis(QCPAxis::atLeft)->setLabel(QStringLiteral("B − A"));
  nothing_->setText(words_.nothing);
  nothing_->setVisible(nothing);
  const double margin = form_ == Form::bars ? 0.6 : 0.5;
  upper_->axis(QCPAxis::atBottom)->setRange(words_.first + static_cast<double>(start) - margin, words_.first + static_cast<double>(count) - 1 + margin);
  const auto [least, most] = range_of({&a, &b});
  upper_->axis(QCPAxis::atLeft)->setRange(least, most);
  auto [low, high] = range_of({&difference});
  if (low == 0 && high == 1) low = -1;  // nothing differs: zero in the middle
  lower_->axis(QCPAxis::atLeft)->setRange(low, high);
  parting_->setVisible(divergence_.has_value() && !nothing);
  if (divergence_) {
    parting_->point1->setCoords(*divergence_, 0);
    parting_->point2->setCoords(*divergence_, 1);
  }
  restyle();
  fit();
}

std::size_t OverlayPlot::first_recorded() const {
  if (series_.empty()) return 0;
  std::size_t first = std::max(series_.a.size(), series_.b.size());
  for (const auto* values : {&series_.a, &series_.b})
    if (const auto found = std::ranges::find_if(*values, [](const Value& value) { return value.has_value(); }); found != values->end())
      first = std::min(first, static_cast<std::size_t>(found - values->begin()));
  return first;
}

// Ticks at whole indices, as many as there is room for.
void OverlayPlot::fit() {
  const QCPRange range = upper_->axis(QCPAxis::atBottom)->range();
  const double step = tick_step(range.size() * 44.0 / std::max(60, plot_->width() - 80));
  for (QCPAxisRect* rect : {upper_, lower_}) {
    qSharedPointerCast<QCPAxisTickerFixed>(rect->axis(QCPAxis::atBottom)->ticker())->setTickStep(std::max(1.0, step));
    rect->axis(QCPAxis::atLeft)->ticker()->setTickCount(rect == lower_ ? 2 : std::clamp((plot_->height() - kLowerHeight - 60) / 28, 2, 6));
  }
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void OverlayPlot::set_cursor(std::optional<std::uint32_t> at) {
  cursor_->setVisible(at.has_value() && !series_.empty());
  if (at) {
    cursor_->point1->setCoords(*at, 0);
    cursor_->point2->setCoords(*at, 1);
  }
  say(at);
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void OverlayPlot::say(std::optional<std::uint32_t> index) {
  if (!index) return readout_->setText(QStringLiteral(" "));
  const auto at = static_cast<std::int64_t>(*index) - words_.first;
  const auto value = [&](const std::vector<Value>& values) { return at >= 0 && at < static_cast<std::int64_t>(values.size()) ? values[static_cast<std::size_t>(at)] : Value(); };
  const Value a = value(series_.a), b = value(series_.b);
  const auto shown = [&](const Value& v) { return v ? shown_number(*v * words_.scale) : tr("not recorded"); };
  QString text = series_.b.empty() ? tr("%1 %2: %3").arg(words_.x).arg(*index).arg(shown(a))
                                   : tr("%1 %2: %3 A %4, %5 B %6").arg(words_.x).arg(*index).arg(QString::fromUtf8(kMarkA), shown(a), QString::fromUtf8(kMarkB), shown(b));
  if (a && b) {
    const double difference = (*b - *a) * words_.scale;
    text += QStringLiteral("  (%1%2").arg(difference < 0 ? "−" : "+", shown_number(std::fabs(difference)));
    if (*a != 0) text += QStringLiteral(", %1%2").arg(*b < *a ? "−" : "+", shown_percent(std::fabs(*b / *a - 1)));
    text += ')';
  }
  readout_->setText(text);
}

std::optional<std::uint32_t> OverlayPlot::index_at(double x) const {
  const double at = std::round(upper_->axis(QCPAxis::atBottom)->pixelToCoord(x));
  const double end = words_.first + static_cast<double>(std::max(series_.a.size(), series_.b.size()));
  return at >= words_.first && at < end ? std::optional(static_cast<std::uint32_t>(at)) : std::nullopt;
}

bool OverlayPlot::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && event->type() == QEvent::MouseMove) {
    const auto index = index_at(static_cast<QMouseEvent*>(event)->position().x());
    set_cursor(index);
    Q_EMIT pointed(index);
  }
  if (watched == plot_ && event->type() == QEvent::MouseButtonRelease)
    if (const auto index = index_at(static_cast<QMouseEvent*>(event)->position().x())) Q_EMIT picked(*index);
  if (watched == plot_ && event->type() == QEvent::Resize) draw();
  if (watched == plot_ && event->type() == QEvent::Leave) {
    set_cursor(std::nullopt);
    Q_EMIT pointed(std::nullopt);
  }
  return QFrame::eventFilter(watched, event);
}

void OverlayPlot::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) say(std::nullopt);
  QFrame::changeEvent(event);
}

QString OverlayPlot::csv() const {
  ExportTable table{"", {words_.x.toStdString(), "a", "b", "difference"}, {}};
  const auto difference = series_.difference();
  const auto cell = [](const std::vector<Value>& values, std::size_t i) { return i < values.size() && values[i] ? QString::number(*values[i], 'g', 17).toStdString() : std::string(); };
  for (std::size_t i = 0; i < std::max(series_.a.size(), series_.b.size()); ++i)
    table.rows.push_back({std::to_string(static_cast<std::size_t>(words_.first) + i), cell(series_.a, i), cell(series_.b, i), cell(difference, i)});
  return QString::fromStdString(fovea::csv(table));
}

ExportedPlot OverlayPlot::exported() {
  const auto keys = [this] {
    const ThemeColors& colors = theme_.colors();
    const QString a = QStringLiteral("A  ") + words_.a, b = QStringLiteral("B  ") + words_.b;
    // A single curve is of both: its title says what of them.
    if (series_.b.empty()) return std::vector<PlotKey>{{{}, {}, a}, {{}, {}, b}};
    std::vector<PlotKey> told{{QString::fromUtf8(kMarkA), colors.run_a, a}, {QString::fromUtf8(kMarkB), colors.run_b, b}};
    if (divergence_ && !series_.empty()) told.push_back({QStringLiteral("┊"), colors.loss, tr("the first token in which the texts differ")});
    return told;
  };
  const auto restyle = [this] {
    set_cursor(std::nullopt);
    draw();
  };
  return {plot_, &theme_, words_.name, keys, restyle, [this] { return csv(); }};
}

bool OverlayPlot::save(const QString& path) { return save_plot(exported(), path); }

void OverlayPlot::contextMenuEvent(QContextMenuEvent* event) { show_export_menu(exported(), event->globalPos()); }

void OverlayPlot::restyle() {
  const ThemeColors& colors = theme_.colors();
  plot_->setBackground(QBrush(colors.panel));
  for (QCPAxisRect* rect : {upper_, lower_}) {
    rect->setMinimumMargins(QMargins(8, rect == upper_ ? 8 : 4, 12, 2));
    style_axis(*rect->axis(QCPAxis::atBottom), theme_, false);
    style_axis(*rect->axis(QCPAxis::atLeft), theme_, true);
  }
  const QColor side[2] = {colors.run_a, colors.run_b};
  const QCPScatterStyle::ScatterShape shape[2] = {QCPScatterStyle::ssDisc, QCPScatterStyle::ssTriangle};
  const std::size_t count = std::max(series_.a.size(), series_.b.size());
  for (const int i : {0, 1}) {
    const bool marks = form_ == Form::bars ? plot_->width() > 20 * static_cast<int>(count) : static_cast<int>(count) <= kFewPoints;
    lines_[i]->setPen(form_ == Form::bars ? QPen(Qt::NoPen) : QPen(side[i], 1.4, i == 0 ? Qt::SolidLine : Qt::DashLine));
    lines_[i]->setLineStyle(form_ == Form::bars ? QCPGraph::lsNone : QCPGraph::lsLine);
    lines_[i]->setScatterStyle(marks ? QCPScatterStyle(shape[i], QPen(side[i], 1), QBrush(side[i]), 6)
                                     : QCPScatterStyle(QCPScatterStyle::ssNone));
    if (form_ == Form::bars) {
      bars_[i]->setPen(Qt::NoPen);
      bars_[i]->setBrush(side[i]);
    }
  }
  if (difference_line_ != nullptr) difference_line_->setPen(QPen(colors.dim, 1.2));
  if (difference_line_ != nullptr) difference_line_->setLineStyle(QCPGraph::lsImpulse);
  if (difference_bars_ != nullptr) {
    difference_bars_->setPen(Qt::NoPen);
    difference_bars_->setBrush(colors.dim);
  }
  parting_->setPen(QPen(colors.loss, 1, Qt::DotLine));
  cursor_->setPen(QPen(colors.accent, 1));
  zero_->setPen(QPen(colors.dim, 1));
  nothing_->setColor(colors.dim);
  nothing_->setFont(theme_.sans(13));
  readout_->setFont(theme_.mono(12));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

}  // namespace fovea
