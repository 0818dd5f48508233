#include "ui/panels/experts_panel.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QMouseEvent>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/panels/plot.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {

constexpr int kInterval = 66;               // milliseconds between repaints while a run grows
constexpr std::size_t kCellsAtOnce = 4000;  // (token, layer) pairs taken in per turn: about two milliseconds

QVector<double> shares(const std::vector<std::uint64_t>& calls) {
  const auto total = std::accumulate(calls.begin(), calls.end(), std::uint64_t{0});
  QVector<double> result;
  for (const std::uint64_t n : calls)
    result << (total > 0 ? 100.0 * static_cast<double>(n) / static_cast<double>(total) : 0);
  return result;
}

}  // namespace

ExpertsPanel::ExpertsPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      pages_(new QStackedWidget),
      empty_(new EmptyState),
      plot_(new QCustomPlot),
      map_(new RoutingMap(state, theme, counts_)),
      bar_(new QHBoxLayout),
      layer_(new QComboBox),
      figures_{new QLabel, new QLabel},
      readout_(new QLabel),
      map_title_(new QLabel),
      clock_(
          kInterval, [this] { refresh(); }, this) {
  setProperty("panel", true);
  make_plot();
  lay_out();
  connect(map_, &RoutingMap::cell_pointed, readout_, &QLabel::setText);
  connect(layer_, &QComboBox::currentIndexChanged, this, &ExpertsPanel::plot_calls);
  connect(&state, &WorkbenchState::model_changed, this, &ExpertsPanel::retranslate);
  connect(&state, &WorkbenchState::run_started, this, &ExpertsPanel::start_over);
  connect(&state, &WorkbenchState::prompt_tokenized, this, &ExpertsPanel::start_over);
  connect(&state, &WorkbenchState::trace_changed, &clock_, &RefreshClock::request);
  connect(&theme, &Theme::changed, this, &ExpertsPanel::restyle);
  retranslate();
  restyle();
}

void ExpertsPanel::make_plot() {
  plot_->setMinimumSize(120, 90);
  prefill_bars_ = new QCPBars(plot_->xAxis, plot_->yAxis);
  decode_bars_ = new QCPBars(plot_->xAxis, plot_->yAxis);
  auto* group = new QCPBarsGroup(plot_);
  for (QCPBars* bars : {prefill_bars_, decode_bars_}) {
    bars->setBarsGroup(group);
    bars->setWidth(0.4);
    bars->setAntialiased(false);
  }
  group->setSpacingType(QCPBarsGroup::stAbsolute);
  group->setSpacing(0);
  uniform_ = new QCPItemStraightLine(plot_);
  plot_->xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new QCPAxisTickerFixed));
  plot_->yAxis->ticker()->setTickCount(4);
  plot_->setFocusPolicy(Qt::NoFocus);
  plot_->installEventFilter(this);
  plot_->setMouseTracking(true);
}

void ExpertsPanel::lay_out() {
  layer_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  bar_->setSpacing(12);
  bar_->addWidget(layer_, 0, Qt::AlignTop | Qt::AlignLeft);
  auto* figures = new QVBoxLayout;
  figures->setSpacing(0);
  for (QLabel* label : figures_) {
    label->setTextFormat(Qt::RichText);
    label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    label->setWordWrap(true);  // between figures, where the panel is narrow; the policy would forget it
    figures->addWidget(label);
  }
  bar_->addLayout(figures, 1);
  map_title_->setProperty("dim", true);
  map_title_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  readout_->setTextFormat(Qt::PlainText);
  readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(8, 8, 8, 8);
  layout->setSpacing(4);
  layout->addLayout(bar_);
  layout->addWidget(plot_, 3);
  layout->addWidget(map_title_);
  layout->addWidget(map_, 2);
  layout->addWidget(readout_);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(1, 0, 1, 1);
  outer->addWidget(pages_);
}

std::optional<std::uint32_t> ExpertsPanel::layer() const {
  const int index = layer_->currentIndex();
  return index > 0 ? std::optional(static_cast<std::uint32_t>(index - 1)) : std::nullopt;
}

void ExpertsPanel::start_over() {
  counts_.start(state_.prompt_tokens());
  readout_->clear();
  refresh();
}

void ExpertsPanel::refresh() {
  bool complete = true;
  if (state_.trace()) complete = counts_.absorb(state_.trace()->routing, kCellsAtOnce);
  refresh_pages();
  if (shows_plots()) {
    plot_calls();
    map_->refresh();
  }
  if (!complete) clock_.request();
}

void ExpertsPanel::refresh_pages() {
  const auto& model = state_.model();
  if (!model)
    empty_->say(tr("No model is open"), tr("The experts of a mixture appear here when it runs."));
  else if (model->experts == 0)
    empty_->say(tr("Not applicable"),
                tr("This is a dense model: every token takes the same path, there are no experts to choose."));
  else
    empty_->say(tr("Nothing has run yet"), tr("Run a prompt: the experts that each token takes appear here."));
  pages_->setCurrentIndex(model && model->experts > 0 && counts_.tokens() > 0 ? 1 : 0);
}

void ExpertsPanel::plot_calls() {
  if (counts_.experts() == 0) return;
  QVector<double> keys(static_cast<int>(counts_.experts()));
  std::iota(keys.begin(), keys.end(), 0);
  double most = 100.0 / counts_.experts();
  const QString names[2] = {tr("Prefill"), tr("Decode")};
  for (const bool prefill : {true, false}) {
    const auto calls = counts_.calls(prefill, layer());
    const QVector<double> values = shares(calls);
    (prefill ? prefill_bars_ : decode_bars_)->setData(keys, values, true);
    most = std::max(most, *std::max_element(values.begin(), values.end()));
    const auto figures = utilization_figures(calls);
    QLabel* label = figures_[prefill ? 0 : 1];
    const QColor swatch = (prefill ? prefill_bars_ : decode_bars_)->brush().color();
    const QString mark =
        QStringLiteral("<span style='color:%1'>■</span> <b>%2</b> &nbsp;").arg(swatch.name(), names[prefill ? 0 : 1]);
    label->setText(figures ? mark + tr("CV&nbsp;%1 (floor&nbsp;%2)&nbsp;&nbsp; U&nbsp;%3&nbsp;&nbsp; H&nbsp;%4&nbsp;&nbsp; dead&nbsp;%5")
                                        .arg(shown_number(figures->cv), shown_number(figures->cv_floor),
                                             shown_number(figures->utilization), shown_number(figures->entropy))
                                        .arg(figures->dead)
                           : mark + tr("no tokens yet"));
  }
  fit_figures();
  const double uniform = 100.0 / counts_.experts();
  uniform_->point1->setCoords(0, uniform);
  uniform_->point2->setCoords(1, uniform);
  // Only ever grows within a run, in even steps, so that bars can be compared while they change.
  const double top = std::ceil(most * 1.1 / 5) * 5;
  plot_->yAxis->setRange(0, top);
  plot_->yAxis->ticker()->setTickCount(std::clamp(plot_->axisRect()->height() / 20, 2, 5));
  plot_->xAxis->setRange(-0.6, counts_.experts() - 0.4);
  auto ticker = qSharedPointerCast<QCPAxisTickerFixed>(plot_->xAxis->ticker());
  ticker->setTickStep(tick_step(counts_.experts() * 26.0 / std::max(1, plot_->axisRect()->width())));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void ExpertsPanel::point_at_bar(double x) {
  const double expert = std::round(plot_->xAxis->pixelToCoord(x));
  if (expert < 0 || expert >= counts_.experts()) return readout_->clear();
  const auto index = static_cast<std::size_t>(expert);
  const auto part = [&](bool prefill) {
    const auto calls = counts_.calls(prefill, layer());
    return tr("%1 of %2 calls")
        .arg(shown_count(calls[index]), shown_count(std::accumulate(calls.begin(), calls.end(), std::uint64_t{0})));
  };
  readout_->setText(tr("expert %1: prefill %2, decode %3").arg(index).arg(part(true), part(false)));
}

// Beside the choice of layer the figures want so many pixels; else they go below it.
void ExpertsPanel::resizeEvent(QResizeEvent* event) {
  constexpr int kBeside = 400;
  bar_->setDirection(width() < kBeside ? QBoxLayout::TopToBottom : QBoxLayout::LeftToRight);
  bar_->setSpacing(width() < kBeside ? 4 : 12);
  QFrame::resizeEvent(event);
  fit_figures();
}

// A layout gives a label that wraps the height of one line where space is short.
void ExpertsPanel::fit_figures() {
  for (QLabel* label : figures_) label->setMinimumHeight(std::max(0, label->heightForWidth(label->width())));
}

bool ExpertsPanel::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && event->type() == QEvent::MouseMove)
    point_at_bar(static_cast<QMouseEvent*>(event)->position().x());
  if (watched == plot_ && event->type() == QEvent::Leave) readout_->clear();
  return QFrame::eventFilter(watched, event);
}

void ExpertsPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void ExpertsPanel::retranslate() {
  const QSignalBlocker blocked(layer_);
  const int chosen = layer_->currentIndex();
  layer_->clear();
  layer_->addItem(tr("All layers"));
  const auto& model = state_.model();
  for (std::uint32_t i = 0; model && i < model->layers; ++i) layer_->addItem(tr("Layer %1").arg(i));
  layer_->setCurrentIndex(chosen > 0 && chosen < layer_->count() ? chosen : 0);
  layer_->setAccessibleName(tr("Layer"));
  layer_->setToolTip(tr("The layer whose experts are counted"));
  const QString explained = tr(
      "Calls per expert. CV: standard deviation over mean; floor: the CV that perfectly even chance would show at this "
      "count. U: mean over the largest. H: entropy, 1 is even. Dead: fewer than 1 % of the mean.");
  for (QLabel* label : figures_) label->setToolTip(explained);
  plot_->yAxis->setLabel(tr("% of calls"));
  plot_->setAccessibleName(tr("Utilization per expert; the dashed line is even use"));
  map_->setAccessibleName(tr("Main expert per token and layer"));
  map_title_->setText(tr("Main expert: tokens →, layers ↓"));
  refresh_pages();
  plot_calls();
}

void ExpertsPanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  style_plot(*plot_, theme_);
  QColor lighter = colors.run_a;
  lighter = colors.dark ? lighter.darker(190) : lighter.lighter(165);
  prefill_bars_->setPen(Qt::NoPen);
  prefill_bars_->setBrush(lighter);
  decode_bars_->setPen(Qt::NoPen);
  decode_bars_->setBrush(colors.run_a);
  uniform_->setPen(QPen(colors.text, 1, Qt::DashLine));
  for (QLabel* label : {figures_[0], figures_[1], map_title_}) label->setFont(theme_.sans(12));
  readout_->setFont(theme_.mono(12));
  plot_calls();
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

}  // namespace fovea
