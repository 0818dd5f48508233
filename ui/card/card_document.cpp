#include "ui/card/card_document.hpp"

#include <QImage>
#include <QRegularExpression>
#include <QTextBlock>
#include <QTextCursor>
#include <QTextFrame>
#include <QTextTable>
#include <ranges>
#include <vector>

#include "ui/card/card_style.hpp"
#include "ui/card/card_text.hpp"

namespace fovea {

namespace {

constexpr qsizetype kLongestLine = 4'096;  // of text shown as written; one endless line would take seconds
constexpr qreal kMargin = 12;

// Tags that pages are made of. Others stay: <s> and <unk> are words where models are described.
const QRegularExpression& image_or_html() {
  static const QRegularExpression expression(
      QStringLiteral(
          "\\x{FFFC}|<!--.*?-->|</?(?:a|abbr|article|aside|b|blockquote|br|center|code|dd|del|details|div|dl|"
          "dt|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|iframe|img|kbd|li|link|nav|ol|p|picture|pre|"
          "script|section|small|source|span|strong|style|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|"
          "ul|video)(?:\\s[^<>]*|/)?>"),
      QRegularExpression::DotMatchesEverythingOption | QRegularExpression::CaseInsensitiveOption);
  return expression;
}

struct Replacement {
  int position = 0, length = 0;
  QString text;
  QString image;  // its name, where one is replaced
};

bool continues(const Replacement& before, const Replacement& next) {
  return !before.image.isNull() && before.image == next.image && before.position + before.length == next.position;
}

QTextCharFormat format_of(QTextDocument& document, int position) {
  QTextCursor cursor(&document);
  cursor.setPosition(position + 1);
  return cursor.charFormat();
}

// In the order of the text.
std::vector<Replacement> replacements_in(QTextDocument& document, const QTextBlock& block) {
  std::vector<Replacement> replacements;
  const QString text = block.text();
  for (auto found = image_or_html().globalMatch(text); found.hasNext();) {
    const auto match = found.next();
    Replacement next{
        block.position() + static_cast<int>(match.capturedStart()), static_cast<int>(match.capturedLength()), {}, {}};
    const QTextCharFormat format = format_of(document, next.position);
    if (format.fontFixedPitch()) continue;  // a tag in a code span is meant to be read
    if (format.isImageFormat()) {
      next.image = format.toImageFormat().name();
      next.text = format.stringProperty(QTextFormat::ImageAltText);
    } else if (match.capturedView().startsWith(QLatin1String("<br"), Qt::CaseInsensitive)) {
      next.text = QChar(QChar::LineSeparator);
    }
    // Emphasis in a description makes several images of one.
    if (!replacements.empty() && continues(replacements.back(), next)) {
      replacements.back().text += next.text;
      ++replacements.back().length;
    } else {
      replacements.push_back(next);
    }
  }
  return replacements;
}

void remove_empty_block(QTextCursor& cursor, const QTextBlock& block) {
  cursor.setPosition(block.position());
  if (cursor.currentTable() != nullptr) return;  // an empty cell is still a cell
  const QTextFrame* const frame = cursor.currentFrame();
  if (!block.previous().isValid()) {
    if (block.next().isValid() && frame == frame->document()->rootFrame()) cursor.deleteChar();
    return;
  }
  cursor.setPosition(block.previous().position());
  if (cursor.currentFrame() != frame) return;  // the block that separates a table from its neighbour stays
  cursor.setPosition(block.position());
  cursor.select(QTextCursor::BlockUnderCursor);
  cursor.removeSelectedText();
}

}  // namespace

std::optional<QUrl> web_address(const QString& link) {
  const QUrl url(link.trimmed());
  if (!url.isValid() || (url.scheme() != QLatin1String("https") && url.scheme() != QLatin1String("http")))
    return std::nullopt;
  if (url.host().isEmpty() || !url.userInfo().isEmpty()) return std::nullopt;
  return url;
}

CardDocument::CardDocument() {
  setUndoRedoEnabled(false);
  setDocumentMargin(kMargin);
  setIndentWidth(20);
  QTextOption option = defaultTextOption();
  option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
  setDefaultTextOption(option);
}

// Where this answers with nothing, Qt goes on to open the name as a file of its own accord: one clear pixel keeps it
// from that. No image is left in the document when it is shown; this is the second lock on the door.
QVariant CardDocument::loadResource(int type, const QUrl&) {
  if (type != ImageResource) return {};
  QImage nothing(1, 1, QImage::Format_ARGB32_Premultiplied);
  nothing.fill(Qt::transparent);
  return nothing;
}

std::unique_ptr<CardDocument> CardDocument::laid_out(const QString& markdown, const Theme& theme) {
  std::unique_ptr<CardDocument> document(new CardDocument);
  document->setDefaultFont(theme.sans());
  // One edit from beginning to end: Qt's reader makes thousands, and each would walk the whole document. The steps
  // that follow are edits of their own, as tables and frames are known only when the edit that made them has ended.
  QTextCursor edit(document.get());
  edit.beginEditBlock();
  MarkdownFeatures features(MarkdownDialectGitHub);
  features |= MarkdownNoHTML;
  document->setMarkdown(markdown, features);
  edit.endEditBlock();
  document->replace_images_and_html();
  style_card(*document, theme);
  return document;
}

std::unique_ptr<CardDocument> CardDocument::as_written(const QString& text, const Theme& theme) {
  std::unique_ptr<CardDocument> document(new CardDocument);
  document->setDefaultFont(theme.mono(12));
  QTextCharFormat format;
  format.setForeground(theme.colors().text);
  QTextCursor(document.get()).insertText(with_short_lines(text, kLongestLine), format);
  return document;
}

QString CardDocument::described(const QString& image) {
  const QString told = image.simplified();
  return told.isEmpty() ? tr("[image]") : tr("[image: %1]").arg(told);
}

void CardDocument::replace_images_and_html() {
  QTextCursor cursor(this);
  cursor.beginEditBlock();
  for (QTextBlock block = lastBlock(), before; block.isValid(); block = before) {
    before = block.previous();
    if (is_code_block(block.blockFormat())) continue;
    const auto replacements = replacements_in(*this, block);
    for (const Replacement& replacement : replacements | std::views::reverse) {
      cursor.setPosition(replacement.position);
      cursor.setPosition(replacement.position + replacement.length, QTextCursor::KeepAnchor);
      QTextCharFormat format;
      const bool image = !replacement.image.isNull();
      if (image) format.setProperty(kStandsForImage, true);
      cursor.insertText(image ? described(replacement.text) : replacement.text, format);
    }
    if (!replacements.empty() && block.text().trimmed().isEmpty()) remove_empty_block(cursor, block);
  }
  cursor.endEditBlock();
}

}  // namespace fovea
