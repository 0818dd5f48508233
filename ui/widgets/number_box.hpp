// A field for a number that may be finer than the field shows: it stays to the bit until a hand changes it.
#pragma once

#include <QDoubleSpinBox>
#include <optional>

namespace fovea {

class NumberBox : public QDoubleSpinBox {
  Q_OBJECT
 public:
  // Shows the number times `scale`, with so many decimals; bounds are the number's own.
  NumberBox(double least, double most, int decimals, double scale = 1, QWidget* parent = nullptr);

  void set_number(double number);
  // Where the least number stands for none, which setSpecialValueText() names.
  void set_number(std::optional<double> number);
  [[nodiscard]] double number() const;
  [[nodiscard]] std::optional<double> number_or_none() const;

 private:
  double scale_, shown_ = 0;
  std::optional<double> exact_ = 0;
};

}  // namespace fovea
