#include "ui/panels/attention_policy_form.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "ui/text/format.hpp"
#include "ui/text/policy_words.hpp"

namespace fovea {

namespace {
constexpr int kLargestStep = 8;  // window of 32 << 8 = 8192 positions
constexpr int kAutomatic = -1;

std::uint32_t window_of(int step) { return kAttentionPage << step; }
int step_of(std::uint32_t window) { return std::clamp(static_cast<int>(std::bit_width((window + kAttentionPage - 1) / kAttentionPage)) - 1, 0, kLargestStep); }

QSlider* slider(int most) {
  auto* made = new QSlider(Qt::Horizontal);
  made->setRange(0, most);
  made->setPageStep(std::max(1, most / 10));
  return made;
}

QSpinBox* count_box(int least, int step) {
  auto* made = new QSpinBox;
  made->setRange(least, std::numeric_limits<int>::max());
  made->setSingleStep(step);
  made->setKeyboardTracking(false);
  made->setButtonSymbols(QAbstractSpinBox::NoButtons);
  return made;
}

// Counts can be beyond what a box has room for.
int shown_in(const QSpinBox& box, std::uint32_t count) { return static_cast<int>(std::min(count, static_cast<std::uint32_t>(box.maximum()))); }
std::uint32_t taken_from(const QSpinBox& box, std::uint32_t shown) { return box.value() == shown_in(box, shown) ? shown : static_cast<std::uint32_t>(box.value()); }

// A share in percent.
NumberBox* share_box() {
  auto* made = new NumberBox(0, 1, 1, 100);
  made->setSuffix(QStringLiteral(" %"));
  return made;
}

QComboBox* choices(int count) {
  auto* made = new QComboBox;
  for (int i = 0; i < count; ++i) made->addItem(QString());
  made->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  made->setMinimumContentsLength(12);
  return made;
}

// What a choice serves: by default, or 2^(index - 1) tokens.
constexpr int kEveryChoices = 1 + std::bit_width(kAttentionPage);

// Counts by layer as the numbers of a list, and back.
std::vector<double> numbers_of(const std::vector<std::uint32_t>& counts) { return {counts.begin(), counts.end()}; }
std::vector<std::uint32_t> counts_of(const std::vector<double>& numbers) {
  std::vector<std::uint32_t> counts;
  for (const double number : numbers) counts.push_back(static_cast<std::uint32_t>(number));
  return counts;
}

double& share_of(SparseAttention& sparse) { return sparse.budget == PageBudget::adaptive ? sparse.most : sparse.global; }

// What the fields under More say, that a policy does not say by default.
int set_beyond(const SparseAttention& sparse) {
  const SparseAttention plain;
  const bool adaptive = sparse.budget == PageBudget::adaptive;
  const bool set[]{!sparse.by_depth && !sparse.layer_shares.empty(), sparse.sinks != plain.sinks, adaptive, adaptive && sparse.mass != plain.mass,
                   adaptive && sparse.least != plain.least, sparse.target.has_value(), !sparse.heads_by_entropy, sparse.widen > 0, sparse.widen > 0 && sparse.flat != plain.flat, !sparse.layer_rows.empty(), !sparse.layer_samples.empty(),
                   sparse.chooser != plain.chooser, sparse.chooser == PageChooser::ahead && sparse.every.has_value(), sparse.decode_dense_below.has_value(), sparse.periphery != plain.periphery};
  return static_cast<int>(std::ranges::count(set, true));
}
}  // namespace

AttentionPolicyForm::AttentionPolicyForm(QWidget* parent)
    : QWidget(parent), mode_(new QButtonGroup(this)), dense_(new QToolButton), sparse_(new QToolButton), title_(new QLabel), share_note_(new QLabel), fields_(new FieldGrid),
      more_fields_(new FieldGrid), more_(new Disclosure(more_fields_)), window_(slider(kLargestStep)), share_(slider(100)), scorer_(choices(3)), budget_(choices(2)),
      heads_(choices(2)), choice_(choices(2)), every_(choices(kEveryChoices)), periphery_(choices(2)), dense_layers_(count_box(kAutomatic, 1)), dense_below_(count_box(0, 128)), sinks_(count_box(0, 32)),
      decode_below_(count_box(kAutomatic, 1024)), mass_(share_box()), least_(share_box()), target_(share_box()), widen_(share_box()), flat_(new NumberBox(0, 1, 2)),
      layers_(new NumberList(0, 1)), rows_(new NumberList(1, kChoiceRows, NumberList::Numbers::powers_of_two)),
      samples_(new NumberList(1, kChoiceSamples, NumberList::Numbers::powers_of_two)) {
  title_->setProperty("heading", true);
  auto* head = new QHBoxLayout;
  head->addWidget(title_, 1);
  head->setSpacing(2);
  for (QToolButton* button : {dense_, sparse_}) {
    button->setCheckable(true);
    button->setFocusPolicy(Qt::StrongFocus);
    mode_->addButton(button);
    head->addWidget(button);
  }
  dense_->setChecked(true);
  flat_->setSingleStep(0.05);
  share_note_->setWordWrap(true);
  share_note_->setProperty("dim", true);
  for (QWidget* field : std::initializer_list<QWidget*>{window_, share_, share_note_, scorer_, dense_layers_, dense_below_})
    fields_->add(field, field == window_ || field == share_);
  for (QWidget* field : std::initializer_list<QWidget*>{layers_, sinks_, budget_, mass_, least_, target_, heads_, widen_, flat_, rows_, samples_, choice_, every_, decode_below_, periphery_})
    more_fields_->add(field);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(12);
  column->addLayout(head);
  column->addWidget(fields_);
  column->addWidget(more_);

  connect(mode_, &QButtonGroup::buttonToggled, this, [this](const QAbstractButton*, bool on) {
    if (on) by_hand();
  });
  for (QSlider* bar : {window_, share_}) connect(bar, &QSlider::valueChanged, this, &AttentionPolicyForm::by_hand);
  for (QComboBox* box : {scorer_, budget_, heads_, choice_, every_, periphery_}) connect(box, &QComboBox::currentIndexChanged, this, &AttentionPolicyForm::by_hand);
  for (QSpinBox* box : {dense_below_, sinks_, decode_below_}) connect(box, &QSpinBox::valueChanged, this, &AttentionPolicyForm::by_hand);
  for (NumberBox* box : {mass_, least_, target_, widen_, flat_}) connect(box, &QDoubleSpinBox::valueChanged, this, &AttentionPolicyForm::by_hand);
  connect(budget_, &QComboBox::currentIndexChanged, this, [this] {
    // Both budgets have a share of their own: the slider goes to the one that it now is.
    const QSignalBlocker blocked(share_);
    share_->setValue(static_cast<int>(std::lround(100 * (budget_->currentIndex() == 1 ? base_.most : base_.global))));
    show_values();
  });
  connect(dense_layers_, &QSpinBox::valueChanged, this, &AttentionPolicyForm::dense_layers_by_hand);
  connect(layers_, &NumberList::changed, this, &AttentionPolicyForm::layers_by_hand);
  for (NumberList* list : {rows_, samples_}) connect(list, &NumberList::changed, this, &AttentionPolicyForm::by_hand);
  show_policy(std::nullopt, 0);
  retranslate();
}

std::optional<SparseAttention> AttentionPolicyForm::policy() const {
  if (!sparse_->isChecked()) return std::nullopt;
  SparseAttention sparse = base_;
  if (step_of(sparse.window) != window_->value()) sparse.window = window_of(window_->value());
  sparse.budget = budget_->currentIndex() == 1 ? PageBudget::adaptive : PageBudget::strict;
  if (double& share = share_of(sparse); static_cast<int>(std::lround(share * 100)) != share_->value()) share = share_->value() / 100.0;
  sparse.scorer = static_cast<PageScorer>(scorer_->currentIndex());
  // Shares of layers and the number of dense ones are two ways to say it: the one that was set last stands.
  sparse.by_depth = dense_layers_->value() == kAutomatic;
  if (!sparse.by_depth) sparse.dense_layers = taken_from(*dense_layers_, base_.dense_layers);
  sparse.layer_shares = layers_->numbers();
  sparse.layer_rows = counts_of(rows_->numbers());
  sparse.layer_samples = counts_of(samples_->numbers());
  sparse.dense_below = taken_from(*dense_below_, base_.dense_below);
  sparse.sinks = taken_from(*sinks_, base_.sinks);
  sparse.mass = mass_->number();
  sparse.least = least_->number();
  sparse.heads_by_entropy = heads_->currentIndex() == 0;
  sparse.widen = widen_->number();
  sparse.flat = flat_->number();
  sparse.chooser = choice_->currentIndex() == 1 ? PageChooser::own : PageChooser::ahead;
  if (const int index = every_->currentIndex(); index >= 0) sparse.every = index == 0 ? std::nullopt : std::optional(1u << (index - 1));
  sparse.decode_dense_below = decode_below_->value() == kAutomatic ? std::nullopt : std::optional(taken_from(*decode_below_, base_.decode_dense_below.value_or(0)));
  sparse.target = sparse.budget == PageBudget::adaptive ? target_->number_or_none() : std::nullopt;
  sparse.periphery = periphery_->currentIndex() == 1 && sparse.scorer != PageScorer::quest ? PagePeriphery::means : PagePeriphery::off;
  // What a hand moved takes along what must lie above, below or between.
  sparse.least = std::min(sparse.least, sparse.most);
  if (sparse.target) {
    sparse.target = std::clamp(*sparse.target, sparse.least, sparse.most);
    if (sparse.mass <= 0 || sparse.mass >= 1) sparse.mass = SparseAttention{}.mass;
  }
  return sparse;
}

void AttentionPolicyForm::show_policy(const std::optional<SparseAttention>& attention, std::uint32_t layers) {
  const QSignalBlocker blocked[] = {QSignalBlocker(mode_), QSignalBlocker(window_), QSignalBlocker(share_), QSignalBlocker(scorer_), QSignalBlocker(dense_layers_),
                                    QSignalBlocker(dense_below_), QSignalBlocker(layers_), QSignalBlocker(rows_), QSignalBlocker(samples_), QSignalBlocker(sinks_), QSignalBlocker(budget_), QSignalBlocker(mass_),
                                    QSignalBlocker(least_), QSignalBlocker(target_), QSignalBlocker(heads_), QSignalBlocker(widen_), QSignalBlocker(flat_),
                                    QSignalBlocker(choice_), QSignalBlocker(every_), QSignalBlocker(decode_below_), QSignalBlocker(periphery_)};
  if (attention) base_ = *attention;
  model_layers_ = layers;
  (attention ? sparse_ : dense_)->setChecked(true);
  window_->setValue(step_of(base_.window));
  share_->setValue(static_cast<int>(std::lround(100 * share_of(base_))));
  scorer_->setCurrentIndex(static_cast<int>(base_.scorer));
  dense_layers_->setRange(kAutomatic, layers > 0 ? static_cast<int>(layers) : 1'000);
  dense_layers_->setValue(base_.by_depth ? kAutomatic : shown_in(*dense_layers_, base_.dense_layers));
  dense_below_->setValue(shown_in(*dense_below_, base_.dense_below));
  for (NumberList* list : {layers_, rows_, samples_}) list->set_counts(1, layers > 0 ? layers : 4096);
  layers_->set_numbers(base_.layer_shares);
  rows_->set_numbers(numbers_of(base_.layer_rows));
  samples_->set_numbers(numbers_of(base_.layer_samples));
  sinks_->setValue(shown_in(*sinks_, base_.sinks));
  budget_->setCurrentIndex(base_.budget == PageBudget::adaptive ? 1 : 0);
  mass_->set_number(base_.mass);
  least_->set_number(base_.least);
  target_->set_number(base_.target);
  heads_->setCurrentIndex(base_.heads_by_entropy ? 0 : 1);
  widen_->set_number(base_.widen);
  flat_->set_number(base_.flat);
  choice_->setCurrentIndex(base_.chooser == PageChooser::own ? 1 : 0);
  every_->setCurrentIndex(base_.every ? 1 + std::countr_zero(*base_.every) : 0);
  decode_below_->setValue(base_.decode_dense_below ? shown_in(*decode_below_, *base_.decode_dense_below) : kAutomatic);
  periphery_->setCurrentIndex(base_.periphery == PagePeriphery::means ? 1 : 0);
  show_values();
}

void AttentionPolicyForm::dense_layers_by_hand() {
  layers_->set_numbers({});
  by_hand();
}

void AttentionPolicyForm::layers_by_hand() {
  const QSignalBlocker blocked(dense_layers_);
  dense_layers_->setValue(layers_->numbers().empty() ? kAutomatic : 0);
  by_hand();
}

void AttentionPolicyForm::by_hand() {
  show_values();
  Q_EMIT changed();
}

void AttentionPolicyForm::show_values() {
  const bool sparse = sparse_->isChecked(), adaptive = budget_->currentIndex() == 1;
  for (const Row row : {kWindow, kScorer, kDenseLayers, kDenseBelow}) fields_->set_row_enabled(row, sparse);
  for (std::size_t row = kLayers; row <= kPeriphery; ++row) more_fields_->set_row_enabled(row, sparse);
  for (const MoreRow row : {kMass, kLeast, kTarget}) more_fields_->set_row_visible(row, adaptive);
  more_fields_->set_row_enabled(kFlat, sparse && widen_->value() > 0);
  more_fields_->set_row_enabled(kEvery, sparse && choice_->currentIndex() == 0);
  more_fields_->set_row_enabled(kPeriphery, sparse && scorer_->currentIndex() != static_cast<int>(PageScorer::quest));
  const std::uint32_t window = step_of(base_.window) == window_->value() ? base_.window : window_of(window_->value());
  fields_->set_value(kWindow, tr("%1 keys").arg(shown_count(window)));
  // What "auto" comes to is known once a model is open.
  SparseAttention now = policy().value_or(base_);
  more_->set_count(sparse ? set_beyond(now) : 0);
  if (model_layers_ > 0) now = fitted(now, model_layers_);
  show_share(now);
  const auto by_default = [&](NumberList* list, const std::vector<std::uint32_t>& numbers, std::uint32_t otherwise) {
    list->setPlaceholderText(tr("auto: %1").arg(numbers.empty() ? QString::number(otherwise) : written_numbers(numbers_of(numbers))));
  };
  by_default(rows_, now.layer_rows, kChoiceRows);
  by_default(samples_, now.layer_samples, kChoiceSamples);
  layers_->setPlaceholderText(now.layer_shares.empty() ? tr("all alike") : tr("auto: %1").arg(written_numbers(now.layer_shares)));
}

// The slider's share is that of the layers that have none of their own: those that have win, and where all do it is off.
void AttentionPolicyForm::show_share(const SparseAttention& now) {
  const bool sparse = sparse_->isChecked(), adaptive = budget_->currentIndex() == 1, automatic = dense_layers_->value() == kAutomatic;
  const std::size_t own = now.layer_shares.empty() ? now.dense_layers : now.layer_shares.size();
  const bool all = model_layers_ > 0 && own >= model_layers_ && !automatic;
  fields_->set_row_enabled(kShare, sparse && !all);
  fields_->set_value(kShare, all ? QStringLiteral("–") : (adaptive ? tr("up to %1 %") : QStringLiteral("%1 %")).arg(share_->value()));
  QString note;
  if (automatic && now.layer_shares.size() > 1 && now.layer_shares[1] > now.layer_shares[0])
    note = tr("Layer 1 reads %1, three times this up to three quarters, since dense layers are auto.").arg(shown_percent(now.layer_shares[1]));
  else if (!automatic && now.layer_shares.empty() && own > 0)
    note = all ? tr("Not used: all layers are dense layers.") : tr("Of the layers behind the first %1, which read everything.").arg(own);
  else if (!automatic && !now.layer_shares.empty())
    note = all ? tr("Not used: every layer has a share of its own (More: Shares by layer).")
               : tr("Of the layers behind the first %1, which read %2 (More: Shares by layer).").arg(own).arg(layer_words(now.layer_shares, 100, QStringLiteral(" %")));
  share_note_->setText(note);
  fields_->set_row_visible(kShareNote, sparse && !note.isEmpty());
}

void AttentionPolicyForm::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QWidget::changeEvent(event);
}

void AttentionPolicyForm::retranslate() {
  title_->setText(tr("Attention"));
  dense_->setText(tr("&Dense"));
  dense_->setToolTip(tr("Every query reads all keys before it"));
  sparse_->setText(tr("&Sparse"));
  sparse_->setToolTip(tr("A query reads the nearest keys, the first ones, and of the pages between them those that promise most"));
  fields_->set_words(kWindow, tr("&Window"), tr("Positions up to the query's own that are always read"));
  fields_->set_words(kShare, tr("S&hare of the rest"), tr("How much of the pages behind the window is read; of an adaptive budget the most"));
  fields_->set_words(kScorer, tr("S&corer"), tr("By what the attention on a page is estimated"));
  fields_->set_words(kDenseLayers, tr("Dense &layers"), tr("The first layers, which read everything; auto: none, but the second reads three times the share, up to three quarters"));
  fields_->set_words(kDenseBelow, tr("Dense &below"), tr("Queries that see fewer keys read everything"));
  more_fields_->set_words(kLayers, tr("Shares by layer"), tr("Shares of the first layers' own, from the first on, with / between them, as 0.5/1; 1 is everything, and no other layer is dense then"));
  more_fields_->set_words(kSinks, tr("First positions"), tr("The first positions of the text, which are always read"));
  more_fields_->set_words(kBudget, tr("Budget"), tr("Every choice gets the same share of the pages, or as few pages as hold the wished share of attention"));
  more_fields_->set_words(kMass, tr("Attention to hold"), tr("An adaptive choice ends where the pages read hold this share of the attention, as estimated"));
  more_fields_->set_words(kLeast, tr("At least"), tr("The share of the pages that an adaptive choice reads at any rate"));
  more_fields_->set_words(kTarget, tr("Mean share"), tr("A controller moves the attention to hold until each layer reads this share of its pages on average"));
  more_fields_->set_words(kHeads, tr("Heads"), tr("Heads whose attention is spread read more pages and sharp ones fewer, the sum being the same; or each its even part"));
  more_fields_->set_words(kWiden, tr("Widen to"), tr("A choice whose attention is nearly even may read this share of the pages where that is more"));
  more_fields_->set_words(kFlat, tr("… where above"), tr("What counts as nearly even: the attention's entropy over the logarithm of the keys, 1 being even"));
  more_fields_->set_words(kRows, tr("Prompt choice for"), tr("Queries of a prompt that share a choice, of the first layers, from the first on, with / between them, as 1/8/8: 16, 8, 4, 2 or 1; the others 16. Fewer choose better and cost a prompt more lists"));
  more_fields_->set_words(kSamples, tr("… by"), tr("By how many of these queries the choice is made, of the first layers as above: 4, 2 or 1; the others 4"));
  more_fields_->set_words(kChoice, tr("Decoding chooses"), tr("A decoded token's pages are chosen by the queries of the token before, for all layers at once; or by its own, layer by layer, which waits for every choice"));
  more_fields_->set_words(kEvery, tr("… for"), tr("The tokens behind one that chooses ahead read the same pages: fewer choices, older pages; auto: as many as make a choice pay on this device"));
  more_fields_->set_words(kDecodeBelow, tr("… dense below"), tr("Decoded tokens that see fewer keys read everything; auto: as few as make a choice pay on this device"));
  more_fields_->set_words(kPeriphery, tr("Periphery"), tr("Where attention is flat, pages that are not read take part with their mean values; not with the scorer quest"));
  for (QSpinBox* box : {dense_below_, sinks_, decode_below_}) box->setSuffix(tr(" keys"));
  for (QSpinBox* box : {dense_layers_, decode_below_}) box->setSpecialValueText(tr("auto"));
  target_->setSpecialValueText(tr("free"));
  widen_->setSpecialValueText(tr("off"));
  const QSignalBlocker blocked[] = {QSignalBlocker(scorer_), QSignalBlocker(budget_), QSignalBlocker(heads_), QSignalBlocker(choice_), QSignalBlocker(every_), QSignalBlocker(periphery_)};
  const auto say = [](QComboBox* box, const QStringList& words) {
    for (int i = 0; i < words.size(); ++i) box->setItemText(i, words[i]);
  };
  say(scorer_, {tr("auto: the means of its halves"), tr("quest: their upper bound"), tr("mean: their mean")});
  say(budget_, {tr("strict: the same share"), tr("adaptive: as few as hold it")});
  say(heads_, {tr("by entropy"), tr("even")});
  say(choice_, {tr("ahead: by the token before"), tr("own: by the token itself")});
  QStringList served{tr("auto"), tr("one token")};
  while (served.size() < kEveryChoices) served << tr("%1 tokens").arg(1u << (served.size() - 1));
  say(every_, served);
  say(periphery_, {tr("off: nothing of the rest"), tr("means: the rest's mean values")});
  show_values();
}

}  // namespace fovea
