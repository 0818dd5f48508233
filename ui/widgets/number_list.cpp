#include "ui/widgets/number_list.hpp"

#include <QLocale>
#include <QStringList>
#include <QStyle>
#include <cmath>

namespace fovea {

QString written_numbers(const std::vector<double>& numbers) {
  QStringList words;
  for (const double number : numbers) words << QString::number(number, 'g', QLocale::FloatingPointShortest);
  return words.join('/');
}

NumberList::NumberList(double least, double most, Numbers numbers, QWidget* parent) : QLineEdit(parent), least_(least), most_(most), kind_(numbers) {
  setMaxLength(1 << 14);
  connect(this, &QLineEdit::editingFinished, this, &NumberList::take);
  connect(this, &QLineEdit::textEdited, this, [this] { mark(false); });
}

void NumberList::set_counts(std::size_t fewest, std::size_t most) {
  fewest_ = fewest;
  most_numbers_ = most;
}

void NumberList::set_numbers(const std::vector<double>& numbers) {
  numbers_ = numbers;
  setText(written_numbers(numbers));
  setCursorPosition(0);
  mark(false);
}

bool NumberList::takes(double number) const {
  if (!(number >= least_ && number <= most_)) return false;
  int exponent = 0;
  switch (kind_) {
    case Numbers::any: return true;
    case Numbers::whole: return number == std::floor(number);
    case Numbers::powers_of_two: return number >= 1 && std::frexp(number, &exponent) == 0.5;
  }
  return false;
}

void NumberList::take() {
  std::vector<double> read;
  bool good = true;
  const QString written = text().simplified().remove(' ');
  if (!written.isEmpty())
    for (const QString& word : written.split('/')) {
      bool number = false;
      const double value = QLocale::c().toDouble(word, &number);
      good = good && number && takes(value);
      read.push_back(value);
    }
  mark(!good || (!read.empty() && (read.size() < fewest_ || read.size() > most_numbers_)));
  if (wrong_ || read == numbers_) return;
  numbers_ = std::move(read);
  Q_EMIT changed();
}

void NumberList::mark(bool wrong) {
  if (wrong == wrong_) return;
  wrong_ = wrong;
  setProperty("wrong", wrong);
  style()->unpolish(this);
  style()->polish(this);
}

}  // namespace fovea
