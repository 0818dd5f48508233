// A field for a number of each layer: "2/2/2.4". What it had stays until something that can be taken was entered.
#pragma once

#include <QLineEdit>
#include <cstdint>
#include <vector>

namespace fovea {

class NumberList : public QLineEdit {
  Q_OBJECT
 public:
  enum class Numbers : std::uint8_t { any, whole, powers_of_two };
  // Bounds of every number, and what it has to be between them.
  NumberList(double least, double most, Numbers numbers = Numbers::any, QWidget* parent = nullptr);

  void set_most(double most) { most_ = most; }
  // How many numbers there can be, beside none.
  void set_counts(std::size_t fewest, std::size_t most);
  void set_numbers(const std::vector<double>& numbers);
  [[nodiscard]] const std::vector<double>& numbers() const { return numbers_; }
  [[nodiscard]] bool wrong() const { return wrong_; }  // what stands there cannot be taken

 Q_SIGNALS:
  void changed();  // by hand

 private:
  void take();
  void mark(bool wrong);

  [[nodiscard]] bool takes(double number) const;

  double least_, most_;
  Numbers kind_;
  bool wrong_ = false;
  std::size_t fewest_ = 1, most_numbers_ = 4096;
  std::vector<double> numbers_;
};

// "2/2/2.4", as policies are written.
[[nodiscard]] QString written_numbers(const std::vector<double>& numbers);

}  // namespace fovea
