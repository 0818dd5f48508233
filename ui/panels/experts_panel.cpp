#include "ui/panels/experts_panel.hpp"

#include <QElapsedTimer>
#include <QEvent>
#include <QFontMetrics>
#include <QHBoxLayout>
#include <QMouseEvent>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ui/panels/plot.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"
#include "ui/widgets/elided_box.hpp"

namespace fovea {

namespace {
constexpr int kInterval = 66;              // milliseconds between repaints while a run grows
constexpr int kTakeInFor = 5;              // milliseconds of a turn that go into what is new
constexpr std::size_t kCellsAtOnce = 500;  // (token, layer) pairs between two looks at the clock
constexpr int kNarrowestChoice = 72;       // pixels of a box where the panel is narrow
constexpr int kLowPage = 170, kPlot = 90, kLowPlot = 56;  // pixels of height
constexpr int kBeside = 640;               // pixels of width from which figures stand beside what is chosen
}  // namespace

ExpertsPanel::ExpertsPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      pages_(new QStackedWidget),
      views_(new QStackedWidget),
      empty_(new EmptyState),
      absent_(new EmptyState),
      plot_(new QCustomPlot),
      map_(new RoutingMap(state, theme, counts_)),
      curve_(new ExpertCurve(theme)),
      matrix_(new MatrixPair(theme, MatrixScale::ratio)),
      scheduling_(new SchedulingView(state, theme)),
      bar_(new QHBoxLayout),
      view_(new ElidedBox),
      layer_(new ElidedBox),
      pair_(new ElidedBox),
      figures_{new QLabel, new QLabel},
      readout_(new QLabel),
      map_title_(new QLabel),
      clock_(
          kInterval, [this] { refresh(); }, this) {
  setProperty("panel", true);
  make_plot();
  lay_out();
  connect(empty_, &EmptyState::pressed, this, [this] { set_view(ExpertView::scheduling); });
  connect(map_, &RoutingMap::cell_pointed, readout_, &QLabel::setText);
  connect(matrix_, &MatrixPair::cell_pointed, this, &ExpertsPanel::point_at_cell);
  connect(matrix_, &MatrixPair::row_pressed, this, [this](std::uint32_t row) {
    if (view() == ExpertView::layers) layer_->setCurrentIndex(static_cast<int>(row) + 1);
  });
  connect(curve_, &ExpertCurve::number_pointed, this, &ExpertsPanel::point_at_number);
  // A name that its axis is too short for would be cut.
  connect(plot_, &QCustomPlot::beforeReplot, this, [this] {
    const QString name = tr("% of calls");
    plot_->yAxis->setLabel(QFontMetrics(plot_->yAxis->labelFont()).horizontalAdvance(name) <= plot_->yAxis->axisRect()->height() ? name : QString());
  });
  for (QComboBox* box : {view_, layer_, pair_})
    connect(box, &QComboBox::currentIndexChanged, this, [this] {
      readout_->clear();
      refresh_pages();
      show_view();
    });
  connect(&state, &WorkbenchState::model_changed, this, &ExpertsPanel::retranslate);
  connect(&state, &WorkbenchState::run_started, this, &ExpertsPanel::start_over);
  connect(&state, &WorkbenchState::prompt_tokenized, this, &ExpertsPanel::start_over);
  connect(&state, &WorkbenchState::trace_changed, &clock_, &RefreshClock::request);
  connect(&state.selection(), &Selection::token_changed, this, [this] { matrix_->set_marks(marks()); });
  connect(&theme, &Theme::changed, this, &ExpertsPanel::restyle);
  retranslate();
  restyle();
}

void ExpertsPanel::make_plot() {
  plot_->setMinimumSize(120, kPlot);
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

QWidget* ExpertsPanel::make_use_page() {
  map_title_->setProperty("dim", true);
  map_title_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(4);
  layout->addWidget(plot_, 3);
  layout->addWidget(map_title_);
  layout->addWidget(map_, 2);
  return page;
}

void ExpertsPanel::lay_out() {
  auto* choices = new QHBoxLayout;
  choices->setSpacing(6);
  for (std::size_t i = 0; i < kExpertViews; ++i) view_->addItem(QString());
  for (QComboBox* box : {view_, layer_, pair_}) {
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    box->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
    box->setMinimumWidth(kNarrowestChoice);
    choices->addWidget(box, 0, Qt::AlignTop | Qt::AlignLeft);
  }
  choices->addStretch(1);
  bar_->addLayout(choices);
  auto* figures = new QVBoxLayout;
  figures->setSpacing(0);
  for (QLabel* label : figures_) {
    label->setTextFormat(Qt::RichText);
    label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    label->setWordWrap(true);  // between figures, where the panel is narrow; the policy would forget it
    label->installEventFilter(this);
    figures->addWidget(label);
  }
  bar_->addLayout(figures, 1);
  readout_->setTextFormat(Qt::PlainText);
  readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  views_->installEventFilter(this);
  views_->addWidget(make_use_page());
  views_->addWidget(curve_);
  views_->addWidget(matrix_);
  views_->addWidget(absent_);
  views_->addWidget(scheduling_);
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(8, 8, 8, 8);
  layout->setSpacing(4);
  layout->addLayout(bar_);
  layout->addWidget(views_, 1);
  layout->addWidget(readout_);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  pages_->setMinimumSize(160, 160);  // cut rather than the window made larger than a small screen
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
  patterns_.start(state_.prompt_tokens());
  readout_->clear();
  refresh();
}

void ExpertsPanel::refresh() {
  bool complete = true;
  if (const auto& trace = state_.trace()) {
    QElapsedTimer timer;
    timer.start();
    const std::span<const TokenText> tokens = trace->tokens ? std::span<const TokenText>(*trace->tokens) : std::span<const TokenText>();
    do {
      complete = counts_.absorb(trace->routing, kCellsAtOnce);
      complete = patterns_.absorb(trace->routing, tokens, kCellsAtOnce) && complete;
    } while (!complete && timer.elapsed() < kTakeInFor);
  }
  refresh_pages();
  if (shows_plots()) show_view();
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
    empty_->say(tr("Nothing has run yet"), tr("Run a prompt: the experts that each token takes appear here."), tr("Scheduling"));
  // What schedules the work is known before anything runs.
  pages_->setCurrentIndex(model && model->experts > 0 && (counts_.tokens() > 0 || view() == ExpertView::scheduling) ? 1 : 0);
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

// Where the panel is narrow, figures go below what is chosen.
void ExpertsPanel::resizeEvent(QResizeEvent* event) {
  bar_->setDirection(width() < kBeside ? QBoxLayout::TopToBottom : QBoxLayout::LeftToRight);
  bar_->setSpacing(width() < kBeside ? 4 : 12);
  if ((event->oldSize().width() < kNarrow) != (width() < kNarrow)) clock_.request();
  QFrame::resizeEvent(event);
}

// A layout gives a label that wraps the height of one line where space is short. The height that it asks for is never below
// its minimum, so that is taken back first.
void ExpertsPanel::fit_figures() {
  for (std::size_t i = 0; i < 2; ++i) {
    QLabel* label = figures_[i];
    if (fitted_[i] == std::pair(label->text(), label->width())) continue;
    fitted_[i] = {label->text(), label->width()};
    label->setMinimumHeight(0);
    label->setMinimumHeight(std::max(0, label->heightForWidth(label->width())));
  }
}

bool ExpertsPanel::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && event->type() == QEvent::MouseMove)
    point_at_bar(static_cast<QMouseEvent*>(event)->position().x());
  if (watched == plot_ && event->type() == QEvent::Leave) readout_->clear();
  if (watched == views_ && event->type() == QEvent::Resize) {  // in a low window figures take four lines
    const bool low = views_->height() < kLowPage;
    map_title_->setVisible(!low);
    plot_->setMinimumHeight(low ? kLowPlot : kPlot);
  }
  if ((watched == figures_[0] || watched == figures_[1]) && event->type() == QEvent::Resize) fit_figures();
  return QFrame::eventFilter(watched, event);
}

void ExpertsPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void ExpertsPanel::retranslate() {
  const QSignalBlocker blocked[] = {QSignalBlocker(view_), QSignalBlocker(layer_), QSignalBlocker(pair_)};
  const std::array<QString, kExpertViews> views{tr("Use"), tr("Layers"), tr("Skew"), tr("Reuse"), tr("Transitions"), tr("Token classes"), tr("Scheduling")};
  const std::array<QString, kExpertViews> reasons{tr("Calls of every expert, and the main expert of every token and layer"),
                                                  tr("The use of every expert in every layer, beside even use"),
                                                  tr("Which share of the calls the busiest experts take"),
                                                  tr("How often an expert is among those that its layer used last: the hit rate of a memory that keeps them"),
                                                  tr("To which main expert of the next layer tokens go from each main expert of a layer"),
                                                  tr("Which experts words, digits, punctuation and other kinds of token call"),
                                                  tr("The three layers that schedule the work: semantic router, load balance, hardware; and whether each is in use")};
  for (int i = 0; i < static_cast<int>(kExpertViews); ++i) {
    view_->setItemText(i, views[static_cast<std::size_t>(i)]);
    view_->setItemData(i, reasons[static_cast<std::size_t>(i)], Qt::ToolTipRole);
  }
  const auto fill = [](QComboBox* box, const QStringList& items) {
    const int chosen = box->currentIndex();
    box->clear();
    box->addItems(items);
    box->setCurrentIndex(chosen > 0 && chosen < box->count() ? chosen : 0);
  };
  QStringList layers{tr("All layers")}, pairs;
  const auto& model = state_.model();
  for (std::uint32_t i = 0; model && i < model->layers; ++i) {
    layers << tr("Layer %1").arg(i);
    if (i + 1 < model->layers) pairs << tr("Layer %1 → %2").arg(i).arg(i + 1);
  }
  fill(layer_, layers);
  fill(pair_, pairs);
  view_->setAccessibleName(tr("What is shown of the experts"));
  view_->setToolTip(view_->accessibleName());
  layer_->setAccessibleName(tr("Layer"));
  layer_->setToolTip(tr("The layer whose experts are counted"));
  pair_->setAccessibleName(tr("Pair of layers"));
  pair_->setToolTip(tr("From which layer to which"));
  plot_->setAccessibleName(tr("Utilization per expert; the dashed line is even use"));
  map_->setAccessibleName(tr("Main expert per token and layer"));
  map_title_->setText(tr("Main expert: tokens →, layers ↓"));
  refresh_pages();
  show_view();
}

void ExpertsPanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  style_plot(*plot_, theme_);
  prefill_bars_->setPen(Qt::NoPen);
  prefill_bars_->setBrush(prefill_color(colors));
  decode_bars_->setPen(Qt::NoPen);
  decode_bars_->setBrush(colors.run_a);
  uniform_->setPen(QPen(colors.text, 1, Qt::DashLine));
  for (QLabel* label : {figures_[0], figures_[1], map_title_}) label->setFont(theme_.sans(12));
  readout_->setFont(theme_.mono(12));
  fitted_ = {};
  show_view();
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

}  // namespace fovea
