#include "ui/card/card_style.hpp"

#include <QTextBlock>
#include <QTextCursor>
#include <QTextFrame>
#include <QTextList>
#include <QTextTable>
#include <algorithm>
#include <utility>
#include <vector>

#include "ui/card/card_document.hpp"

namespace fovea {

namespace {

constexpr int kHeadingPixels[] = {20, 16, 14, 13, 13, 13};
constexpr qreal kQuoteIndent = 16;
constexpr int kDeepestQuote = 6;  // deeper ones are drawn no further in
constexpr qsizetype kLongestTip = 300;
constexpr int kTextLine = 21, kCodeLine = 18, kCellLine = 19;  // pixels at least

bool starts_card(const QTextBlock& block) { return !block.previous().isValid(); }

bool in_table(const QTextBlock& block) { return QTextCursor(block).currentTable() != nullptr; }

bool is_rule(const QTextBlock& block) {
  return block.blockFormat().hasProperty(QTextFormat::BlockTrailingHorizontalRulerWidth);
}

// Qt needs an empty paragraph between frames; nobody needs to see it.
bool is_seam(const QTextBlock& block) {
  return block.length() <= 1 && !in_table(block) && !is_rule(block) && block.textList() == nullptr &&
         !is_code_block(block.blockFormat());
}

QTextBlockFormat line_height(int pixels, QTextBlockFormat::LineHeightTypes type) {
  QTextBlockFormat format;
  format.setTopMargin(0);
  format.setBottomMargin(0);
  format.setLineHeight(pixels, type);
  return format;
}

QTextBlockFormat block_format(const QTextBlock& block, const Theme& theme) {
  const QTextBlockFormat read = block.blockFormat();
  QTextBlockFormat format;
  const int quoted = std::min(read.intProperty(QTextFormat::BlockQuoteLevel), kDeepestQuote);
  format.setLeftMargin(quoted * kQuoteIndent);
  format.setRightMargin(0);
  if (is_seam(block)) {
    format.merge(line_height(1, QTextBlockFormat::FixedHeight));
  } else if (is_rule(block)) {
    format.merge(line_height(1, QTextBlockFormat::FixedHeight));
    format.setTopMargin(12);
    format.setBottomMargin(12);
    format.setBackground(theme.colors().line);
  } else if (is_code_block(read)) {
    format.merge(line_height(kCodeLine, QTextBlockFormat::MinimumHeight));
    format.setNonBreakableLines(false);
  } else if (in_table(block)) {
    format.merge(line_height(kCellLine, QTextBlockFormat::MinimumHeight));
  } else {
    format.merge(line_height(kTextLine, QTextBlockFormat::MinimumHeight));
    const bool item = block.textList() != nullptr && block.next().textList() != nullptr;
    format.setBottomMargin(item ? 2 : 8);
    if (read.headingLevel() > 0) format.setTopMargin(starts_card(block) ? 0 : 16);
  }
  return format;
}

// A character of the card as the theme draws it.
QTextCharFormat char_format(const QTextCharFormat& read, const QTextBlock& block, const Theme& theme) {
  const ThemeColors& colors = theme.colors();
  const QTextBlockFormat around = block.blockFormat();
  QTextCharFormat format;
  const bool quoted = around.intProperty(QTextFormat::BlockQuoteLevel) > 0;
  const bool instead = read.boolProperty(kStandsForImage);
  format.setForeground(quoted || instead ? colors.dim : colors.text);
  if (around.headingLevel() > 0) {
    const int level = std::clamp(around.headingLevel(), 1, 6);
    format.setProperty(QTextFormat::FontPixelSize, kHeadingPixels[level - 1]);
    format.setFontWeight(QFont::DemiBold);
  } else if (read.fontWeight() > QFont::Medium) {
    format.setFontWeight(QFont::DemiBold);
  }
  if (read.fontItalic()) format.setFontItalic(true);
  if (read.fontStrikeOut()) format.setFontStrikeOut(true);
  if (read.fontFixedPitch() || is_code_block(around)) {
    format.setFontFamilies(theme.mono().families());
    if (around.headingLevel() == 0) format.setProperty(QTextFormat::FontPixelSize, 12);
    if (!is_code_block(around)) format.setBackground(colors.hover);
  }
  if (const auto address = read.isAnchor() ? web_address(read.anchorHref()) : std::nullopt) {
    const QString shown = address->toString(QUrl::FullyEncoded);  // no look-alike letters in the host's name
    format.setAnchor(true);
    format.setAnchorHref(shown);
    format.setToolTip(shown.size() > kLongestTip ? shown.left(kLongestTip) + QChar(0x2026) : shown);
    format.setForeground(colors.accent);
    format.setFontUnderline(true);
  }
  return format;
}

void style_characters(QTextCursor& cursor, const QTextBlock& block, const Theme& theme) {
  struct Run {
    int position, length;
    QTextCharFormat format;
  };
  std::vector<Run> runs;  // first, as setting a format splits and joins fragments
  for (auto at = block.begin(); !at.atEnd(); ++at) {
    const QTextFragment fragment = at.fragment();
    runs.push_back({fragment.position(), fragment.length(), char_format(fragment.charFormat(), block, theme)});
  }
  for (const Run& run : runs) {
    cursor.setPosition(run.position);
    cursor.setPosition(run.position + run.length, QTextCursor::KeepAnchor);
    cursor.setCharFormat(run.format);
  }
}

// Consecutive lines of code, first and last position.
std::vector<std::pair<int, int>> code_listings(const QTextDocument& document) {
  std::vector<std::pair<int, int>> listings;
  bool inside = false;
  for (QTextBlock block = document.begin(); block.isValid(); block = block.next()) {
    const bool code = is_code_block(block.blockFormat());
    const int end = block.position() + block.length() - 1;
    if (code && inside) listings.back().second = end;
    if (code && !inside) listings.emplace_back(block.position(), end);
    inside = code;
  }
  return listings;
}

// A frame around each listing, as a block's own ground would touch its letters.
void frame_code(QTextDocument& document, const Theme& theme) {
  QTextFrameFormat format;
  format.setBackground(theme.colors().ground);
  format.setBorder(1);
  format.setBorderStyle(QTextFrameFormat::BorderStyle_Solid);
  format.setBorderBrush(theme.colors().line);
  format.setPadding(8);
  format.setTopMargin(2);
  format.setBottomMargin(10);
  const auto listings = code_listings(document);
  for (auto listing = listings.rbegin(); listing != listings.rend(); ++listing) {
    QTextCursor cursor(&document);
    cursor.setPosition(listing->first);
    const QTextBlockFormat code = cursor.blockFormat();
    cursor.setPosition(listing->second, QTextCursor::KeepAnchor);
    const QTextFrame* const frame = cursor.insertFrame(format);
    // The first line's format stays behind with the empty paragraph that is now before the frame.
    frame->firstCursorPosition().setBlockFormat(code);
    cursor.setPosition(frame->firstPosition() - 1);
    cursor.setBlockFormat({});
  }
}

void style_table(QTextTable& table, const Theme& theme) {
  QTextTableFormat format = table.format();
  format.setBorderCollapse(true);
  format.setBorder(1);
  format.setBorderStyle(QTextFrameFormat::BorderStyle_Solid);
  format.setBorderBrush(theme.colors().line);
  format.setCellPadding(5);
  format.setCellSpacing(0);
  format.setTopMargin(6);
  format.setBottomMargin(10);
  format.setHeaderRowCount(1);
  table.setFormat(format);
  for (int column = 0; column < table.columns(); ++column) {
    QTextTableCell cell = table.cellAt(0, column);
    QTextTableCellFormat head;
    head.setBackground(theme.colors().ground);
    cell.setFormat(head);
  }
}

}  // namespace

bool is_code_block(const QTextBlockFormat& format) {
  return format.hasProperty(QTextFormat::BlockCodeLanguage) || format.hasProperty(QTextFormat::BlockCodeFence);
}

void style_card(QTextDocument& document, const Theme& theme) {
  QTextCursor cursor(&document);
  cursor.beginEditBlock();
  frame_code(document, theme);
  for (QTextFrame* frame : document.rootFrame()->childFrames())
    if (auto* table = qobject_cast<QTextTable*>(frame)) style_table(*table, theme);
  for (QTextBlock block = document.begin(); block.isValid(); block = block.next()) {
    style_characters(cursor, block, theme);
    cursor.setPosition(block.position());
    cursor.mergeBlockFormat(block_format(block, theme));
  }
  cursor.endEditBlock();
}

}  // namespace fovea
