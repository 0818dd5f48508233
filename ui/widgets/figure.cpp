#include "ui/widgets/figure.hpp"

#include <QVBoxLayout>

namespace fovea {

namespace {
constexpr int kNumberHeight = 24;  // of the line, so that words and numbers stand on one
}

Figure::Figure(const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme), caption_(new QLabel), number_(new QLabel), unit_(new QLabel) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  for (QLabel* label : {caption_, number_, unit_}) {
    label->setTextFormat(Qt::PlainText);
    label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
    column->addWidget(label);
  }
  number_->setFixedHeight(kNumberHeight);
  caption_->setProperty("dim", true);
  unit_->setProperty("dim", true);
  unit_->setText(QStringLiteral(" "));
  connect(&theme, &Theme::changed, this, &Figure::restyle);
  restyle();
}

void Figure::set_caption(const QString& caption) {
  caption_->setText(caption);
  setAccessibleName(caption);
}

void Figure::show_value(const QString& number, const QString& unit, bool derived) {
  number_->setText(number);
  unit_->setText(unit);
  if (!absent_ && derived_ == derived) return;
  absent_ = false;
  derived_ = derived;
  restyle();
}

void Figure::show_absence(const QString& words, const QString& below) {
  number_->setText(words);
  unit_->setText(below.isEmpty() ? QStringLiteral(" ") : below);
  if (absent_) return;
  absent_ = true;
  restyle();
}

QString Figure::text() const { return absent_ ? number_->text() : number_->text() + ' ' + unit_->text(); }

void Figure::restyle() {
  caption_->setFont(theme_.sans(12));
  unit_->setFont(theme_.sans(11));
  QFont font = theme_.sans(absent_ ? 12 : 17);
  font.setItalic(!absent_ && derived_);
  if (!absent_) font.setWeight(QFont::DemiBold);
  number_->setFont(font);
  const ThemeColors& colors = theme_.colors();
  number_->setStyleSheet(QStringLiteral("color:%1;").arg((absent_ ? colors.dim : colors.text).name()));
}

}  // namespace fovea
