#include "ui/widgets/disclosure.hpp"

#include <QEvent>
#include <QVBoxLayout>

namespace fovea {

Disclosure::Disclosure(QWidget* content, QWidget* parent) : QWidget(parent), button_(new QToolButton), content_(content) {
  button_->setProperty("flat", true);
  button_->setCheckable(true);
  button_->setFocusPolicy(Qt::StrongFocus);
  button_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(8);
  column->addWidget(button_, 0, Qt::AlignLeft);
  column->addWidget(content_);
  content_->hide();
  connect(button_, &QToolButton::toggled, this, [this](bool on) {
    content_->setVisible(on);
    refresh();
    Q_EMIT toggled(on);
  });
  refresh();
}

void Disclosure::set_count(int set) {
  set_ = set;
  refresh();
}

void Disclosure::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) refresh();
  QWidget::changeEvent(event);
}

void Disclosure::refresh() {
  button_->setArrowType(open() ? Qt::DownArrow : Qt::RightArrow);
  button_->setText(set_ > 0 ? tr("More, %1 set").arg(set_) : tr("More"));
}

}  // namespace fovea
