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

NumberList::NumberList(double least, double most, bool whole, QWidget* parent) : QLineEdit(parent), least_(least), most_(most), whole_(whole) {
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

void NumberList::take() {
  std::vector<double> read;
  bool good = true;
  const QString written = text().simplified().remove(' ');
  if (!written.isEmpty())
    for (const QString& word : written.split('/')) {
      bool number = false;
      const double value = QLocale::c().toDouble(word, &number);
      good = good && number && value >= least_ && value <= most_ && (!whole_ || value == std::floor(value));
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
