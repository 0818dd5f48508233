#include "ui/panels/policy_panel.hpp"

#include <QEvent>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QScreen>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <bit>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kRestMs = 400;
constexpr int kWidth = 368;
constexpr int kLargestStep = 8;  // window of 32 << 8 = 8192 positions

std::uint32_t window_of(int step) { return kAttentionPage << step; }
int step_of(std::uint32_t window) { return std::clamp(static_cast<int>(std::bit_width((window + kAttentionPage - 1) / kAttentionPage)) - 1, 0, kLargestStep); }

QSlider* slider(int most) {
  auto* made = new QSlider(Qt::Horizontal);
  made->setRange(0, most);
  made->setPageStep(std::max(1, most / 10));
  return made;
}
}  // namespace

PolicyPanel::PolicyPanel(const Theme& theme, QWidget* parent)
    : QFrame(parent, Qt::Popup),
      theme_(theme),
      mode_(new QButtonGroup(this)),
      dense_(new QToolButton),
      sparse_(new QToolButton),
      title_(new QLabel),
      window_value_(new QLabel),
      share_value_(new QLabel),
      sentence_(new QLabel),
      window_(slider(kLargestStep)),
      share_(slider(100)),
      scorer_(new QComboBox),
      dense_layers_(new QSpinBox),
      dense_below_(new QSpinBox),
      experts_(new ExpertPolicyForm) {
  setObjectName(QStringLiteral("policy_panel"));
  setFixedWidth(kWidth);
  title_->setProperty("heading", true);
  sentence_->setProperty("dim", true);
  sentence_->setWordWrap(true);
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
  scorer_->addItems({QString(), QString(), QString()});
  dense_below_->setRange(0, 1'000'000);
  dense_below_->setSingleStep(128);
  for (QSpinBox* box : {dense_layers_, dense_below_}) {
    box->setKeyboardTracking(false);
    box->setButtonSymbols(QAbstractSpinBox::NoButtons);
  }
  auto* grid = new QGridLayout;
  grid->setHorizontalSpacing(12);
  grid->setVerticalSpacing(8);
  const std::array<QWidget*, 5> fields{window_, share_, scorer_, dense_layers_, dense_below_};
  const std::array<QLabel*, 5> values{window_value_, share_value_, nullptr, nullptr, nullptr};
  for (int i = 0; i < 5; ++i) {
    const auto at = static_cast<std::size_t>(i);
    names_[at] = new QLabel;
    names_[at]->setProperty("dim", true);
    names_[at]->setBuddy(fields[at]);
    grid->addWidget(names_[at], i, 0);
    grid->addWidget(fields[at], i, 1, 1, values[at] ? 1 : 2);
    if (values[at]) {
      values[at]->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
      values[at]->setMinimumWidth(72);
      grid->addWidget(values[at], i, 2);
    }
  }
  grid->setColumnStretch(1, 1);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(16, 12, 16, 12);
  column->setSpacing(12);
  column->addLayout(head);
  column->addLayout(grid);
  auto* rule = new QFrame;
  rule->setObjectName(QStringLiteral("separator"));
  rule->setFixedHeight(1);
  column->addWidget(rule);
  column->addWidget(experts_);
  column->addWidget(sentence_);

  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&rest_, &QTimer::timeout, this, [this] {
    if (window_->isSliderDown() || share_->isSliderDown() || experts_->sliding()) return rest_.start();
    const auto chosen = attention();
    const auto experts = experts_->rule();
    if (chosen == told_ && experts == told_experts_) return;
    told_ = chosen;
    told_experts_ = experts;
    Q_EMIT policy_chosen(chosen, experts);
  });
  connect(mode_, &QButtonGroup::buttonToggled, this, &PolicyPanel::changed);
  for (QSlider* bar : {window_, share_}) connect(bar, &QSlider::valueChanged, this, &PolicyPanel::changed);
  connect(scorer_, &QComboBox::currentIndexChanged, this, &PolicyPanel::changed);
  for (QSpinBox* box : {dense_layers_, dense_below_}) connect(box, &QSpinBox::valueChanged, this, &PolicyPanel::changed);
  connect(experts_, &ExpertPolicyForm::changed, this, &PolicyPanel::changed);
  connect(experts_, &ExpertPolicyForm::calibration_requested, this, [this] {
    close();
    Q_EMIT calibration_requested();
  });
  show_attention(std::nullopt, 0);
  retranslate();
}

std::optional<SparseAttention> PolicyPanel::attention() const {
  if (!sparse_->isChecked()) return std::nullopt;
  SparseAttention sparse = base_;
  // What a policy file says between the slider's steps stays until the slider is moved.
  if (step_of(sparse.window) != window_->value()) sparse.window = window_of(window_->value());
  double& share = sparse.budget == PageBudget::adaptive ? sparse.most : sparse.global;
  if (static_cast<int>(std::lround(share * 100)) != share_->value()) share = share_->value() / 100.0;
  sparse.least = std::min(sparse.least, sparse.most);
  sparse.scorer = static_cast<PageScorer>(scorer_->currentIndex());
  if (const auto layers = static_cast<std::uint32_t>(dense_layers_->value()); layers != sparse.dense_layers) {
    sparse.dense_layers = layers;
    sparse.layer_shares.clear();
    sparse.by_depth = false;
  }
  sparse.dense_below = static_cast<std::uint32_t>(dense_below_->value());
  return sparse;
}

void PolicyPanel::show_attention(const std::optional<SparseAttention>& attention, std::uint32_t layers) {
  const QSignalBlocker blocked[] = {QSignalBlocker(mode_), QSignalBlocker(window_), QSignalBlocker(share_), QSignalBlocker(scorer_), QSignalBlocker(dense_layers_),
                                    QSignalBlocker(dense_below_)};
  if (rest_.isActive()) return;  // a hand is at it
  if (attention) base_ = *attention;
  (attention ? sparse_ : dense_)->setChecked(true);
  window_->setValue(step_of(base_.window));
  share_->setValue(static_cast<int>(std::lround(100 * (base_.budget == PageBudget::adaptive ? base_.most : base_.global))));
  scorer_->setCurrentIndex(static_cast<int>(base_.scorer));
  dense_layers_->setRange(0, layers > 0 ? static_cast<int>(layers) : 1'000);
  dense_layers_->setValue(static_cast<int>(base_.dense_layers));
  dense_below_->setValue(static_cast<int>(base_.dense_below));
  told_ = this->attention();
  show_values();
}

void PolicyPanel::show_experts(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used) {
  if (rest_.isActive()) return;
  experts_->show_rule(rule, experts_used);
  told_experts_ = experts_->rule();
}

void PolicyPanel::changed() {
  show_values();
  rest_.start();
}

void PolicyPanel::show_values() {
  const bool sparse = sparse_->isChecked();
  for (QWidget* field : std::initializer_list<QWidget*>{window_, share_, scorer_, dense_layers_, dense_below_, window_value_, share_value_}) field->setEnabled(sparse);
  const SparseAttention& b = base_;
  const std::uint32_t window = step_of(b.window) == window_->value() ? b.window : window_of(window_->value());
  window_value_->setText(tr("%1 keys").arg(shown_count(window)));
  share_value_->setText(QStringLiteral("%1 %").arg(share_->value()));
}

// adjustSize() stops at two thirds of the screen, which on a small one cuts fields.
void PolicyPanel::fit_height() {
  layout()->activate();
  resize(kWidth, layout()->totalHeightForWidth(kWidth));
}

void PolicyPanel::open_below(const QWidget& anchor) {
  fit_height();
  const QRect room = anchor.screen()->availableGeometry();
  const QPoint under = anchor.mapToGlobal(QPoint(0, anchor.height() + 4));
  move(std::clamp(under.x(), room.left() + 8, std::max(room.left() + 8, room.right() - width() - 8)), std::min(under.y(), room.bottom() - height() - 8));
  show();
  (sparse_->isChecked() ? static_cast<QWidget*>(window_) : dense_)->setFocus(Qt::PopupFocusReason);
}

void PolicyPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void PolicyPanel::retranslate() {
  const QSignalBlocker blocked(scorer_);
  title_->setText(tr("Attention"));
  dense_->setText(tr("&Dense"));
  dense_->setToolTip(tr("Every query reads all keys before it"));
  sparse_->setText(tr("&Sparse"));
  sparse_->setToolTip(tr("A query reads the nearest keys, the first ones, and of the pages between them those that promise most"));
  const std::array<QString, 5> names{tr("&Window"), tr("S&hare of the rest"), tr("S&corer"), tr("Dense &layers"), tr("Dense &below")};
  const std::array<QString, 5> reasons{tr("Positions up to the query's own that are always read"), tr("How much of the pages behind the window is read"),
                                       tr("By what the attention on a page is estimated"), tr("The first layers, which read everything"),
                                       tr("Queries that see fewer keys read everything")};
  const std::array<QWidget*, 5> fields{window_, share_, scorer_, dense_layers_, dense_below_};
  for (std::size_t i = 0; i < names_.size(); ++i) {
    names_[i]->setText(names[i]);
    names_[i]->setToolTip(reasons[i]);
    fields[i]->setToolTip(reasons[i]);
  }
  dense_below_->setSuffix(tr(" keys"));
  scorer_->setItemText(0, tr("auto: the means of its halves"));
  scorer_->setItemText(1, tr("quest: their upper bound"));
  scorer_->setItemText(2, tr("mean: their mean"));
  show_values();
  sentence_->setText(tr("A change runs the prompt again with the same seed. Weights stay loaded."));
}

}  // namespace fovea
