#include "ui/widgets/empty_state.hpp"

#include <QVBoxLayout>

namespace fovea {

namespace {
constexpr int kLow = 150;
}  // namespace

EmptyState::EmptyState(QWidget* parent)
    : QWidget(parent), title_(new QLabel), sentence_(new QLabel), button_(new QPushButton) {
  title_->setProperty("heading", true);
  title_->setAlignment(Qt::AlignCenter);
  title_->setWordWrap(true);
  sentence_->setProperty("dim", true);
  sentence_->setAlignment(Qt::AlignHCenter | Qt::AlignTop);
  sentence_->setWordWrap(true);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(24, 16, 24, 16);
  layout->setSpacing(8);
  layout->addStretch(1);
  layout->addWidget(title_);
  layout->addWidget(sentence_);
  layout->addSpacing(8);
  layout->addWidget(button_, 0, Qt::AlignHCenter);
  layout->addStretch(1);
  connect(button_, &QPushButton::clicked, this, &EmptyState::pressed);
}

// Where there is little height the words need it more than what is around them.
void EmptyState::resizeEvent(QResizeEvent* event) {
  const bool low = height() < kLow;
  layout()->setContentsMargins(24, low ? 2 : 16, 24, low ? 2 : 16);
  layout()->setSpacing(low ? 2 : 8);
  QWidget::resizeEvent(event);
}

void EmptyState::say(const QString& title, const QString& sentence, const QString& button) {
  title_->setText(title);
  sentence_->setText(sentence);
  sentence_->setVisible(!sentence.isEmpty());
  button_->setText(button);
  button_->setVisible(!button.isEmpty());
}

}  // namespace fovea
