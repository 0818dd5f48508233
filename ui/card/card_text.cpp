#include "ui/card/card_text.hpp"

#include <QList>
#include <QStringView>
#include <algorithm>

namespace fovea {

namespace {

// Chosen so that the worst card within them is laid out in well under a second.
constexpr qsizetype kLines = 20'000;
constexpr qsizetype kParagraph = 20'000;  // characters
constexpr qsizetype kDefinition = 512;    // of a line among link definitions: each use of one copies its address
constexpr qsizetype kTableCells = 4'096, kTableColumns = 64;
constexpr qsizetype kListItems = 4'096, kAllListItems = 16'384;  // of one list; of all

// What lies between two blank lines, measured as if it stood in no code block: too strict there, never too lax.
struct Paragraph {
  qsizetype lines = 0, characters = 0, columns = 0, longest = 0;
  bool brackets = false, defines = false;
};

// Characters that would be structure inside a QTextDocument: the bounds of frames and cells, images, paragraph ends.
bool has_meaning_to_qt(QChar c) {
  return c.isNull() || c == QChar(0xfdd0) || c == QChar(0xfdd1) || c == QChar::ObjectReplacementCharacter ||
         c == QChar::ParagraphSeparator;
}

bool is_blank(QStringView line) {
  return std::ranges::all_of(line, [](QChar c) { return c == ' ' || c == '\t'; });
}

// Columns of a table that this line would begin ("|---|:-:|", perhaps inside quotes or lists); 0: it begins none.
qsizetype table_columns(QStringView line) {
  static const QString allowed = QStringLiteral("|:- \t>*+.)0123456789");
  if (!line.contains('|') || !line.contains('-')) return 0;
  if (!std::ranges::all_of(line, [](QChar c) { return allowed.contains(c); })) return 0;
  const auto edge = [](QChar c) { return c != ' ' && c != '\t' && c != '>'; };
  const bool opened = *std::ranges::find_if(line, edge) == '|';
  const bool closed = line.trimmed().back() == '|';
  return line.count('|') + 1 - (opened ? 1 : 0) - (closed ? 1 : 0);
}

// As the definition of a link does, "[name]: address", perhaps inside quotes or lists.
bool begins_with_bracket(QStringView line) {
  static const QString before = QStringLiteral(" \t>-*+.)0123456789");
  const auto first = std::ranges::find_if(line, [](QChar c) { return !before.contains(c); });
  return first != line.end() && *first == '[';
}

// List items that begin on this line: "- 1. text" begins two.
qsizetype list_items(QStringView line) {
  qsizetype items = 0;
  for (qsizetype at = 0; at < line.size();) {
    if (line[at] == ' ' || line[at] == '\t' || line[at] == '>') {
      ++at;
      continue;
    }
    qsizetype end = at;
    while (end < line.size() && line[end].isDigit()) ++end;
    const bool marker = end < line.size() && (end > at ? line[end] == '.' || line[end] == ')'
                                                       : line[end] == '-' || line[end] == '*' || line[end] == '+');
    if (!marker) break;
    ++items;
    at = end + 1;
  }
  return items;
}

}  // namespace

QString card_body(const QString& text) {
  QString body = text;
  body.replace(QLatin1String("\r\n"), QLatin1String("\n")).replace('\r', '\n');
  for (QChar& c : body)
    if (has_meaning_to_qt(c)) c = QChar::ReplacementCharacter;
  if (!body.startsWith(QLatin1String("---\n"))) return body;
  const qsizetype end = body.indexOf(QLatin1String("\n---"), 3);
  if (end < 0) return body;
  const qsizetype line_end = body.indexOf('\n', end + 1);
  const QStringView rest = QStringView(body).sliced(end + 4, (line_end < 0 ? body.size() : line_end) - end - 4);
  if (!is_blank(rest)) return body;  // a longer rule or a title's underline, not the end of YAML
  return line_end < 0 ? QString() : body.sliced(line_end + 1);
}

bool is_intricate(const QString& body) {
  qsizetype lines = 0, cells = 0, items = 0, all_items = 0;
  Paragraph paragraph;  // the one that goes on; `items` counts likewise within a list
  for (const QStringView line : QStringView(body).split('\n')) {
    if (++lines > kLines) return true;
    if (is_blank(line)) {
      paragraph = {};
      continue;
    }
    // Only what begins at the margin after a blank line is certain to end a list.
    const qsizetype begun = list_items(line);
    items = begun == 0 && paragraph.lines == 0 && line[0] != ' ' && line[0] != '\t' ? 0 : items + begun;
    all_items += begun;
    cells -= paragraph.lines * paragraph.columns;
    ++paragraph.lines;
    paragraph.characters += line.size() + 1;
    paragraph.longest = std::max(paragraph.longest, line.size());
    paragraph.columns = std::max(paragraph.columns, table_columns(line));
    paragraph.brackets = paragraph.brackets || begins_with_bracket(line);
    paragraph.defines = paragraph.defines || (paragraph.brackets && line.contains(QLatin1String("]:")));
    cells += paragraph.lines * paragraph.columns;
    if (paragraph.characters > kParagraph || paragraph.columns > kTableColumns || cells > kTableCells ||
        items > kListItems || all_items > kAllListItems || (paragraph.defines && paragraph.longest > kDefinition))
      return true;
  }
  return false;
}

QString with_short_lines(const QString& text, qsizetype length) {
  QString result;
  result.reserve(text.size() + text.size() / length + 1);
  for (const QStringView line : QStringView(text).split('\n')) {
    for (qsizetype at = 0; at < line.size(); at += length) {
      if (at > 0) result += '\n';
      result += line.sliced(at, std::min(length, line.size() - at));
    }
    result += '\n';
  }
  result.chop(1);
  return result;
}

}  // namespace fovea
