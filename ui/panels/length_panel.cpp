#include "ui/panels/length_panel.hpp"

#include <QCoreApplication>
#include <QEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/compare/run_words.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kControlHeight = 28;
constexpr int kLow = 300;
constexpr std::uint32_t kShortestChoice = 2048, kLongestChoice = 131072;

// What the engine says while it measures; listed here for the translators.
[[maybe_unused]] constexpr const char* kMeasureWords[] = {QT_TRANSLATE_NOOP("fovea::lengths", "Loading the model"), QT_TRANSLATE_NOOP("fovea::lengths", "Measuring contexts")};
}  // namespace

LengthPanel::LengthPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent), state_(state), theme_(theme), pages_(new QStackedWidget), empty_(new EmptyState), longest_name_(new QLabel), legend_(new QLabel), verdict_(new QLabel),
      conditions_(new QLabel), longest_(new QComboBox), measure_(new QToolButton), progress_(new ProgressStrip), plot_(new LengthPlot(theme)) {
  setProperty("panel", true);
  for (QLabel* label : {verdict_, conditions_}) {
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
  }
  for (QLabel* label : {longest_name_, conditions_}) label->setProperty("dim", true);
  legend_->setTextFormat(Qt::RichText);
  longest_name_->setBuddy(longest_);
  longest_->setFixedHeight(kControlHeight);
  longest_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  measure_->setFixedHeight(kControlHeight);
  measure_->setFocusPolicy(Qt::StrongFocus);
  progress_->hide();
  auto* bar = new QHBoxLayout;
  bar->setSpacing(8);
  bar->addWidget(legend_);
  bar->addStretch(1);
  bar->addWidget(longest_name_);
  bar->addWidget(longest_);
  bar->addWidget(measure_);
  auto* measured = new QWidget;
  auto* column = new QVBoxLayout(measured);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(2);
  column->addWidget(verdict_);
  column->addWidget(conditions_);
  column->addWidget(plot_, 1);
  pages_->addWidget(empty_);
  pages_->addWidget(measured);
  pages_->setMinimumSize(240, 110);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(12, 8, 12, 8);
  layout->setSpacing(6);
  layout->addLayout(bar);
  layout->addWidget(progress_);
  layout->addWidget(pages_, 1);
  connect(measure_, &QToolButton::clicked, this, &LengthPanel::choose_text);
  connect(empty_, &EmptyState::pressed, this, &LengthPanel::choose_text);
  connect(progress_, &ProgressStrip::cancelled, this, [this] { Q_EMIT command(Cancel{}); });
  connect(&state, &WorkbenchState::scores_told, this, &LengthPanel::take);
  connect(&state, &WorkbenchState::model_changed, this, [this] {
    if (state_.model() && state_.model()->path != path_ && !measuring()) sweep_.reset();
    fill_lengths();
    refresh();
  });
  connect(&state, &WorkbenchState::run_started, this, &LengthPanel::refresh);
  connect(&theme, &Theme::changed, this, &LengthPanel::restyle);
  retranslate();
  restyle();
}

void LengthPanel::choose_text() {
  auto* dialog = new QFileDialog(this, tr("Choose a text"), QString(), tr("Texts (*.txt *.md);;All files (*)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFile);
  connect(dialog, &QFileDialog::fileSelected, this, &LengthPanel::measure);
  dialog->open();
}

void LengthPanel::measure(const QString& file) {
  if (measuring() || !state_.model()) return;
  expected_ = state_.next_measurement();
  stopped_ = false;
  sweep_.reset();
  path_ = state_.model()->path;
  text_ = file;
  progress_->show_progress(tr("Waiting for the engine"), 0);
  refresh();
  Q_EMIT command(MeasureLengths{*expected_, file.toStdString(), longest_->currentData().toUInt()});
}

void LengthPanel::take(const Event& event) {
  if (!expected_) return;
  if (const auto* advanced = std::get_if<ScoresAdvanced>(&event); advanced != nullptr && advanced->id == *expected_) {
    progress_->show_progress(QCoreApplication::translate("fovea::lengths", advanced->doing.c_str()), advanced->fraction);
    return;
  }
  if (const auto* measured = std::get_if<LengthsMeasured>(&event); measured != nullptr && measured->id == *expected_) {
    sweep_ = measured->sweep;
    if (measured->complete) expected_.reset();
  } else if (const auto* failure = std::get_if<ScoresFailed>(&event); failure != nullptr && failure->id == *expected_) {
    expected_.reset();
    stopped_ = true;
    if (failure->error.code != ErrorCode::cancelled) Q_EMIT failed(failure->error);
  } else {
    return;
  }
  refresh();
}

// As many as the model was trained for; what the text and memory hold is seen on the way.
void LengthPanel::fill_lengths() {
  const QSignalBlocker blocked(longest_);
  const std::uint32_t chosen = longest_->currentData().toUInt();
  longest_->clear();
  longest_->addItem(tr("as far as it goes"), 0u);
  const std::uint32_t trained = state_.model() ? state_.model()->trained_context : 0;
  for (std::uint32_t length = kShortestChoice; length <= std::min(trained, kLongestChoice); length *= 2) longest_->addItem(tr("%1 tokens").arg(shown_count(length)), length);
  longest_->setCurrentIndex(std::max(0, longest_->findData(chosen)));
}

void LengthPanel::refresh() {
  const bool can = state_.model() && !measuring();
  measure_->setEnabled(can);
  longest_->setEnabled(can);
  if (!measuring()) progress_->hide();
  legend_->setVisible(sweep_ != nullptr);
  measure_->setVisible(sweep_ != nullptr || measuring());
  pages_->setCurrentIndex(sweep_ ? 1 : 0);
  if (!state_.model())
    empty_->say(tr("No model is open"), tr("At what length sparse attention pays is measured here when a model is open."));
  else if (measuring())
    empty_->say(tr("Measuring"), tr("Points appear as they are measured: dense attention first, then sparse."));
  else
    empty_->say(tr("At what length does sparse pay here?"),
                tr("Dense attention and the chosen sparse one read the same text at 1k, 2k, 4k tokens and on, as far as model, text and memory go. Time, KV memory and "
                   "perplexity of both are measured, and from where on sparse is faster. Each gets a model of its own in its turn."),
                tr("Choose a text…"));
  plot_->show_sweep(sweep_);
  if (!sweep_) return;
  const LengthSweep& sweep = *sweep_;
  const bool complete = !sweep.of_b.empty() && sweep.of_b.size() == sweep.lengths.size();
  QStringList told;
  if (complete) {
    const auto phase = [](const std::optional<std::uint32_t>& from, const QString& faster, const QString& never) { return from ? faster.arg(shown_count(*from)) : never; };
    told << phase(pays_from(sweep.of_b, sweep.of_a), tr("Sparse prefills faster from %1 tokens on"), tr("Sparse prefills no faster at the longest of these"))
         << phase(pays_from(sweep.of_b, sweep.of_a, &LengthPoint::decode_ms), tr("decodes faster from %1 on"), tr("decodes no faster at the longest"))
         << tr("perplexity %1 at %2 tokens")
                .arg(figure_difference(sweep.of_b.back().perplexity / sweep.of_a.back().perplexity - 1, ComparedFigure::Unit::percent),
                     shown_count(sweep.lengths.back()));
  } else {
    told << (measuring() ? tr("Measuring: %1 of %2 points").arg(sweep.of_a.size() + sweep.of_b.size()).arg(2 * sweep.lengths.size())
                         : tr("Stopped after %1 of %2 points: no crossover is told").arg(sweep.of_a.size() + sweep.of_b.size()).arg(2 * sweep.lengths.size()));
  }
  verdict_->setText(told.join(tr("; ")));
  QString conditions = tr("Measured once at each length on %1: a whole window, then tokens decoded at its end; %2.")
                           .arg(QFileInfo(text_).fileName(), state_.model() ? QString::fromStdString(state_.model()->device.name) : QString());
  const QString limit = shown_count(sweep.limit_tokens);
  if (sweep.limit == LengthLimit::trained) conditions += tr(" The model was trained for %1 tokens.").arg(limit);
  if (sweep.limit == LengthLimit::text) conditions += tr(" The text has %1 tokens.").arg(limit);
  if (sweep.limit == LengthLimit::memory) conditions += tr(" A context of %1 tokens finds no room in memory.").arg(limit);
  conditions_->setText(conditions);
  const QString policies = text_ + QStringLiteral("\n● %1\n▲ %2\n--moe %3 --kv %4 --activations %5")
                              .arg(QString::fromStdString(sweep.a.attention), QString::fromStdString(sweep.b.attention), QString::fromStdString(sweep.b.moe),
                                   QString::fromStdString(sweep.b.kv), QString::fromStdString(sweep.b.activations));
  conditions_->setToolTip(policies);
  verdict_->setToolTip(conditions + QLatin1Char('\n') + policies);
}

// Where there is little height the plots need it more; what was measured how is then in the tooltip.
void LengthPanel::resizeEvent(QResizeEvent* event) {
  QFrame::resizeEvent(event);
  conditions_->setVisible(height() >= kLow);
}

void LengthPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void LengthPanel::retranslate() {
  longest_name_->setText(tr("&Longest"));
  longest_->setToolTip(tr("The longest context that is measured"));
  measure_->setText(tr("Measure…"));
  measure_->setToolTip(tr("Choose a text and measure dense and sparse attention on it"));
  fill_lengths();
  restyle();
  refresh();
}

void LengthPanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  legend_->setText(QStringLiteral("<span style='color:%1'>%2</span> %3 &nbsp; <span style='color:%4'>%5</span> %6")
                       .arg(colors.run_a.name(), QString::fromUtf8(kMarkA), tr("dense"), colors.run_b.name(), QString::fromUtf8(kMarkB), tr("sparse")));
  for (QLabel* label : {legend_, longest_name_, conditions_}) label->setFont(theme_.sans(12));
  verdict_->setFont(theme_.sans(13));
}

}  // namespace fovea
