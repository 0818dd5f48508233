#include "ui/panels/adaptation_view.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>
#include <array>

#include "ui/text/device_words.hpp"
#include "ui/text/format.hpp"
#include "ui/widgets/scroll_column.hpp"

namespace fovea {

namespace {
constexpr std::array kKvTypes{KvType::f16, KvType::q8_0, KvType::tiered};
constexpr std::array kActivationTypes{ActivationType::f32, ActivationType::q8_0};
constexpr int kControlHeight = 28;

QString spelled(std::string_view text) { return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size())); }

}  // namespace

AdaptationView::AdaptationView(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), kv_name_(new QLabel), activations_name_(new QLabel), note_(new QLabel), kv_(new QComboBox), activations_(new QComboBox),
      load_(new QToolButton), list_(new QGridLayout) {
  auto* form = new QGridLayout;
  form->setHorizontalSpacing(12);
  form->setVerticalSpacing(6);
  form->addWidget(kv_name_, 0, 0);
  form->addWidget(kv_, 0, 1, 1, 2);
  form->addWidget(activations_name_, 1, 0);
  form->addWidget(activations_, 1, 1);
  form->addWidget(load_, 1, 2);
  form->setColumnStretch(1, 1);
  kv_name_->setBuddy(kv_);
  activations_name_->setBuddy(activations_);
  for (QComboBox* box : {kv_, activations_}) {
    box->setFixedHeight(kControlHeight);
    box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    box->setMinimumContentsLength(8);
    connect(box, &QComboBox::currentIndexChanged, this, &AdaptationView::update_button);
  }
  load_->setFixedHeight(kControlHeight);
  load_->setFocusPolicy(Qt::StrongFocus);
  connect(load_, &QToolButton::clicked, this, [this] { Q_EMIT load_requested(choice()); });
  for (QLabel* label : {kv_name_, activations_name_, note_}) label->setProperty("dim", true);
  note_->setWordWrap(true);
  note_->setTextFormat(Qt::PlainText);

  auto* content = new QWidget;
  auto* column = new QVBoxLayout(content);
  column->setContentsMargins(12, 12, 12, 12);
  column->setSpacing(10);
  column->addLayout(form);
  column->addWidget(note_);
  auto* rule = new QFrame;
  rule->setObjectName(QStringLiteral("separator"));
  rule->setFixedHeight(1);
  column->addWidget(rule);
  list_->setHorizontalSpacing(12);
  list_->setVerticalSpacing(2);
  list_->setColumnStretch(1, 1);
  column->addLayout(list_);
  column->addStretch(1);
  QScrollArea* scroll = scroll_column(content);
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(0, 0, 0, 0);
  outer->addWidget(scroll);
  connect(&theme, &Theme::changed, this, &AdaptationView::restyle);
  retranslate();
}

void AdaptationView::show_model(const std::shared_ptr<const ModelSummary>& model) {
  model_ = model;
  fill_choices(loaded());
  fill_list();
}

LoadChoice AdaptationView::loaded() const {
  LoadChoice choice;
  for (const DeviceFit& fit : model_ ? model_->fits : DeviceFits{}) {
    if (fit.what == "kv" && fit.asked) choice.kv = model_->kv;
    if (fit.what == "activations" && fit.asked) choice.activations = activation_type_named(fit.taken);
  }
  return choice;
}

LoadChoice AdaptationView::choice() const {
  LoadChoice choice;
  if (const int at = kv_->currentIndex(); at > 0) choice.kv = kKvTypes[static_cast<std::size_t>(at - 1)];
  if (const int at = activations_->currentIndex(); at > 0) choice.activations = kActivationTypes[static_cast<std::size_t>(at - 1)];
  return choice;
}

void AdaptationView::fill_choices(const LoadChoice& choice) {
  const QSignalBlocker blocked[] = {QSignalBlocker(kv_), QSignalBlocker(activations_)};
  kv_->clear();
  activations_->clear();
  kv_->addItem(tr("auto: what suits the device"));
  activations_->addItem(tr("auto"));
  for (const KvType type : kKvTypes) {
    QString words = spelled(name(type));
    const auto told = model_ ? std::ranges::find(model_->estimates, type, &std::pair<KvType, MemoryBytes>::first) : decltype(model_->estimates.begin()){};
    if (model_ && told != model_->estimates.end()) {
      const MemoryBytes& estimate = told->second;
      words = tr("%1: KV %2, %3 in all").arg(words, shown_bytes(static_cast<double>(estimate.kv)), shown_bytes(static_cast<double>(estimate.total())));
    }
    kv_->addItem(words);
    if (choice.kv == type) kv_->setCurrentIndex(kv_->count() - 1);
  }
  for (const ActivationType type : kActivationTypes) {
    activations_->addItem(spelled(name(type)));
    if (choice.activations == type) activations_->setCurrentIndex(activations_->count() - 1);
  }
  update_button();
}

void AdaptationView::update_button() { load_->setEnabled(model_ && choice() != loaded()); }

void AdaptationView::fill_list() {
  while (QLayoutItem* item = list_->takeAt(0)) {
    delete item->widget();
    delete item;
  }
  const auto label = [&](const QString& text, int row, int column, bool dim, int columns = 1) {
    auto* made = new QLabel(text);
    made->setTextFormat(Qt::PlainText);
    made->setWordWrap(column > 0 || columns > 1);
    made->setProperty("dim", dim);
    made->setAlignment(Qt::AlignLeft | Qt::AlignTop);
    made->setTextInteractionFlags(Qt::TextSelectableByMouse);
    list_->addWidget(made, row, column, 1, columns);
    return made;
  };
  int row = 0;
  for (const DeviceFit& fit : model_ ? model_->fits : DeviceFits{}) {
    label(fit_name(fit), row, 0, true);
    label(fit_taken(fit), row, 1, false);
    label(fit_reason(fit), row + 1, 0, true, 2)->setFont(theme_.sans(12));
    list_->setRowMinimumHeight(row + 2, 8);
    row += 3;
  }
}

QString AdaptationView::text() const {
  QStringList lines;
  for (const DeviceFit& fit : model_ ? model_->fits : DeviceFits{})
    lines << QStringLiteral("%1: %2 (%3)").arg(fit_name(fit), fit_taken(fit), fit_reason(fit));
  return lines.join('\n');
}

void AdaptationView::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QWidget::changeEvent(event);
}

void AdaptationView::retranslate() {
  kv_name_->setText(tr("&KV cache"));
  activations_name_->setText(tr("Acti&vations"));
  kv_->setToolTip(tr("How keys and values are kept; the estimates are derived, for the whole context"));
  activations_->setToolTip(tr("What decoding multiplies weights in blocks with"));
  load_->setText(tr("Open &again"));
  load_->setToolTip(tr("Read the model anew with these choices"));
  note_->setText(tr("For the open model, read anew, and those opened later. Below: what this load took because of its device, and why."));
  fill_choices(choice());
  fill_list();
}

void AdaptationView::restyle() { fill_list(); }

}  // namespace fovea
