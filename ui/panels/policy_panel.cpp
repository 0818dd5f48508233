#include "ui/panels/policy_panel.hpp"

#include <QEvent>
#include <QScreen>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/widgets/scroll_column.hpp"

namespace fovea {

namespace {
constexpr int kRestMs = 400;
constexpr int kWidth = 400, kMargin = 8;
}  // namespace

PolicyPanel::PolicyPanel(QWidget* parent)
    : QFrame(parent, Qt::Popup), attention_(new AttentionPolicyForm), experts_(new ExpertPolicyForm), content_(new QWidget), sentence_(new QLabel) {
  setObjectName(QStringLiteral("policy_panel"));
  setFixedWidth(kWidth);
  sentence_->setProperty("dim", true);
  sentence_->setWordWrap(true);
  auto* rule = new QFrame;
  rule->setObjectName(QStringLiteral("separator"));
  rule->setFixedHeight(1);
  auto* column = new QVBoxLayout(content_);
  column->setContentsMargins(16, 12, 16, 12);
  column->setSpacing(12);
  column->addWidget(attention_);
  column->addWidget(rule);
  column->addWidget(experts_);
  column->addWidget(sentence_);
  column->addStretch(1);
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(1, 1, 1, 1);
  outer->addWidget(scroll_column(content_));

  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&rest_, &QTimer::timeout, this, [this] {
    if (attention_->sliding() || experts_->sliding()) return rest_.start();
    const auto attention = attention_->policy();
    const auto experts = experts_->rule();
    if (attention == told_ && experts == told_experts_) return;
    told_ = attention;
    told_experts_ = experts;
    Q_EMIT policy_chosen(attention, experts);
  });
  connect(attention_, &AttentionPolicyForm::changed, &rest_, qOverload<>(&QTimer::start));
  connect(experts_, &ExpertPolicyForm::changed, &rest_, qOverload<>(&QTimer::start));
  for (const Disclosure* more : {&attention_->more(), &experts_->more()}) connect(more, &Disclosure::toggled, this, &PolicyPanel::place);
  connect(attention_, &AttentionPolicyForm::changed, this, &PolicyPanel::place);  // sentences and fields come and go
  connect(experts_, &ExpertPolicyForm::calibration_requested, this, [this] {
    close();
    Q_EMIT calibration_requested();
  });
  retranslate();
}

void PolicyPanel::show_attention(const std::optional<SparseAttention>& attention, std::uint32_t layers) {
  if (rest_.isActive()) return;  // a hand is at it
  attention_->show_policy(attention, layers);
  told_ = attention_->policy();
}

void PolicyPanel::show_experts(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used, std::uint32_t layers) {
  if (rest_.isActive()) return;
  experts_->show_rule(rule, experts_used, layers);
  told_experts_ = experts_->rule();
}

// adjustSize() stops at two thirds of the screen, which on a small one cuts fields.
void PolicyPanel::fit_height() {
  // From the innermost on, since fields may just have come or gone.
  const auto parts = content_->findChildren<QWidget*>();
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if ((*part)->layout() == nullptr) continue;
    (*part)->layout()->invalidate();
    (*part)->updateGeometry();
  }
  content_->layout()->invalidate();
  content_->layout()->activate();
  const int wished = content_->layout()->totalHeightForWidth(kWidth - 2) + 2;
  content_->setMinimumHeight(wished - 2);  // a small screen scrolls it: sentences that wrap would be squeezed
  resize(kWidth, std::min(wished, screen()->availableGeometry().height() - 2 * kMargin));
}

void PolicyPanel::place() {
  if (!isVisible()) return;
  fit_height();
  const QRect room = screen()->availableGeometry();
  move(std::clamp(wished_.x(), room.left() + kMargin, std::max(room.left() + kMargin, room.right() - width() - kMargin)),
       std::max(room.top() + kMargin, std::min(wished_.y(), room.bottom() - height() - kMargin)));
}

void PolicyPanel::open_below(const QWidget& anchor) {
  setScreen(anchor.screen());
  wished_ = anchor.mapToGlobal(QPoint(0, anchor.height() + 4));
  fit_height();
  show();
  place();
  const AttentionPolicyForm& form = *attention_;
  (form.policy() ? static_cast<QWidget*>(&form.window_slider()) : &form.dense_button())->setFocus(Qt::PopupFocusReason);
}

void PolicyPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void PolicyPanel::retranslate() { sentence_->setText(tr("A change runs the prompt again with the same seed. Weights stay loaded.")); }

}  // namespace fovea
