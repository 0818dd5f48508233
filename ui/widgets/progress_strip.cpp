#include "ui/widgets/progress_strip.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <algorithm>
#include <cmath>

namespace fovea {

namespace {
constexpr int kSteps = 1000;
}  // namespace

ProgressStrip::ProgressStrip(QWidget* parent)
    : QFrame(parent), doing_(new QLabel), bar_(new QProgressBar), cancel_(new QPushButton) {
  setObjectName(QStringLiteral("progress_strip"));
  setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
  bar_->setRange(0, kSteps);
  bar_->setTextVisible(false);
  bar_->setFixedHeight(8);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(12, 8, 8, 8);
  layout->setSpacing(12);
  layout->addWidget(doing_);
  layout->addWidget(bar_, 1);
  layout->addWidget(cancel_);
  connect(cancel_, &QPushButton::clicked, this, &ProgressStrip::cancelled);
  retranslate();
  hide();
}

void ProgressStrip::show_progress(const QString& doing, double fraction) {
  doing_->setText(doing);
  bar_->setValue(static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * kSteps)));
  show();
}

void ProgressStrip::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void ProgressStrip::retranslate() { cancel_->setText(tr("Ca&ncel")); }

}  // namespace fovea
