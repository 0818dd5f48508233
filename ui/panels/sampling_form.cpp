#include "ui/panels/sampling_form.hpp"

#include <QEvent>
#include <QGridLayout>
#include <QRegularExpressionValidator>
#include <algorithm>

namespace fovea {

namespace {

QDoubleSpinBox* decimal(double low, double high, double step) {
  auto* box = new QDoubleSpinBox;
  box->setRange(low, high);
  box->setSingleStep(step);
  box->setDecimals(2);
  box->setButtonSymbols(QAbstractSpinBox::NoButtons);
  return box;
}

QSpinBox* whole(int low, int high) {
  auto* box = new QSpinBox;
  box->setRange(low, high);
  box->setButtonSymbols(QAbstractSpinBox::NoButtons);
  return box;
}

}  // namespace

SamplingForm::SamplingForm(QWidget* parent)
    : QWidget(parent),
      temperature_(decimal(0, 5, 0.05)),
      top_p_(decimal(0, 1, 0.01)),
      min_p_(decimal(0, 1, 0.01)),
      repeat_penalty_(decimal(0.5, 3, 0.05)),
      top_k_(whole(0, 1'000'000)),
      repeat_last_n_(whole(-1, 1'000'000)),
      max_tokens_(whole(1, 1'000'000)),
      seed_(new QLineEdit) {
  seed_->setValidator(new QRegularExpressionValidator(QRegularExpression(QStringLiteral("[0-9]{0,18}")), seed_));
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setHorizontalSpacing(8);
  grid->setVerticalSpacing(6);
  const std::array<QWidget*, 8> fields{max_tokens_, temperature_, top_k_,          top_p_,
                                       seed_,       min_p_,       repeat_penalty_, repeat_last_n_};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    labels_[i] = new QLabel;
    labels_[i]->setProperty("dim", true);
    labels_[i]->setBuddy(fields[i]);
    fields[i]->setMinimumWidth(64);
    const int row = static_cast<int>(i / 4) * 2, column = static_cast<int>(i % 4);
    grid->addWidget(labels_[i], row, column);
    grid->addWidget(fields[i], row + 1, column);
    grid->setColumnStretch(column, 1);
  }
  set_options({});
  set_max_tokens(256);
  retranslate();
}

SamplingOptions SamplingForm::options() const {
  SamplingOptions options;
  options.temperature = static_cast<float>(temperature_->value());
  options.top_k = top_k_->value();
  options.top_p = static_cast<float>(top_p_->value());
  options.min_p = static_cast<float>(min_p_->value());
  options.repeat_penalty = static_cast<float>(repeat_penalty_->value());
  options.repeat_last_n = repeat_last_n_->value();
  bool given = false;
  const qlonglong seed = seed_->text().toLongLong(&given);
  options.seed = given ? seed : -1;
  return options;
}

void SamplingForm::set_options(const SamplingOptions& options) {
  temperature_->setValue(static_cast<double>(options.temperature));
  top_k_->setValue(options.top_k);
  top_p_->setValue(static_cast<double>(options.top_p));
  min_p_->setValue(static_cast<double>(options.min_p));
  repeat_penalty_->setValue(static_cast<double>(options.repeat_penalty));
  repeat_last_n_->setValue(options.repeat_last_n);
  seed_->setText(options.seed >= 0 ? QString::number(options.seed) : QString());
}

std::uint32_t SamplingForm::max_tokens() const { return static_cast<std::uint32_t>(max_tokens_->value()); }
void SamplingForm::set_max_tokens(std::uint32_t tokens) {
  max_tokens_->setValue(static_cast<int>(std::min<std::uint32_t>(tokens, 1'000'000)));
}

void SamplingForm::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QWidget::changeEvent(event);
}

void SamplingForm::retranslate() {
  const std::array<QString, 8> names{tr("Max tokens"), tr("&Temperature"), tr("Top-k"),          tr("Top-p"),
                                     tr("S&eed"),      tr("Min-p"),        tr("Repeat penalty"), tr("Last n")};
  for (std::size_t i = 0; i < names.size(); ++i) labels_[i]->setText(names[i]);
  seed_->setPlaceholderText(tr("random"));
  max_tokens_->setToolTip(tr("The run ends after this many new tokens"));
  temperature_->setToolTip(tr("0: always the most likely token; higher: more surprising"));
  top_k_->setToolTip(tr("Draw among this many most likely tokens; 0: all"));
  top_p_->setToolTip(tr("Draw among the fewest tokens whose probabilities reach this sum; 1: off"));
  min_p_->setToolTip(tr("Leave out tokens less likely than this part of the most likely one; 0: off"));
  repeat_penalty_->setToolTip(tr("Makes tokens of the last n less likely; 1: off"));
  repeat_last_n_->setToolTip(tr("How many of the last tokens the penalty looks at; 0: none, −1: all"));
  seed_->setToolTip(tr("The same seed, prompt and settings give the same text; empty: a new one for every run"));
}

}  // namespace fovea
