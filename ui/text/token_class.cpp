#include "ui/text/token_class.hpp"

#include <QCoreApplication>
#include <array>

namespace fovea {

namespace {

bool is_cjk(char32_t point) {
  switch (QChar::script(point)) {
    case QChar::Script_Han:
    case QChar::Script_Hiragana:
    case QChar::Script_Katakana:
    case QChar::Script_Hangul:
    case QChar::Script_Bopomofo:
      return true;
    default:
      return false;
  }
}

// Whether letters behind it go on with its word.
bool is_open(const TokenText& token) {
  const QString text = QString::fromStdString(token.text);
  if (text.isEmpty()) return false;
  const QChar last = text.back();
  return last.isLetterOrNumber() || last.isLowSurrogate() || last == '\'' || last == QChar(0x2019);
}

}  // namespace

TokenClass token_class(const TokenText& token, const TokenText* before) {
  const QString text = QString::fromStdString(token.text);
  if (text.isEmpty()) return TokenClass::other;
  const auto points = text.toUcs4();
  qsizetype first = 0;
  while (first < points.size() && QChar::isSpace(points[first])) ++first;
  if (first == points.size()) return TokenClass::space;
  const char32_t point = points[first];
  if (is_cjk(point)) return TokenClass::cjk;
  if (QChar::isNumber(point)) return TokenClass::number;
  if (!QChar::isLetter(point)) return QChar::isMark(point) ? TokenClass::inside : TokenClass::punctuation;
  return first > 0 || before == nullptr || !is_open(*before) ? TokenClass::word : TokenClass::inside;
}

QString shown_class(TokenClass token_class) {
  static constexpr std::array<const char*, kTokenClasses> kNames{
      QT_TRANSLATE_NOOP("fovea::token_class", "word begins"), QT_TRANSLATE_NOOP("fovea::token_class", "inside a word"),
      QT_TRANSLATE_NOOP("fovea::token_class", "CJK"), QT_TRANSLATE_NOOP("fovea::token_class", "digits"),
      QT_TRANSLATE_NOOP("fovea::token_class", "punctuation"), QT_TRANSLATE_NOOP("fovea::token_class", "space"),
      QT_TRANSLATE_NOOP("fovea::token_class", "other")};
  return QCoreApplication::translate("fovea::token_class", kNames.at(static_cast<std::size_t>(token_class)));
}

}  // namespace fovea
