#include "ui/panels/calibration_dialog.hpp"

#include <QCoreApplication>
#include <QDir>
#include <QEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/api/layers_utilization.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kWidth = 560, kControlHeight = 28;
constexpr int kWindows = 16;

// What the engine says while it calibrates; listed here for the translators.
[[maybe_unused]] constexpr const char* kCalibrationWords[] = {QT_TRANSLATE_NOOP("fovea::calibration", "Measuring without the prices"),
                                                              QT_TRANSLATE_NOOP("fovea::calibration", "Evening the load"),
                                                              QT_TRANSLATE_NOOP("fovea::calibration", "Measuring with the prices")};

QString signed_percent(double ratio) {
  const double percent = 100 * (ratio - 1);
  return (percent < 0 ? QStringLiteral("−") : QStringLiteral("+")) + QString::number(std::abs(percent), 'f', 2) + QStringLiteral(" %");
}

double mass_kept(const RoutingWork& work) {
  const LayerRouting sum = over_layers(work);
  return sum.tokens > 0 ? sum.moved_mass / static_cast<double>(sum.tokens) : 0;
}
}  // namespace

ExpertRule shown_rule(ExpertRule calibrated, std::uint32_t experts_used) {
  if (calibrated.count != ExpertCount::fixed) return calibrated;
  // The same number for every token, said as a share that only all of them reach.
  const std::uint32_t number = calibrated.kmax == 0 ? experts_used : calibrated.kmax;
  calibrated.count = ExpertCount::mass;
  calibrated.p = 1;
  calibrated.kmin = calibrated.layer_kmax.empty() ? number : std::ranges::min(calibrated.layer_kmax);
  return calibrated;
}

CalibrationDialog::CalibrationDialog(WorkbenchState& state, QString folder, QWidget* parent)
    : QDialog(parent), state_(state), folder_(std::move(folder)), sentence_(new QLabel), cv_name_(new QLabel), retained_name_(new QLabel), windows_name_(new QLabel),
      verdict_(new QLabel), where_(new QLabel), cv_(new QDoubleSpinBox), retained_(new QDoubleSpinBox), windows_(new QSpinBox), table_(new QWidget), progress_(new ProgressStrip),
      start_(new QPushButton), use_(new QPushButton), close_(new QPushButton) {
  setMinimumWidth(kWidth);
  for (QLabel* label : {sentence_, verdict_, where_}) {
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
  }
  where_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  for (QLabel* label : {sentence_, cv_name_, retained_name_, windows_name_, where_}) label->setProperty("dim", true);
  const CalibrationGoal goal;
  cv_->setRange(0, 10);
  cv_->setSingleStep(0.01);
  cv_->setValue(goal.cv);
  retained_->setRange(0, 100);
  retained_->setDecimals(1);
  retained_->setSingleStep(0.5);
  retained_->setSuffix(QStringLiteral(" %"));
  retained_->setValue(100 * goal.retained);
  windows_->setRange(2, 10'000);
  windows_->setValue(kWindows);
  windows_name_->setBuddy(windows_);
  cv_name_->setBuddy(cv_);
  retained_name_->setBuddy(retained_);
  auto* goals = new QHBoxLayout;
  goals->setSpacing(8);
  for (const auto& [label, box] : {std::pair<QLabel*, QAbstractSpinBox*>{cv_name_, cv_}, {retained_name_, retained_}, {windows_name_, windows_}}) {
    box->setFixedHeight(kControlHeight);
    box->setMinimumWidth(64);
    box->setButtonSymbols(QAbstractSpinBox::NoButtons);
    goals->addWidget(label);
    goals->addWidget(box);
    goals->addSpacing(8);
  }
  goals->addStretch(1);
  auto* grid = new QGridLayout(table_);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setHorizontalSpacing(24);
  grid->setVerticalSpacing(4);
  grid->setColumnStretch(0, 1);
  for (std::size_t row = 0; row <= kFigures; ++row)
    for (std::size_t column = 0; column < 4; ++column) {
      auto* cell = new QLabel;
      cell->setProperty("dim", row == 0 || column == 0);
      cells_[row][column] = cell;
      grid->addWidget(cell, static_cast<int>(row), static_cast<int>(column), column == 0 ? Qt::AlignLeft : Qt::AlignRight);
    }
  auto* buttons = new QHBoxLayout;
  buttons->setSpacing(8);
  buttons->addWidget(start_);
  buttons->addStretch(1);
  buttons->addWidget(close_);
  buttons->addWidget(use_);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(20, 16, 20, 16);
  column->setSpacing(12);
  column->addWidget(sentence_);
  column->addLayout(goals);
  column->addWidget(progress_);
  column->addWidget(verdict_);
  column->addWidget(table_);
  column->addWidget(where_);
  column->addStretch(1);
  column->addLayout(buttons);
  use_->setProperty("primary", true);
  progress_->hide();
  connect(start_, &QPushButton::clicked, this, &CalibrationDialog::choose_text);
  connect(close_, &QPushButton::clicked, this, &QDialog::reject);
  connect(this, &QDialog::finished, this, [this] {
    if (measuring()) Q_EMIT command(Cancel{});
  });
  connect(use_, &QPushButton::clicked, this, [this] {
    Q_EMIT rule_chosen(shown_rule(done_->rule, state_.model() ? state_.model()->experts_used : 0));
    accept();
  });
  connect(progress_, &ProgressStrip::cancelled, this, [this] { Q_EMIT command(Cancel{}); });
  connect(&state, &WorkbenchState::scores_told, this, &CalibrationDialog::take);
  connect(&state, &WorkbenchState::model_changed, this, &CalibrationDialog::refresh);
  retranslate();
}

void CalibrationDialog::choose_text() {
  auto* dialog = new QFileDialog(this, tr("Choose a text"), QString(), tr("Texts (*.txt *.md);;All files (*)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFile);
  connect(dialog, &QFileDialog::fileSelected, this, &CalibrationDialog::calibrate);
  dialog->open();
}

void CalibrationDialog::calibrate(const QString& text) {
  if (measuring() || !state_.model()) return;
  done_.reset();
  stopped_.clear();
  if (!QDir().mkpath(folder_)) {
    stopped_ = tr("The folder %1 cannot be made: prices would find no place.").arg(folder_);
    return refresh();
  }
  expected_ = state_.next_measurement();
  const QString name = QFileInfo(QString::fromStdString(state_.model()->path)).completeBaseName() + '-' + QFileInfo(text).completeBaseName() + QStringLiteral(".bias.json");
  progress_->show_progress(tr("Waiting for the engine"), 0);
  refresh();
  Q_EMIT command(CalibrateExperts{.id = *expected_, .file = text.toStdString(), .bias_file = QDir(folder_).filePath(name).toStdString(),
                                  .goal = {.cv = cv_->value(), .retained = retained_->value() / 100}, .windows = static_cast<std::uint32_t>(windows_->value())});
}

void CalibrationDialog::take(const Event& event) {
  if (!expected_) return;
  if (const auto* advanced = std::get_if<ScoresAdvanced>(&event); advanced != nullptr && advanced->id == *expected_) {
    progress_->show_progress(QCoreApplication::translate("fovea::calibration", advanced->doing.c_str()), advanced->fraction);
    return;
  }
  if (const auto* calibrated = std::get_if<ExpertsCalibrated>(&event); calibrated != nullptr && calibrated->id == *expected_) {
    done_ = calibrated->calibration;
  } else if (const auto* failure = std::get_if<ScoresFailed>(&event); failure != nullptr && failure->id == *expected_) {
    stopped_ = failure->error.code == ErrorCode::cancelled ? tr("Stopped; the policy is as it was.") : QString::fromStdString(failure->error.sentence());
  } else {
    return;
  }
  expected_.reset();
  refresh();
}

void CalibrationDialog::refresh() {
  const auto& model = state_.model();
  const bool mixture = model && model->experts > 0;
  const bool moved = model && model->experts_rule &&
                     (model->experts_rule->balance != ExpertBalance::off || model->experts_rule->reset == LoadReset::frozen || model->experts_rule->escort);
  start_->setEnabled(mixture && !moved && !measuring());
  for (QWidget* box : std::initializer_list<QWidget*>{cv_, retained_, windows_}) box->setEnabled(!measuring());
  use_->setVisible(done_ != nullptr);
  table_->setVisible(done_ != nullptr);
  where_->setVisible(done_ != nullptr);
  if (!measuring()) progress_->hide();
  QString verdict = stopped_;
  if (!model)
    verdict = tr("No model is open.");
  else if (!mixture)
    verdict = tr("Not applicable: the model is dense.");
  else if (moved && !done_)
    verdict = tr("The policy already moves choices by load: set the balance to off first.");
  verdict_->setText(verdict);
  if (done_) show_result();
  verdict_->setVisible(!verdict_->text().isEmpty());
  // adjustSize() stops at two thirds of the screen, which on a small one lays rows over each other.
  layout()->activate();
  resize(width(), layout()->totalHeightForWidth(width()));
}

void CalibrationDialog::show_result() {
  const ExpertCalibration& done = *done_;
  const auto before = utilization_of_layers(done.before).value_or(LayersUtilization{}), after = utilization_of_layers(done.after).value_or(LayersUtilization{});
  std::array<int, 3> ends{};
  for (const CalibratedLayer& layer : done.layers) ++ends[static_cast<std::size_t>(layer.end)];
  QStringList told;
  if (ends[0] > 0) told << tr("%1 layers reached the CV").arg(ends[0]);
  if (ends[1] > 0) told << tr("%1 were held back so that enough mass is kept").arg(ends[1]);
  if (ends[2] > 0) told << tr("for %1 the text was too short").arg(ends[2]);
  verdict_->setText(tr("Of %1 layers: %2.").arg(done.layers.size()).arg(told.join(tr("; "))));
  const std::array<std::array<QString, 4>, kFigures + 1> rows{{
      {tr("Held out, mean of the layers"), tr("without"), tr("with the prices"), tr("change")},
      {tr("CV of the load"), shown_number(before.mean.cv), shown_number(after.mean.cv), {}},
      {tr("CV of the most uneven layer"), shown_number(before.worst_cv), shown_number(after.worst_cv), {}},
      {tr("Utilization U"), shown_number(before.mean.utilization), shown_number(after.mean.utilization), {}},
      {tr("Entropy H"), shown_number(before.mean.entropy), shown_number(after.mean.entropy), {}},
      {tr("Router mass kept"), shown_percent(mass_kept(done.before)), shown_percent(mass_kept(done.after)), {}},
      {tr("Perplexity"), shown_number(done.perplexity_before), shown_number(done.perplexity_after), signed_percent(done.perplexity_after / done.perplexity_before)},
  }};
  for (std::size_t row = 0; row <= kFigures; ++row)
    for (std::size_t column = 0; column < 4; ++column) cells_[row][column]->setText(rows[row][column]);
  where_->setText(tr("Learned from %1 tokens of %2, measured on %3 others of it. The prices are in %4")
                      .arg(shown_count(done.tokens), QString::fromStdString(done.text), shown_count(done.held_out_tokens),
                           QDir::toNativeSeparators(QString::fromStdString(done.bias_file))));
}

QString CalibrationDialog::row_text(std::size_t row) const {
  QStringList words;
  for (const QLabel* cell : cells_[row]) words << cell->text();
  return words.join(QStringLiteral(" | "));
}

void CalibrationDialog::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QDialog::changeEvent(event);
}

void CalibrationDialog::retranslate() {
  setWindowTitle(tr("Even the load of experts"));
  sentence_->setText(
      tr("Finds frozen prices of experts over half of a text, window by window, and measures the other half without them and with them. More even "
         "use costs router mass: where less would be kept than wished, a layer gives way."));
  cv_name_->setText(tr("&CV wished"));
  cv_->setToolTip(tr("Standard deviation over mean of the experts' load that is even enough"));
  retained_name_->setText(tr("&Mass kept"));
  retained_->setToolTip(tr("The least share of the best experts' router mass that the chosen ones must have"));
  windows_name_->setText(tr("&Windows"));
  windows_->setToolTip(tr("Use at most this many windows of 2,048 tokens; every second one is measured on, not learned from"));
  start_->setText(tr("Choose a &text…"));
  use_->setText(tr("&Use the prices"));
  use_->setToolTip(tr("Choose experts by these prices from now on; a run that there is is done again"));
  close_->setText(tr("Close"));
  refresh();
}

}  // namespace fovea
