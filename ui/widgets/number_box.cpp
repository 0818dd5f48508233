#include "ui/widgets/number_box.hpp"

namespace fovea {

NumberBox::NumberBox(double least, double most, int decimals, double scale, QWidget* parent) : QDoubleSpinBox(parent), scale_(scale) {
  setDecimals(decimals);
  setRange(least * scale, most * scale);
  setKeyboardTracking(false);
  setButtonSymbols(QAbstractSpinBox::NoButtons);
  setGroupSeparatorShown(false);
}

void NumberBox::set_number(double number) { set_number(std::optional(number)); }

void NumberBox::set_number(std::optional<double> number) {
  setValue(number ? *number * scale_ : minimum());
  exact_ = number;
  shown_ = value();
}

double NumberBox::number() const { return number_or_none().value_or(minimum() / scale_); }

std::optional<double> NumberBox::number_or_none() const {
  if (value() == shown_) return exact_;
  return value() > minimum() ? std::optional(value() / scale_) : std::nullopt;
}

}  // namespace fovea
