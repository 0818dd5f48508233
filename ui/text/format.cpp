#include "ui/text/format.hpp"

#include <QCoreApplication>
#include <cmath>

namespace fovea {

namespace {

constexpr QChar kThinSpace(0x2009);
constexpr QChar kNarrowNoBreak(0x202f);
constexpr int kLongestToken = 24;  // characters of a token that a label shows

QString grouped(QString digits) {
  const bool negative = digits.startsWith('-');
  for (qsizetype at = digits.size() - 3; at > (negative ? 1 : 0); at -= 3) digits.insert(at, kThinSpace);
  return digits;
}

QString with_unit(const QString& number, const QString& unit) { return number + kNarrowNoBreak + unit; }

}  // namespace

QString shown_number(double value) {
  if (!std::isfinite(value)) return QStringLiteral("–");
  const double size = std::fabs(value);
  if (size == 0) return QStringLiteral("0");
  if (size >= 999.5) return grouped(QString::number(value, 'f', 0));
  if (size < 1e-4) return QString::number(value, 'e', 1);
  // Rounding to three digits first, so that 99.97 becomes 100 and not 100.0.
  const double unit = std::pow(10.0, std::floor(std::log10(size)) - 2);
  const double rounded = std::round(value / unit) * unit;
  const int decimals = 2 - static_cast<int>(std::floor(std::log10(std::fabs(rounded)) + 1e-9));
  return QString::number(rounded, 'f', decimals > 0 ? decimals : 0);
}

QString shown_count(std::uint64_t value) { return grouped(QString::number(value)); }

QString shown_short(std::uint64_t value) {
  const double number = static_cast<double>(value);
  if (value < 1000) return QString::number(value);
  if (number < 999.5e3) return with_unit(shown_number(number / 1e3), QStringLiteral("k"));
  if (number < 999.5e6) return with_unit(shown_number(number / 1e6), QStringLiteral("M"));
  return with_unit(shown_number(number / 1e9), QStringLiteral("B"));
}

QString shown_bytes(double bytes) {
  static const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (unit < 4 && std::fabs(bytes) >= 999.5) {
    bytes /= 1024;
    ++unit;
  }
  return with_unit(shown_number(bytes), QString::fromLatin1(units[unit]));
}

QString shown_duration(double milliseconds) {
  if (milliseconds < 999.5) return with_unit(shown_number(milliseconds), QStringLiteral("ms"));
  return with_unit(shown_number(milliseconds / 1000), QStringLiteral("s"));
}

QString shown_percent(double fraction) { return with_unit(shown_number(fraction * 100), QStringLiteral("%")); }

QString shown_rate(double tokens_per_second) {
  return with_unit(shown_number(tokens_per_second), QCoreApplication::translate("fovea::format", "tok/s"));
}

QString shown_token(const TokenText& token) {
  QString text = QString::fromStdString(token.text);
  if (text.isEmpty()) text = QString::fromStdString(token.piece);
  text.replace('\n', QChar(0x21b5)).replace('\t', QChar(0x21e5)).replace(' ', QChar(0x00b7));
  if (text.size() > kLongestToken) {
    text.truncate(kLongestToken - 1);
    if (text.back().isHighSurrogate()) text.chop(1);
    text += QChar(0x2026);
  }
  return QChar(0x201c) + text + QChar(0x201d);
}

}  // namespace fovea
