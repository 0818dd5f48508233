#include "ui/panels/load_dialog.hpp"

#include <QEvent>
#include <QFileInfo>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <limits>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kRestMs = 300;
constexpr int kWidth = 560, kControlHeight = 28;
constexpr int kLeastContext = 1, kContextStep = 1024;
constexpr std::array kTypes{KvType::f16, KvType::q8_0, KvType::tiered};

QString spelled(KvType type) { return QString::fromLatin1(name(type).data(), static_cast<qsizetype>(name(type).size())); }
}  // namespace

LoadDialog::LoadDialog(WorkbenchState& state, const Theme& theme, InspectModel asked, const QString& problem, QWidget* parent)
    : QDialog(parent), state_(state), theme_(theme), asked_(std::move(asked)), file_(new QLabel), problem_(new QLabel), facts_(new QLabel), context_name_(new QLabel),
      context_most_(new QLabel), kv_title_(new QLabel), total_title_(new QLabel), note_(new QLabel), context_(new QSpinBox), group_(new QButtonGroup(this)),
      open_(new QPushButton), cancel_(new QPushButton) {
  setMinimumWidth(kWidth);
  for (QLabel* label : {problem_, facts_, note_, file_}) {
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
  }
  problem_->setText(problem);
  problem_->setVisible(!problem.isEmpty());
  for (QLabel* label : {facts_, context_name_, context_most_, kv_title_, total_title_, note_}) label->setProperty("dim", true);
  file_->setProperty("heading", true);
  file_->setText(QFileInfo(QString::fromStdString(asked_.path)).fileName());
  file_->setToolTip(QString::fromStdString(asked_.path));
  context_->setRange(0, std::numeric_limits<int>::max());
  context_->setSingleStep(kContextStep);
  context_->setKeyboardTracking(false);
  context_->setButtonSymbols(QAbstractSpinBox::NoButtons);
  context_->setMinimumWidth(120);
  context_->setFixedHeight(kControlHeight);
  context_->setEnabled(false);
  context_name_->setBuddy(context_);
  auto* length = new QHBoxLayout;
  length->setSpacing(8);
  length->addWidget(context_name_);
  length->addWidget(context_);
  length->addWidget(context_most_);
  length->addStretch(1);
  auto* table = new QGridLayout;
  table->setHorizontalSpacing(16);
  table->setVerticalSpacing(6);
  table->setColumnStretch(3, 1);
  table->addWidget(kv_title_, 0, 1, Qt::AlignRight);
  table->addWidget(total_title_, 0, 2, Qt::AlignRight);
  for (std::size_t i = 0; i < kRows; ++i) {
    Row& row = rows_[i];
    row = {new QRadioButton, new QLabel, new QLabel, new QLabel};
    group_->addButton(row.choice, static_cast<int>(i));
    const int at = static_cast<int>(i) + 1;
    table->addWidget(row.choice, at, 0);
    table->addWidget(row.kv, at, 1, Qt::AlignRight);
    table->addWidget(row.total, at, 2, Qt::AlignRight);
    table->addWidget(row.fits, at, 3);
  }
  const auto known = std::ranges::find(kTypes, asked_.kv);
  rows_[known == kTypes.end() ? 0 : static_cast<std::size_t>(known - kTypes.begin()) + 1].choice->setChecked(true);
  auto* buttons = new QHBoxLayout;
  buttons->setSpacing(8);
  buttons->addStretch(1);
  buttons->addWidget(cancel_);
  buttons->addWidget(open_);
  open_->setDefault(true);
  open_->setProperty("primary", true);
  open_->setEnabled(false);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(20, 16, 20, 16);
  column->setSpacing(12);
  column->addWidget(file_);
  column->addWidget(problem_);
  column->addWidget(facts_);
  column->addLayout(length);
  column->addLayout(table);
  column->addWidget(note_);
  column->addLayout(buttons);

  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&rest_, &QTimer::timeout, this, &LoadDialog::inspect);
  connect(context_, &QSpinBox::valueChanged, this, [this](int positions) {
    asked_.context = static_cast<std::uint32_t>(positions);
    open_->setEnabled(false);
    rest_.start();
  });
  connect(group_, &QButtonGroup::idToggled, this, [this] { show_estimates(); });
  connect(cancel_, &QPushButton::clicked, this, &QDialog::reject);
  connect(open_, &QPushButton::clicked, this, [this] {
    Q_EMIT load_requested(QString::fromStdString(asked_.path), model_->context, chosen());
    accept();
  });
  connect(&state, &WorkbenchState::inspection_told, this, &LoadDialog::take);
  connect(&theme, &Theme::changed, this, &LoadDialog::show_estimates);
  retranslate();
}

std::optional<KvType> LoadDialog::chosen() const {
  const int at = group_->checkedId();
  return at > 0 ? std::optional(kTypes[static_cast<std::size_t>(at - 1)]) : std::nullopt;
}

void LoadDialog::inspect() {
  asked_.id = state_.next_measurement();
  waiting_ = true;
  InspectModel command = asked_;
  command.kv.reset();  // which type suits the device is told beside the estimates of all
  Q_EMIT this->command(command);
}

void LoadDialog::take(const Event& event) {
  if (const auto* told = std::get_if<ModelInspected>(&event); told != nullptr && told->id == asked_.id) {
    waiting_ = false;
    model_ = told->model;
    const QSignalBlocker blocked(context_);
    context_->setRange(kLeastContext, static_cast<int>(std::min<std::uint32_t>(std::max(model_->trained_context, model_->context), std::numeric_limits<int>::max())));
    context_->setValue(static_cast<int>(model_->context));
    if (!context_->isEnabled()) {
      context_->setEnabled(true);
      context_->setFocus();
    }
  } else if (const auto* failure = std::get_if<InspectFailed>(&event); failure != nullptr && failure->id == asked_.id) {
    waiting_ = false;
    model_.reset();
    problem_->setText(QString::fromStdString(failure->error.sentence()));
    problem_->show();
  } else {
    return;
  }
  retranslate();
}

void LoadDialog::show_estimates() {
  const ThemeColors& colors = theme_.colors();
  open_->setEnabled(model_ && !waiting_ && !rest_.isActive());
  for (std::size_t i = 0; i < kRows; ++i) {
    const Row& row = rows_[i];
    const KvType type = i > 0 ? kTypes[i - 1] : model_ ? model_->kv : KvType::f16;
    if (i == 0) row.choice->setText(model_ ? tr("&automatic: %1").arg(spelled(type)) : tr("&automatic"));
    row.choice->setEnabled(model_ != nullptr);
    for (QLabel* label : {row.kv, row.total, row.fits}) label->clear();
    if (!model_) continue;
    const auto told = std::ranges::find(model_->estimates, type, &std::pair<KvType, MemoryBytes>::first);
    if (told == model_->estimates.end()) continue;
    row.kv->setText(shown_bytes(static_cast<double>(told->second.kv)));
    row.total->setText(shown_bytes(static_cast<double>(told->second.total())));
    if (model_->device_room == 0) continue;
    const bool fits = told->second.total() <= model_->device_room;
    row.fits->setText(fits ? tr("fits") : tr("does not fit"));
    row.fits->setStyleSheet(QStringLiteral("color:%1").arg((fits ? colors.gain : colors.loss).name()));
  }
}

QString LoadDialog::row_text(std::size_t at) const {
  const Row& row = rows_[at];
  return QStringList{row.choice->text().remove('&'), row.kv->text(), row.total->text(), row.fits->text()}.join(QStringLiteral(" | "));
}

void LoadDialog::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QDialog::changeEvent(event);
}

void LoadDialog::retranslate() {
  setWindowTitle(tr("Open a model"));
  context_name_->setText(tr("&Context"));
  context_->setToolTip(tr("Tokens that a prompt and its answer may have together"));
  context_->setSuffix(tr(" tokens"));
  kv_title_->setText(tr("KV memory"));
  total_title_->setText(tr("In all"));
  rows_[1].choice->setText(tr("&f16"));
  rows_[2].choice->setText(tr("&q8_0"));
  rows_[3].choice->setText(tr("&tiered"));
  rows_[0].choice->setToolTip(tr("f16 where that fits into the device's memory, else q8_0"));
  rows_[1].choice->setToolTip(tr("Keys and values as 16-bit floats"));
  rows_[2].choice->setToolTip(tr("Keys and values as 8-bit integers, with a scale for every 32"));
  rows_[3].choice->setToolTip(tr("16-bit floats at the start and in the window, 4 to 8 bits behind it"));
  open_->setText(tr("&Open"));
  cancel_->setText(tr("Cancel"));
  const QString device = model_ && !model_->device.name.empty() ? QString::fromStdString(model_->device.name).section(QStringLiteral(" ("), 0, 0) : QString();
  context_most_->setText(model_ ? tr("at most %1, as it was trained").arg(shown_count(model_->trained_context)) : QString());
  facts_->setText(model_ ? tr("%1 parameters in %2, mostly %3; %4 layers")
                               .arg(shown_short(model_->parameters), shown_bytes(static_cast<double>(model_->file_bytes)), QString::fromStdString(model_->quantization))
                               .arg(model_->layers)
                         : waiting_ || asked_.id == 0 ? tr("Reading the file…") : QString());
  note_->setText(model_ && model_->device_room > 0
                     ? tr("Derived from the file's header for a run that fills the context; nothing else is read yet. %1 may be taken of the memory of %2.")
                           .arg(shown_bytes(static_cast<double>(model_->device_room)), device)
                     : tr("Derived from the file's header for a run that fills the context; nothing else is read yet."));
  show_estimates();
}

}  // namespace fovea
