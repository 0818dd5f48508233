#include "ui/panels/expert_policy_form.hpp"

#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <array>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr double kMassSteps = 100, kFactorSteps = 20, kMeanSteps = 10, kStrengthSteps = 100;
constexpr int kFrozen = 5;  // in the box of balances, behind those of ExpertBalance
constexpr double kMostTokens = 1e9;

int step_of(double value, double steps) { return static_cast<int>(std::lround(value * steps)); }
// Whether a slider still stands where it was put for such a step, as far as it reaches.
bool stands_at(const QSlider& slider, int step) { return slider.value() == std::clamp(step, slider.minimum(), slider.maximum()); }
// Of a slider whose first place stands for none.
int optional_step(std::optional<double> value, double least, double steps) { return value ? 1 + step_of(*value - least, steps) : 0; }
std::optional<double> optional_value(int step, double least, double steps) {
  return step > 0 ? std::optional(least + (step - 1) / steps) : std::nullopt;
}
std::optional<double> wished_mean(const ExpertRule& rule) { return rule.target_k > 0 ? std::optional(rule.target_k) : std::nullopt; }
bool has_strength(ExpertBalance balance) { return balance == ExpertBalance::headroom || balance == ExpertBalance::locality || balance == ExpertBalance::price; }
// The least share of the score of the last expert that a substitute must have where nobody says another.
double default_tau(ExpertBalance balance) { return balance == ExpertBalance::price ? 0 : ExpertRule{}.tau; }
std::vector<double> as_numbers(const std::vector<std::uint32_t>& counts) { return {counts.begin(), counts.end()}; }
std::vector<std::uint32_t> as_counts(const std::vector<double>& numbers) {
  std::vector<std::uint32_t> counts;
  for (const double number : numbers) counts.push_back(static_cast<std::uint32_t>(number));
  return counts;
}
}  // namespace

ExpertPolicyForm::ExpertPolicyForm(QWidget* parent)
    : QWidget(parent), mode_(new QButtonGroup(this)), static_(new QToolButton), dynamic_(new QToolButton), body_(new QWidget), fields_(new FieldGrid),
      more_fields_(new FieldGrid), more_(new Disclosure(more_fields_)), title_(new QLabel), note_(new QLabel), kept_(new QLabel), number_(new QSlider(Qt::Horizontal)),
      threshold_(new QSlider(Qt::Horizontal)), mean_(new QSlider(Qt::Horizontal)), strength_(new QSlider(Qt::Horizontal)), count_(new QComboBox), balance_(new QComboBox),
      lasts_(new QComboBox), fewest_(new QSpinBox), numbers_(new NumberList(1, 1, NumberList::Numbers::whole)), shares_(new NumberList(0, 1)), means_(new NumberList(1, 1)),
      even_(new NumberBox(0, 100, 2)), retained_(new NumberBox(0, 1, 1, 100)), substitute_(new NumberBox(0, 1, 1, 100)), half_life_(new NumberBox(1, kMostTokens, 0)),
      calibrate_(new QToolButton) {
  title_->setProperty("heading", true);
  for (QLabel* label : {note_, kept_}) {
    label->setProperty("dim", true);
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
  }
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
  lasts_->addItems({QString(), QString()});
  for (QComboBox* box : {count_, balance_, lasts_}) {
    box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    box->setMinimumContentsLength(12);
  }
  fewest_->setKeyboardTracking(false);
  fewest_->setButtonSymbols(QAbstractSpinBox::NoButtons);
  for (NumberBox* box : {retained_, substitute_}) box->setSuffix(QStringLiteral(" %"));
  even_->setSingleStep(0.01);
  half_life_->setSingleStep(256);
  fill_balance();
  for (QWidget* field : std::initializer_list<QWidget*>{number_, count_, threshold_, mean_, balance_, strength_}) fields_->add(field, qobject_cast<QSlider*>(field) != nullptr);
  for (QWidget* field : std::initializer_list<QWidget*>{fewest_, numbers_, shares_, means_, even_, retained_, substitute_, half_life_, lasts_}) more_fields_->add(field);
  calibrate_->setFocusPolicy(Qt::StrongFocus);
  auto* body = new QVBoxLayout(body_);
  body->setContentsMargins(0, 0, 0, 0);
  body->setSpacing(12);
  body->addWidget(fields_);
  body->addWidget(more_);
  body->addWidget(kept_);
  body->addWidget(calibrate_, 0, Qt::AlignRight);
  connect(calibrate_, &QToolButton::clicked, this, &ExpertPolicyForm::calibration_requested);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(12);
  column->addLayout(head);
  column->addWidget(body_);
  column->addWidget(note_);

  connect(mode_, &QButtonGroup::buttonToggled, this, [this](const QAbstractButton*, bool on) {
    if (on) by_hand();
  });
  // One number for all layers in place of one for each.
  const auto slide = [this](QSlider* bar, NumberList* list) {
    connect(bar, &QSlider::valueChanged, this, [this, list] {
      if (list) list->set_numbers({});
      by_hand();
    });
  };
  slide(number_, numbers_);
  slide(threshold_, shares_);
  slide(mean_, means_);
  slide(strength_, nullptr);
  for (NumberList* list : {numbers_, shares_, means_}) connect(list, &NumberList::changed, this, &ExpertPolicyForm::by_hand);
  connect(fewest_, &QSpinBox::valueChanged, this, &ExpertPolicyForm::by_hand);
  for (NumberBox* box : {even_, retained_, substitute_, half_life_}) connect(box, &QDoubleSpinBox::valueChanged, this, &ExpertPolicyForm::by_hand);
  connect(balance_, &QComboBox::currentIndexChanged, this, &ExpertPolicyForm::balance_by_hand);
  connect(lasts_, &QComboBox::currentIndexChanged, this, &ExpertPolicyForm::by_hand);
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
  ExpertRule chosen = base_;
  // What lies between the sliders' steps stays until they are moved.
  const auto number = static_cast<std::uint32_t>(number_->value());
  chosen.layer_kmax = as_counts(numbers_->numbers());
  if (chosen.layer_kmax.empty() && (number != number_of(base_) || !base_.layer_kmax.empty())) chosen.kmax = number == *used_ ? 0 : number;
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
  if (!stands_at(*threshold_, step_of(threshold, steps))) threshold = threshold_->value() / steps;
  chosen.layer_p = by_mass() ? shares_->numbers() : std::vector<double>{};
  if (!stands_at(*mean_, optional_step(wished_mean(chosen), 1, kMeanSteps))) chosen.target_k = optional_value(mean_->value(), 1, kMeanSteps).value_or(0);
  chosen.layer_target_k = means_->numbers();
  chosen.kmin = static_cast<std::uint32_t>(fewest_->value());
  // What a hand moved takes along what must not lie beyond it.
  if (chosen.kmin != base_.kmin || chosen.kmax != base_.kmax || chosen.target_k != base_.target_k || chosen.layer_target_k != base_.layer_target_k) {
    const std::uint32_t most = number_of(chosen);
    chosen.kmin = std::min(chosen.kmin, most);
    const auto within = [&](double target) { return std::clamp(target, static_cast<double>(chosen.kmin), static_cast<double>(most)); };
    if (chosen.target_k > 0) chosen.target_k = within(chosen.target_k);
    for (double& target : chosen.layer_target_k) target = within(target);
  }
  if (!stands_at(*strength_, optional_step(chosen.gamma, 0, kStrengthSteps))) chosen.gamma = optional_value(strength_->value(), 0, kStrengthSteps);
  chosen.cv = even_->number();
  chosen.retained = retained_->number();
  chosen.tau = substitute_->number();
  chosen.half_life = half_life_->number();
  const int balance = balance_->currentIndex();
  chosen.balance = balance == kFrozen ? ExpertBalance::off : static_cast<ExpertBalance>(balance);
  if (balance == kFrozen) {
    chosen.reset = LoadReset::frozen;
  } else {
    chosen.reset = lasts_->currentIndex() == 1 ? LoadReset::never : LoadReset::session;
    chosen.bias.clear();
    chosen.priced = false;
  }
  return fitted(chosen, *used_);
}

bool ExpertPolicyForm::sliding() const {
  return std::ranges::any_of(std::array{number_, threshold_, mean_, strength_}, [](const QSlider* bar) { return bar->isSliderDown(); });
}

void ExpertPolicyForm::show_rule(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used, std::uint32_t layers) {
  const QSignalBlocker blocked[] = {QSignalBlocker(mode_), QSignalBlocker(number_), QSignalBlocker(count_), QSignalBlocker(threshold_), QSignalBlocker(mean_),
                                    QSignalBlocker(balance_), QSignalBlocker(strength_), QSignalBlocker(fewest_), QSignalBlocker(even_), QSignalBlocker(retained_),
                                    QSignalBlocker(substitute_), QSignalBlocker(half_life_), QSignalBlocker(lasts_)};
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
  for (NumberList* list : {numbers_, shares_, means_}) list->set_counts(layers > 0 ? layers : 1, layers > 0 ? layers : 4096);
  for (NumberList* list : {numbers_, means_}) list->set_most(most);
  numbers_->set_numbers(as_numbers(base_.layer_kmax));
  shares_->set_numbers(base_.layer_p);
  means_->set_numbers(base_.layer_target_k);
  fewest_->setRange(1, most);
  fewest_->setValue(static_cast<int>(base_.kmin));
  even_->set_number(base_.cv);
  retained_->set_number(base_.retained);
  substitute_->set_number(base_.tau);
  half_life_->set_number(base_.half_life);
  lasts_->setCurrentIndex(base_.reset == LoadReset::never ? 1 : 0);
  fill_balance();
  balance_->setCurrentIndex(base_.reset == LoadReset::frozen ? kFrozen : static_cast<int>(base_.balance));
  strength_->setValue(optional_step(base_.gamma, 0, kStrengthSteps));
  show_values();
}

void ExpertPolicyForm::set_router_left_out(bool left_out) {
  router_left_out_ = left_out;
  show_kept();
}

void ExpertPolicyForm::by_hand() {
  show_values();
  Q_EMIT changed();
}

// How good a substitute must be has another default where load is a price.
void ExpertPolicyForm::balance_by_hand() {
  const QSignalBlocker blocked(substitute_);
  if (const int balance = balance_->currentIndex(); balance != kFrozen) substitute_->set_number(default_tau(static_cast<ExpertBalance>(balance)));
  by_hand();
}

// A bias comes from a file alone.
void ExpertPolicyForm::fill_balance() {
  const QStringList words{tr("off: as the router chooses"), tr("seed: score × (1 − load)"), tr("headroom: less of the busiest"),
                          tr("locality: more of the busiest"), tr("price: a charge for the busiest"),
                          base_.priced ? tr("frozen prices of a file") : tr("frozen bias of a file")};
  const int count = base_.bias.empty() ? kFrozen : kFrozen + 1;
  const int chosen = balance_->currentIndex();
  const QSignalBlocker blocked(balance_);
  balance_->clear();
  balance_->addItems(words.mid(0, count));
  balance_->setCurrentIndex(std::clamp(chosen, 0, count - 1));
}

// Of the fields under More, those that say something else than they do by default.
int ExpertPolicyForm::set_beyond() const {
  const ExpertRule plain, rule = this->rule().value_or(plain);
  if (static_->isChecked()) return rule.layer_kmax.empty() ? 0 : 1;
  const bool moves = rule.balance != ExpertBalance::off, controlled = has_strength(rule.balance) && !rule.gamma;
  const bool set[]{rule.kmin != plain.kmin, !rule.layer_kmax.empty(), !rule.layer_p.empty(), !rule.layer_target_k.empty(), controlled && rule.cv != plain.cv,
                   controlled && rule.retained != plain.retained, moves && rule.tau != default_tau(rule.balance), moves && rule.half_life != plain.half_life,
                   rule.reset == LoadReset::never};
  return static_cast<int>(std::ranges::count(set, true));
}

void ExpertPolicyForm::show_values() {
  const bool mixture = used_.value_or(0) > 0, dynamic = dynamic_->isChecked();
  body_->setVisible(mixture);
  for (QToolButton* button : {static_, dynamic_}) button->setEnabled(mixture);
  const int balance = balance_->currentIndex();
  const bool moves = balance > 0 && balance < kFrozen, strong = moves && has_strength(static_cast<ExpertBalance>(balance));
  const auto strength = optional_value(strength_->value(), 0, kStrengthSteps);
  for (const Row row : {kCount, kBalance}) fields_->set_row_enabled(row, dynamic);
  // Where layers have numbers of their own these win, and a slider would move nothing.
  fields_->set_row_enabled(kNumber, numbers_->numbers().empty());
  fields_->set_row_enabled(kThreshold, dynamic && !(by_mass() && !shares_->numbers().empty()));
  fields_->set_row_enabled(kMean, dynamic && means_->numbers().empty());
  fields_->set_row_enabled(kStrength, dynamic && strong);
  for (const MoreRow row : {kFewest, kMeans}) more_fields_->set_row_enabled(row, dynamic);
  more_fields_->set_row_enabled(kShares, dynamic && by_mass());
  for (const MoreRow row : {kEven, kRetained}) more_fields_->set_row_enabled(row, dynamic && strong && !strength);
  for (const MoreRow row : {kHalfLife, kLasts}) more_fields_->set_row_enabled(row, dynamic && moves);
  more_fields_->set_row_enabled(kSubstitute, dynamic && balance > 0);
  fields_->set_words(kNumber, dynamic ? tr("At &most") : tr("&Experts"),
                     tr("Experts that a token takes, or at most takes; the model was trained with the largest number"));
  fields_->set_words(kThreshold, by_mass() ? tr("Share &p") : tr("&Factor c"), tr("Less of it: fewer experts"));
  const auto number = static_cast<std::uint32_t>(number_->value());
  fields_->set_value(kNumber, !numbers_->numbers().empty() ? tr("by layer") : tr("%1 of %2").arg(number).arg(used_.value_or(0)));
  fields_->set_value(kThreshold, !by_mass()                    ? QString::number(threshold_->value() / kFactorSteps, 'f', 2)
                                 : !shares_->numbers().empty() ? tr("by layer")
                                                               : QStringLiteral("%1 %").arg(threshold_->value()));
  const auto mean = optional_value(mean_->value(), 1, kMeanSteps);
  fields_->set_value(kMean, !means_->numbers().empty() ? tr("by layer") : mean ? QString::number(std::min(*mean, static_cast<double>(number)), 'f', 1) : tr("free"));
  fields_->set_value(kStrength, strength ? QString::number(*strength, 'f', 2) : tr("automatic"));
  more_->set_count(mixture ? set_beyond() : 0);
  show_kept();
  note_->setVisible(!mixture);
  note_->setText(used_ ? tr("Not applicable: the model is dense.") : tr("What a model can take is known once it is open."));
}

// What only a policy file can say, and stays.
void ExpertPolicyForm::show_kept() {
  QStringList kept;
  const bool dynamic = dynamic_->isChecked();
  if (dynamic && base_.prior)
    kept << tr("Semantic router %1, weight %2").arg(base_.prior->file.empty() ? tr("beside the model") : QFileInfo(QString::fromStdString(base_.prior->file)).fileName(), QString::number(base_.prior->weight));
  if (dynamic && base_.escort) {
    const ExpertEscort& escort = *base_.escort;
    const QString who = escort.file.empty() ? tr("a copy of expert %1").arg(escort.copy_of) : QFileInfo(QString::fromStdString(escort.file)).fileName();
    kept << (escort.mode == EscortMode::shadow ? tr("Escort of %1, as a shadow: %2 of the calls until it has had %3") : tr("Escort of %1, with a small weight: %2 of the calls until it has had %3"))
                .arg(who, shown_percent(escort.share), shown_count(escort.calls));
  }
  QStringList sentences;
  if (!kept.isEmpty()) sentences << tr("From the policy file, and it stays: %1.").arg(kept.join(QStringLiteral("; ")));
  if (dynamic && router_left_out_) sentences << tr("The semantic router of the policy is left out: it was trained for a model of another shape.");
  kept_->setVisible(!sentences.isEmpty());
  kept_->setText(sentences.join('\n'));
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
  fields_->set_words(kCount, tr("&Number by"), tr("By what the number is found: the fewest experts whose weights reach the share p, or the weights' entropy: ceil(c exp H)"));
  fields_->set_words(kMean, tr("Mean &k"), tr("The mean number that a controller holds in every layer, moving p or c after every 16 tokens, further into a sequence after up to 128"));
  fields_->set_words(kBalance, tr("B&alance"), tr("What the load of an expert, the share of the last tokens that called it, does to its score; the best expert always stays"));
  fields_->set_words(kStrength, tr("Stren&gth"), tr("How strongly; automatic: raised until the load is even, as long as enough of the router's mass is kept"));
  more_fields_->set_words(kFewest, tr("At least"), tr("The fewest experts that a token takes, however sure the router is"));
  more_fields_->set_words(kNumbers, tr("Number by layer"), tr("The number of experts, or the most, in each layer, with / between them, as 2/2/2/3/3/3"));
  more_fields_->set_words(kShares, tr("Share p by layer"), tr("The share of the weights to reach in each layer, with / between them, as 0.6/0.6/0.8"));
  more_fields_->set_words(kMeans, tr("Mean k by layer"), tr("The mean number that is held in each layer, with / between them, as 2/2/2.4"));
  more_fields_->set_words(kEven, tr("Even enough"), tr("The coefficient of variation of the load at which automatic strength is raised no further"));
  more_fields_->set_words(kRetained, tr("Mass to keep"), tr("Automatic strength gives way where less of the router's mass is kept than this"));
  more_fields_->set_words(kSubstitute, tr("Substitute's score"), tr("A substitute has at least this share of the score of the last expert that it could replace"));
  more_fields_->set_words(kHalfLife, tr("Half-life of load"), tr("After so many tokens a call counts half in the load"));
  more_fields_->set_words(kLasts, tr("Load lasts"), tr("A run begins with an even load, so the same prompt gives the same tokens; or load goes on from run to run"));
  for (NumberList* list : {numbers_, shares_, means_}) list->setPlaceholderText(tr("all alike"));
  half_life_->setSuffix(tr(" tokens"));
  calibrate_->setText(tr("&Even the load over a text…"));
  calibrate_->setToolTip(tr("Find frozen prices that even the experts' load, and see what they cost"));
  const QSignalBlocker blocked[] = {QSignalBlocker(count_), QSignalBlocker(lasts_)};
  count_->setItemText(0, tr("mass of the weights"));
  count_->setItemText(1, tr("entropy of the weights"));
  lasts_->setItemText(0, tr("for a run"));
  lasts_->setItemText(1, tr("from run to run"));
  fill_balance();
  show_values();
}

}  // namespace fovea
