#include "ui/panels/expert_policy_form.hpp"

#include <QEvent>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kNumber = 0, kCount = 1, kThreshold = 2, kMean = 3, kBalance = 4, kStrength = 5;
constexpr int kValueWidth = 72;
constexpr double kMassSteps = 100, kFactorSteps = 20, kMeanSteps = 10, kStrengthSteps = 100;
constexpr int kFrozen = 5;  // in the box of balances, behind those of ExpertBalance

int step_of(double value, double steps) { return static_cast<int>(std::lround(value * steps)); }
// Of a slider whose first place stands for none.
int optional_step(std::optional<double> value, double least, double steps) { return value ? 1 + step_of(*value - least, steps) : 0; }
std::optional<double> optional_value(int step, double least, double steps) {
  return step > 0 ? std::optional(least + (step - 1) / steps) : std::nullopt;
}
std::optional<double> wished_mean(const ExpertRule& rule) { return rule.target_k > 0 ? std::optional(rule.target_k) : std::nullopt; }
}  // namespace

ExpertPolicyForm::ExpertPolicyForm(QWidget* parent)
    : QWidget(parent),
      mode_(new QButtonGroup(this)),
      static_(new QToolButton),
      dynamic_(new QToolButton),
      grid_(new QWidget),
      title_(new QLabel),
      note_(new QLabel),
      number_(new QSlider(Qt::Horizontal)),
      threshold_(new QSlider(Qt::Horizontal)),
      mean_(new QSlider(Qt::Horizontal)),
      strength_(new QSlider(Qt::Horizontal)),
      count_(new QComboBox),
      balance_(new QComboBox),
      calibrate_(new QToolButton) {
  title_->setProperty("heading", true);
  note_->setProperty("dim", true);
  note_->setWordWrap(true);
  auto* head = new QHBoxLayout;
  head->addWidget(title_, 1);
  head->setSpacing(2);
  for (QToolButton* button : {static_, dynamic_}) {
    button->setCheckable(true);
    button->setFocusPolicy(Qt::StrongFocus);
    mode_->addButton(button);
    head->addWidget(button);
  }
  static_->setChecked(true);
  strength_->setRange(0, 1 + static_cast<int>(kStrengthSteps));
  count_->addItems({QString(), QString()});
  for (QComboBox* box : {count_, balance_}) {
    box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    box->setMinimumContentsLength(12);
  }
  fill_balance();
  auto* grid = new QGridLayout(grid_);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setHorizontalSpacing(12);
  grid->setVerticalSpacing(8);
  grid->setColumnStretch(1, 1);
  const std::array<QWidget*, kFields> fields{number_, count_, threshold_, mean_, balance_, strength_};
  for (std::size_t i = 0; i < kFields; ++i) {
    names_[i] = new QLabel;
    names_[i]->setProperty("dim", true);
    names_[i]->setBuddy(fields[i]);
    const bool slides = qobject_cast<QSlider*>(fields[i]) != nullptr;
    const int row = static_cast<int>(i);
    grid->addWidget(names_[i], row, 0);
    grid->addWidget(fields[i], row, 1, 1, slides ? 1 : 2);
    if (!slides) continue;
    values_[i] = new QLabel;
    values_[i]->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    values_[i]->setMinimumWidth(kValueWidth);
    grid->addWidget(values_[i], row, 2);
  }
  calibrate_->setFocusPolicy(Qt::StrongFocus);
  grid->addWidget(calibrate_, static_cast<int>(kFields), 1, 1, 2, Qt::AlignRight);
  connect(calibrate_, &QToolButton::clicked, this, &ExpertPolicyForm::calibration_requested);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(12);
  column->addLayout(head);
  column->addWidget(grid_);
  column->addWidget(note_);

  connect(mode_, &QButtonGroup::buttonToggled, this, [this](const QAbstractButton*, bool on) {
    if (on) by_hand();
  });
  for (QSlider* bar : {number_, threshold_, mean_, strength_}) connect(bar, &QSlider::valueChanged, this, &ExpertPolicyForm::by_hand);
  connect(balance_, &QComboBox::currentIndexChanged, this, &ExpertPolicyForm::by_hand);
  connect(count_, &QComboBox::currentIndexChanged, this, [this] {
    // p and c are different numbers: the slider goes to the one that it now is.
    const QSignalBlocker blocked(threshold_);
    threshold_->setValue(by_mass() ? step_of(base_.p, kMassSteps) : step_of(base_.c, kFactorSteps));
    by_hand();
  });
  show_rule(std::nullopt, std::nullopt);
  retranslate();
}

std::uint32_t ExpertPolicyForm::number_of(const ExpertRule& rule) const {
  if (!rule.layer_kmax.empty()) return std::ranges::max(rule.layer_kmax);
  return rule.kmax == 0 ? used_.value_or(0) : rule.kmax;
}

std::optional<ExpertRule> ExpertPolicyForm::rule() const {
  if (used_.value_or(0) == 0) return shown_;
  const auto number = static_cast<std::uint32_t>(number_->value());
  ExpertRule chosen = base_;
  // What lies between the sliders' steps stays until they are moved.
  if (number != number_of(base_)) {
    chosen.layer_kmax.clear();
    chosen.kmax = number == *used_ ? 0 : number;
  }
  if (static_->isChecked()) {
    ExpertRule fixed;
    fixed.count = ExpertCount::fixed;
    fixed.kmax = chosen.kmax;
    fixed.layer_kmax = chosen.layer_kmax;
    return fitted(fixed, *used_);
  }
  chosen.count = by_mass() ? ExpertCount::mass : ExpertCount::entropy;
  double& threshold = by_mass() ? chosen.p : chosen.c;
  const double steps = by_mass() ? kMassSteps : kFactorSteps;
  if (step_of(threshold, steps) != threshold_->value()) {
    threshold = threshold_->value() / steps;
    chosen.layer_p.clear();
  }
  chosen.kmin = std::min(chosen.kmin, number);
  if (optional_step(wished_mean(chosen), 1, kMeanSteps) != mean_->value()) {
    chosen.target_k = optional_value(mean_->value(), 1, kMeanSteps).value_or(0);
    chosen.layer_target_k.clear();
  }
  if (chosen.target_k > 0) chosen.target_k = std::clamp(chosen.target_k, static_cast<double>(chosen.kmin), static_cast<double>(number));
  if (optional_step(chosen.gamma, 0, kStrengthSteps) != strength_->value()) chosen.gamma = optional_value(strength_->value(), 0, kStrengthSteps);
  const int balance = balance_->currentIndex();
  chosen.balance = balance == kFrozen ? ExpertBalance::off : static_cast<ExpertBalance>(balance);
  if (balance == kFrozen) {
    chosen.reset = LoadReset::frozen;
  } else {
    if (chosen.reset == LoadReset::frozen) chosen.reset = LoadReset::session;
    chosen.bias.clear();
  }
  return fitted(chosen, *used_);
}

bool ExpertPolicyForm::sliding() const {
  return std::ranges::any_of(std::array{number_, threshold_, mean_, strength_}, [](const QSlider* bar) { return bar->isSliderDown(); });
}

void ExpertPolicyForm::show_rule(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used) {
  const QSignalBlocker blocked[] = {QSignalBlocker(mode_), QSignalBlocker(number_), QSignalBlocker(count_), QSignalBlocker(threshold_), QSignalBlocker(mean_),
                                    QSignalBlocker(balance_), QSignalBlocker(strength_)};
  used_ = experts_used;
  shown_ = rule;
  const std::optional<ExpertRule> fit = fitted(rule, experts_used.value_or(0));
  if (fit && fit->count != ExpertCount::fixed) {
    base_ = *fit;
  } else {
    base_.kmax = fit ? fit->kmax : 0;
    base_.layer_kmax = fit ? fit->layer_kmax : std::vector<std::uint32_t>{};
  }
  (fit && fit->count != ExpertCount::fixed ? dynamic_ : static_)->setChecked(true);
  const int most = static_cast<int>(std::max(1u, used_.value_or(1)));
  number_->setRange(1, most);
  number_->setPageStep(1);
  number_->setValue(static_cast<int>(number_of(base_)));
  count_->setCurrentIndex(base_.count == ExpertCount::entropy ? 1 : 0);
  threshold_->setRange(1, 100);
  threshold_->setValue(by_mass() ? step_of(base_.p, kMassSteps) : step_of(base_.c, kFactorSteps));
  mean_->setRange(0, 1 + step_of(most - 1, kMeanSteps));
  mean_->setValue(optional_step(wished_mean(base_), 1, kMeanSteps));
  fill_balance();
  balance_->setCurrentIndex(base_.reset == LoadReset::frozen ? kFrozen : static_cast<int>(base_.balance));
  strength_->setValue(optional_step(base_.gamma, 0, kStrengthSteps));
  show_values();
}

void ExpertPolicyForm::by_hand() {
  show_values();
  Q_EMIT changed();
}

// A bias comes from a file alone.
void ExpertPolicyForm::fill_balance() {
  const QStringList words{tr("off: as the router chooses"), tr("seed: score × (1 − load)"), tr("headroom: less of the busiest"),
                          tr("locality: more of the busiest"), tr("price: a charge for the busiest"),
                          tr("frozen bias of the policy file")};
  const int count = base_.bias.empty() ? kFrozen : kFrozen + 1;
  const int chosen = balance_->currentIndex();
  const QSignalBlocker blocked(balance_);
  balance_->clear();
  balance_->addItems(words.mid(0, count));
  balance_->setCurrentIndex(std::clamp(chosen, 0, count - 1));
}

void ExpertPolicyForm::show_values() {
  const bool mixture = used_.value_or(0) > 0, dynamic = dynamic_->isChecked();
  grid_->setVisible(mixture);
  for (QToolButton* button : {static_, dynamic_}) button->setEnabled(mixture);
  for (const int field : {kCount, kThreshold, kMean, kBalance, kStrength}) {
    const auto at = static_cast<std::size_t>(field);
    const auto balance = static_cast<ExpertBalance>(balance_->currentIndex());
    const bool has_strength = balance == ExpertBalance::headroom || balance == ExpertBalance::locality || balance == ExpertBalance::price;
    const bool on = dynamic && (field != kStrength || has_strength);
    names_[at]->buddy()->setEnabled(on);
    if (values_[at]) values_[at]->setEnabled(on);
  }
  names_[kNumber]->setText(dynamic ? tr("At &most") : tr("&Experts"));
  names_[kThreshold]->setText(by_mass() ? tr("Share &p") : tr("&Factor c"));
  const auto number = static_cast<std::uint32_t>(number_->value());
  const bool by_layer = !base_.layer_kmax.empty() && number == number_of(base_);
  values_[kNumber]->setText(by_layer ? tr("by layer") : tr("%1 of %2").arg(number).arg(used_.value_or(0)));
  values_[kThreshold]->setText(by_mass() ? QStringLiteral("%1 %").arg(threshold_->value()) : QString::number(threshold_->value() / kFactorSteps, 'f', 2));
  const auto mean = optional_value(mean_->value(), 1, kMeanSteps);
  values_[kMean]->setText(mean ? QString::number(std::min(*mean, static_cast<double>(number)), 'f', 1) : tr("free"));
  const auto strength = optional_value(strength_->value(), 0, kStrengthSteps);
  values_[kStrength]->setText(strength ? QString::number(*strength, 'f', 2) : tr("automatic"));
  note_->setVisible(!mixture);
  note_->setText(used_ ? tr("Not applicable: the model is dense.") : tr("What a model can take is known once it is open."));
}

void ExpertPolicyForm::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QWidget::changeEvent(event);
}

void ExpertPolicyForm::retranslate() {
  title_->setText(tr("Experts"));
  static_->setText(tr("S&tatic"));
  static_->setToolTip(tr("Every token takes the same number of experts"));
  dynamic_->setText(tr("D&ynamic"));
  dynamic_->setToolTip(tr("A token takes fewer experts where the router is sure"));
  const std::array<QString, kFields> reasons{
      tr("Experts that a token takes, or at most takes; the model was trained with the largest number"),
      tr("By what the number is found: the fewest experts whose weights reach the share p, or the weights' entropy: ceil(c exp H)"),
      tr("Less of it: fewer experts"),
      tr("The mean number that a controller holds in every layer, moving p or c after every 16 tokens"),
      tr("What the load of an expert, the share of the last tokens that called it, does to its score; the best expert always stays"),
      tr("How strongly; automatic: raised until the load is even, as long as enough of the router's mass is kept")};
  names_[kCount]->setText(tr("&Number by"));
  names_[kMean]->setText(tr("Mean &k"));
  names_[kBalance]->setText(tr("B&alance"));
  names_[kStrength]->setText(tr("Stren&gth"));
  for (std::size_t i = 0; i < kFields; ++i) {
    names_[i]->setToolTip(reasons[i]);
    names_[i]->buddy()->setToolTip(reasons[i]);
  }
  calibrate_->setText(tr("&Even the load over a text…"));
  calibrate_->setToolTip(tr("Find a frozen bias that evens the experts' load, and see what it costs"));
  const QSignalBlocker blocked(count_);
  count_->setItemText(0, tr("mass of the weights"));
  count_->setItemText(1, tr("entropy of the weights"));
  fill_balance();
  show_values();
}

}  // namespace fovea
