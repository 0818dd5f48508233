#include "ui/panels/performance_panel.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include "ui/text/format.hpp"
#include "ui/widgets/share_bar.hpp"

namespace fovea {

namespace {

constexpr int kInterval = 100;  // milliseconds between repaints while a run grows: numbers must stay readable
constexpr int kRowHeight = 20, kControlHeight = 28;
constexpr std::size_t kCellsAtOnce = 4000;  // (token, layer) pairs taken in per turn: about two milliseconds

// "16.2 ms" as a number and its unit.
std::pair<QString, QString> parts_of(const QString& shown) {
  const qsizetype at = shown.lastIndexOf(QChar(0x202f));
  return at < 0 ? std::pair(shown, QString()) : std::pair(shown.left(at), shown.mid(at + 1));
}

}  // namespace

PerformancePanel::PerformancePanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      model_(new KernelModel(this)),
      pages_(new QStackedWidget),
      empty_(new EmptyState),
      note_(new QLabel),
      peak_(new BandwidthBox),
      timing_(new QToolButton),
      phase_(new QComboBox),
      kernels_(new QStackedWidget),
      no_times_(new EmptyState),
      table_(new QTableView),
      total_(new QLabel),
      clock_(
          kInterval, [this] { refresh(); }, this) {
  setProperty("panel", true);
  for (Figure*& figure : figures_) figure = new Figure(theme);
  make_table();
  lay_out();
  for (const auto signal : {&WorkbenchState::model_changed, &WorkbenchState::run_ended})
    connect(&state, signal, this, &PerformancePanel::refresh);
  for (const auto signal : {&WorkbenchState::run_started, &WorkbenchState::prompt_tokenized})
    connect(&state, signal, this, &PerformancePanel::start_over);
  connect(&state, &WorkbenchState::trace_changed, &clock_, &RefreshClock::request);
  connect(phase_, &QComboBox::currentIndexChanged, this, &PerformancePanel::refresh);
  connect(peak_, &BandwidthBox::valueChanged, this, [this] {
    refresh();
    Q_EMIT peak_changed();
  });
  connect(timing_, &QToolButton::toggled, this, [this](bool on) {
    refresh();
    Q_EMIT timing_changed(on);
  });
  connect(no_times_, &EmptyState::pressed, this, &PerformancePanel::press_no_times);
  connect(&theme, &Theme::changed, this, &PerformancePanel::restyle);
  retranslate();
  restyle();
}

void PerformancePanel::make_table() {
  table_->setModel(model_);
  table_->setItemDelegateForColumn(KernelModel::kShare, new ShareBar(theme_, KernelModel::kBarRole, table_));
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table_->setShowGrid(false);
  table_->setWordWrap(false);
  table_->setTabKeyNavigation(false);
  table_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setMinimumSectionSize(kRowHeight);
  table_->verticalHeader()->setDefaultSectionSize(kRowHeight);
  QHeaderView* header = table_->horizontalHeader();
  header->setHighlightSections(false);
  header->setSectionsClickable(false);
  header->setMinimumSectionSize(44);
  header->setSectionResizeMode(KernelModel::kKernel, QHeaderView::Stretch);
  for (const int column : {KernelModel::kCount, KernelModel::kTime, KernelModel::kShare})
    header->setSectionResizeMode(column, QHeaderView::Fixed);
  table_->setColumnWidth(KernelModel::kCount, 44);
  table_->setColumnWidth(KernelModel::kTime, 58);
  table_->setColumnWidth(KernelModel::kShare, 112);
  header->setStyleSheet(QStringLiteral("QHeaderView::section { padding: 2px 3px; }"));  // words above their numbers
}

void PerformancePanel::lay_out() {
  auto* figures = new QHBoxLayout;
  figures->setSpacing(8);
  for (Figure* figure : figures_) figures->addWidget(figure, figure == figures_[kOfBound] ? 5 : 4);
  for (QLabel* label : {note_, total_}) {
    label->setProperty("dim", true);
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
  }
  timing_->setCheckable(true);
  timing_->setFocusPolicy(Qt::StrongFocus);
  phase_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  peak_->setMinimumWidth(104);
  peak_->setMaximumWidth(124);
  for (QWidget* control : {static_cast<QWidget*>(timing_), static_cast<QWidget*>(phase_), static_cast<QWidget*>(peak_)})
    control->setFixedHeight(kControlHeight);
  auto* controls = new QHBoxLayout;
  controls->setSpacing(8);
  controls->addWidget(timing_);
  controls->addWidget(phase_);
  controls->addStretch(1);
  controls->addWidget(peak_);
  kernels_->addWidget(no_times_);
  kernels_->addWidget(table_);
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(12, 8, 12, 8);
  layout->setSpacing(6);
  layout->addLayout(figures);
  layout->addWidget(note_);
  layout->addLayout(controls);
  layout->addWidget(kernels_, 1);
  layout->addWidget(total_);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  pages_->setMinimumHeight(240);  // cut rather than the window made larger than a small screen
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(1, 0, 1, 1);
  outer->addWidget(pages_);
}

void PerformancePanel::set_peak(std::optional<double> gb_per_s) {
  const QSignalBlocker blocked(peak_);
  peak_->set_bandwidth(gb_per_s);
  refresh();
}

void PerformancePanel::start_over() {
  counts_.start(state_.prompt_tokens());
  refresh();
}

RoutingWork PerformancePanel::routed() const {
  return state_.model()->experts_rule && over_layers(counts_.work(false)).tokens > 0 ? counts_.work(false) : RoutingWork{};
}

void PerformancePanel::refresh() {
  pages_->setCurrentIndex(state_.model() ? 1 : 0);
  if (!state_.model()) return;
  if (state_.model()->experts_rule && state_.trace() && !counts_.absorb(state_.trace()->routing, kCellsAtOnce)) clock_.request();
  show_speeds();
  show_kernels();
}

std::optional<PhaseSpeed> PerformancePanel::speed(bool prefill) const {
  if (!state_.trace()) return std::nullopt;
  const bool goes_on = state_.running() && (state_.phase() == RunPhase::decoding) != prefill;
  auto found = phase_speed(state_.trace()->steps, prefill, goes_on ? std::optional(kSpeedWindowMs) : std::nullopt);
  if (!found || !state_.finished()) return found;
  // The run's own total, as the status line says it: the clock of the run instead of the sum of its steps.
  const RunTimings& timings = state_.finished()->timings;
  found->tokens_per_second = prefill ? timings.prompt_tps() : timings.decode_tps();
  return found->tokens_per_second > 0 ? found : std::nullopt;
}

void PerformancePanel::show_speeds() {
  const auto prefill = speed(true), decode = speed(false);
  const auto show = [](Figure& figure, const std::optional<PhaseSpeed>& of) {
    if (!of) return figure.show_absence(tr("not recorded"));
    const auto [number, unit] = parts_of(shown_rate(of->tokens_per_second));
    figure.show_value(number, unit);
  };
  show(*figures_[kPrefill], prefill);
  show(*figures_[kDecode], decode);
  show_bandwidth(decode);
  show_note(decode ? decode : prefill);
}

void PerformancePanel::show_bandwidth(const std::optional<PhaseSpeed>& decode) {
  const auto& counted = state_.model()->token_bytes;
  const double depth = decode ? decode->mean_depth : 0;
  const RoutingWork routed = this->routed();
  const ModelSummary& model = *state_.model();
  const double weights = counted ? static_cast<double>(counted->weights) + expert_bytes(model, routed) - expert_bytes(model, {}) : 0;
  const double bytes = counted ? counted->at(depth) - static_cast<double>(counted->weights) + weights : 0;
  const TokenWork work = token_work(model, bytes);
  const auto found = decode_bound(work, decode ? decode->tokens_per_second : 0, peak_->bandwidth());
  if (counted) {
    const auto [number, unit] = parts_of(shown_bytes(bytes));
    figures_[kTokenBytes]->show_value(number, unit, true);
    figures_[kTokenBytes]->setToolTip(
        tr("Counted from the model's shapes, not measured: every weight that a token uses once (%1), and keys and "
           "values of the %2 positions before it (%3 each)")
            .arg(shown_bytes(weights),
                 shown_count(static_cast<std::uint64_t>(depth + 0.5)),
                 shown_bytes(static_cast<double>(counted->position))));
  } else {
    figures_[kTokenBytes]->show_absence(tr("unknown"));
    figures_[kTokenBytes]->setToolTip(tr("The weights were not counted"));
  }
  if (found.gb_per_s)
    figures_[kAchieved]->show_value(shown_number(*found.gb_per_s), QStringLiteral("GB/s"), true);
  else
    figures_[kAchieved]->show_absence(counted ? tr("not recorded") : tr("unknown"));
  const auto& most = found.tokens_per_second;
  const QString bound = most ? QStringLiteral("≤ ") + shown_rate(*most) : QString();
  if (found.fraction) {
    const auto [number, unit] = parts_of(shown_percent(*found.fraction));
    figures_[kOfBound]->show_value(number + QChar(0x202f) + unit, bound, true);
  } else {
    figures_[kOfBound]->show_absence(most ? tr("not recorded") : tr("unknown"), bound);
  }
}

// Under which conditions the speed was measured, and what a token reads of this model.
void PerformancePanel::show_note(const std::optional<PhaseSpeed>& measured) {
  QString condition;
  if (!measured)
    condition = state_.running() ? tr("The first step is under way.") : tr("Nothing has run yet.");
  else if (measured->recording && measured->timing)
    condition = tr("Measured while recording attention and timing kernels.");
  else if (measured->recording)
    condition = tr("Measured while recording attention.");
  else if (measured->timing)
    condition = tr("Measured while timing kernels.");
  else
    condition = tr("Measured without recording attention or timing kernels.");
  const ModelSummary& model = *state_.model();
  const LayerRouting routed = over_layers(this->routed());
  const QString reads = model.experts == 0  ? tr("Dense model: a token reads every weight.")
                        : routed.tokens > 0 ? tr("Decoded tokens read %1 of %2 experts per layer on average.")
                                                  .arg(shown_number(routed.mean_experts()), shown_count(model.experts))
                        : model.experts_rule ? tr("A token reads at most %1 of %2 experts per layer.").arg(model.experts_used).arg(model.experts)
                                             : tr("A token reads %1 of %2 experts per layer.").arg(model.experts_used).arg(model.experts);
  note_->setText(tr("%1 %2", "two sentences").arg(condition, reads));
}

void PerformancePanel::show_kernels() {
  const bool possible = state_.model()->device.timestamps;
  timing_->setEnabled(possible);
  const auto& trace = state_.trace();
  const auto times = !trace ? nullptr : shows_prefill() ? trace->prefill_kernels : trace->decode_kernels;
  kernels_->setCurrentIndex(times ? 1 : 0);
  total_->setVisible(times != nullptr);
  if (!times) {
    model_->clear();
    total_->clear();
    explain_no_times();
    return;
  }
  // A decoded token is the mean of the timed ones; the prompt is whole, batches summed.
  const double steps = shows_prefill() ? 1 : times->steps;
  model_->set_times(*times, steps);
  double clock = 0;  // milliseconds of the same steps by the engine's clock
  for (const StepTiming& step : trace->steps)
    if (step.timing && step.prefill == shows_prefill()) clock += static_cast<double>(step.milliseconds);
  const QString gpu = shown_duration(times->microseconds() / 1000 / steps), wall = shown_duration(clock / steps);
  const QString tokens = shown_count(times->tokens);
  total_->setText(shows_prefill() ? tr("Kernels: %1 of %2 for %3 prompt tokens").arg(gpu, wall, tokens)
                                  : tr("Kernels: %1 of %2 a token, mean of %3 tokens").arg(gpu, wall, tokens));
}

void PerformancePanel::explain_no_times() {
  const bool ran = state_.finished() || state_.phase() == RunPhase::failed;
  const QString cost = tr("Timestamps around every kernel slow the steps that have them; the plain plan has none.");
  if (!state_.model()->device.timestamps)
    return no_times_->say(tr("This device cannot time kernels"),
                          tr("Its compute queue has no timestamps: %1. Speed is measured all the same.")
                              .arg(QString::fromStdString(state_.model()->device.name)));
  if (ran)
    return no_times_->say(
        shows_prefill() ? tr("The prompt's kernels were not timed") : tr("No decoded token was timed"), cost,
        tr("Run again and time kernels"));
  if (!timing_->isChecked()) return no_times_->say(tr("Kernels are not timed"), cost, tr("Time kernels"));
  if (shows_prefill() && state_.phase() == RunPhase::decoding)
    return no_times_->say(tr("The prompt's kernels were not timed"),
                          tr("It had been read before timing was switched on."));
  no_times_->say(state_.running() ? tr("Waiting for the next step") : tr("Kernels will be timed"),
                 state_.running() ? QString() : tr("Times appear here with the next run."));
}

void PerformancePanel::press_no_times() {
  const bool ran = !state_.running() && state_.phase() != RunPhase::none;
  timing_->setChecked(true);
  if (ran) Q_EMIT timed_run_requested();
}

void PerformancePanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void PerformancePanel::retranslate() {
  empty_->say(tr("No model is open"), tr("Speed, bandwidth and time per kernel appear here when a model runs."));
  const std::array<QString, kParts> captions{tr("Prefill"), tr("Decode"), tr("Per token"), tr("Achieved"),
                                             tr("Of bound")};
  for (std::size_t i = 0; i < kParts; ++i) figures_[i]->set_caption(captions[i]);
  const QString clock =
      tr("By the engine's own clock: over the last second while it goes on, over all of it afterwards");
  figures_[kPrefill]->setToolTip(clock);
  figures_[kDecode]->setToolTip(clock);
  figures_[kAchieved]->setToolTip(tr("Derived: the counted bytes of a decoded token times the tokens per second"));
  figures_[kOfBound]->setToolTip(
      tr("Derived: decoding speed over the most that a token's bytes at the device's peak bandwidth and, on a GPU, its "
         "steps one after another at %1 µs each allow")
          .arg(kGpuStepMicroseconds));
  peak_->setPrefix(tr("peak ", "in front of a number of GB/s"));
  peak_->setSpecialValueText(tr("peak unknown"));
  peak_->setAccessibleName(tr("The device's peak bandwidth"));
  peak_->setToolTip(tr(
      "The device's memory bandwidth as its data sheet has it, since Vulkan does not tell it. 0 stands for unknown."));
  timing_->setText(tr("Time kernels"));
  timing_->setToolTip(tr("Runs a variant of the plan with timestamps around every kernel; the tokens stay the same"));
  const QSignalBlocker blocked(phase_);
  const int chosen = phase_->currentIndex();
  phase_->clear();
  phase_->addItems({tr("Decode"), tr("Prefill")});
  phase_->setCurrentIndex(chosen == 1 ? 1 : 0);
  phase_->setAccessibleName(tr("Whose kernels: one decoded token's, or the whole prompt's"));
  phase_->setToolTip(phase_->accessibleName());
  table_->setAccessibleName(tr("GPU time per kernel"));
  total_->setToolTip(tr("GPU time between the timestamps, of the engine's clock for the same steps"));
  model_->retranslate();
  refresh();
}

void PerformancePanel::restyle() {
  table_->setFont(theme_.mono(12));
  table_->horizontalHeader()->setFont(theme_.sans(12));
  for (QLabel* label : {note_, total_}) label->setFont(theme_.sans(12));
  table_->viewport()->update();
}

}  // namespace fovea
