#include "ui/card/card_document.hpp"

#include <gtest/gtest.h>

#include <QAbstractTextDocumentLayout>
#include <QElapsedTimer>
#include <QImage>
#include <QTemporaryDir>
#include <QTextBlock>
#include <QTextTable>
#include <random>

#include "ui/card/card_text.hpp"

namespace fovea {
namespace {

class CardDocumentTest : public testing::Test {
 protected:
  const QTextDocument& lay_out(const QString& markdown) {
    document_ = CardDocument::laid_out(markdown, theme_);
    return *document_;
  }
  // The format of the first character of `word`.
  QTextCharFormat format_of(const QString& word) const {
    QTextCursor cursor = document_->find(word);
    EXPECT_FALSE(cursor.isNull()) << word.toStdString();
    cursor.setPosition(cursor.selectionStart() + 1);
    return cursor.charFormat();
  }
  Theme theme_;
  std::unique_ptr<CardDocument> document_;
};

TEST_F(CardDocumentTest, OnlyWebAddressesAreLinks) {
  lay_out(
      "[web](https://example.org/a?b=c) [old](http://example.org) [local](file:///etc/passwd) [near](LICENSE)\n"
      "[script](javascript:alert(1)) [anchor](#top) [named](https://example.org@evil.example/) "
      "[data](data:text/html,x)");
  EXPECT_EQ(format_of("web").anchorHref(), "https://example.org/a?b=c");
  EXPECT_EQ(format_of("old").anchorHref(), "http://example.org");
  for (const char* word : {"local", "near", "script", "anchor", "named", "data"}) {
    EXPECT_FALSE(format_of(word).isAnchor()) << word;
    EXPECT_EQ(format_of(word).anchorHref(), "") << word;
    EXPECT_EQ(format_of(word).foreground().color(), theme_.colors().text) << word;
  }
}

TEST_F(CardDocumentTest, ATooltipTellsTheTrueAddress) {
  lay_out("[https://bank.example](https://ex\u0430mple.org/x \"https://bank.example\")");
  const QTextCharFormat format = format_of("https");
  EXPECT_TRUE(format.toolTip().startsWith("https://xn--")) << format.toolTip().toStdString();
  EXPECT_EQ(format.toolTip(), format.anchorHref());
  lay_out("[long](https://example.org/" + QString(3'000, 'x') + ")");
  EXPECT_TRUE(format_of("long").toolTip().startsWith("https://example.org/x"));
  EXPECT_LT(format_of("long").toolTip().size(), 400);
}

TEST_F(CardDocumentTest, ImagesAreTheirDescriptionsAndAreNeverLoaded) {
  const QTemporaryDir folder;
  const QString file = folder.filePath("red.png");
  QImage red(64, 64, QImage::Format_RGB32);
  red.fill(Qt::red);
  ASSERT_TRUE(red.save(file));
  lay_out("![a *red* square](" + file + ") ![ ](file://" + file + ")\n\n<img src=\"" + file + "\">\n\n[![badge](" +
          file + ")](https://example.org)\n");
  const QString text = document_->toPlainText();
  EXPECT_FALSE(text.contains(QChar::ObjectReplacementCharacter));
  EXPECT_TRUE(text.contains("[image: a red square]"));
  EXPECT_TRUE(text.contains("[image: badge]"));
  EXPECT_TRUE(text.contains("[image]"));
  EXPECT_FALSE(text.contains("<img"));
  EXPECT_EQ(format_of("badge").foreground().color(), theme_.colors().dim);
  // Even a document that did hold one would show a clear pixel.
  const QVariant resource = document_->resource(QTextDocument::ImageResource, QUrl::fromLocalFile(file));
  EXPECT_EQ(resource.value<QImage>().size(), QSize(1, 1));
  EXPECT_FALSE(document_->resource(QTextDocument::StyleSheetResource, QUrl("https://example.org/a.css")).isValid());
}

TEST_F(CardDocumentTest, HtmlTagsGoAndTheirTextStays) {
  lay_out(
      "<div align=\"center\">\n  <h1 style=\"color:white\">Title</h1>\n</div>\n\nA<br/>B, ends with <s> or <unk>, "
      "`<b>` "
      "in code.\n\n<!-- said\nto nobody -->\n\n    <p>listing</p>\n\n<script>x</script>\n\nafter\n");
  const QString text = document_->toPlainText();
  EXPECT_TRUE(text.contains("Title"));
  for (const char* gone : {"<div", "<h1", "style", "<br", "nobody", "<script"})
    EXPECT_FALSE(text.contains(gone)) << gone;
  for (const char* kept : {"A\nB", "<s> or <unk>", "<b> in code", "<p>listing</p>", "after"})
    EXPECT_TRUE(text.contains(kept)) << kept;
}

TEST_F(CardDocumentTest, WearsTheThemesColoursAndType) {
  for (const ThemeMode mode : {ThemeMode::light, ThemeMode::dark}) {
    theme_.set_mode(mode);
    lay_out("# Head\n\nplain **bold** *slanted* `code` [link](https://x.y)\n\n> quoted\n\n```\nlisting\nsecond\n```\n");
    const ThemeColors& colors = theme_.colors();
    EXPECT_EQ(format_of("plain").foreground().color(), colors.text);
    EXPECT_EQ(format_of("link").foreground().color(), colors.accent);
    EXPECT_EQ(format_of("quoted").foreground().color(), colors.dim);
    EXPECT_EQ(format_of("code").background().color(), colors.hover);
    EXPECT_EQ(format_of("bold").fontWeight(), QFont::DemiBold);
    EXPECT_TRUE(format_of("slanted").fontItalic());
    EXPECT_EQ(format_of("Head").intProperty(QTextFormat::FontPixelSize), 20);
    for (const char* word : {"code", "listing", "second"})
      EXPECT_EQ(format_of(word).fontFamilies().toStringList(), theme_.mono().families()) << word;
  }
}

TEST_F(CardDocumentTest, TablesAreTables) {
  lay_out("| name | value |\n|---|--:|\n| one | 1 |\n| two | 2 |\n");
  const auto frames = document_->rootFrame()->childFrames();
  ASSERT_EQ(frames.size(), 1);
  const auto* table = qobject_cast<QTextTable*>(frames[0]);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->rows(), 3);
  EXPECT_EQ(table->columns(), 2);
  EXPECT_EQ(table->format().borderBrush().color(), theme_.colors().line);
  EXPECT_EQ(table->cellAt(0, 0).format().background().color(), theme_.colors().ground);
}

TEST_F(CardDocumentTest, ACellThatHeldNothingButTagsIsStillACell) {
  lay_out("| a | b |\n|---|---|\n| <br><i > | <b></b> |\n\n<b></b>\n\n<i></i>\n\nafter\n");
  const auto* table = qobject_cast<QTextTable*>(document_->rootFrame()->childFrames().value(0));
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->rows(), 2);
  document_->setTextWidth(300);
  EXPECT_GT(document_->size().height(), 40);
  EXPECT_TRUE(document_->toPlainText().endsWith("after"));
}

TEST_F(CardDocumentTest, LongWordsBreakInsteadOfWideningThePage) {
  lay_out(QString(2'000, 'x') + "\n\n```\n" + QString(2'000, 'y') + "\n```\n");
  document_->setTextWidth(300);
  EXPECT_LE(document_->size().width(), 300);
}

TEST_F(CardDocumentTest, TheWorstThatIsLaidOutTakesNoTime) {
  const QString table = "|" + QString("a|").repeated(60) + "\n|" + QString("---|").repeated(60) + "\n" +
                        QString("|" + QString("b|").repeated(60) + "\n").repeated(60);
  const QString spans = (QString("a `b` **c** <b>d</b> ").repeated(900) + "\n\n").repeated(4);
  for (const QString& worst :
       {table, spans, QString("- item\n\n").repeated(4'000), QString("[a](b) ").repeated(2'800)}) {
    ASSERT_FALSE(is_intricate(worst));
    QElapsedTimer timer;
    timer.start();
    lay_out(worst);
    document_->setTextWidth(400);
    EXPECT_GT(document_->size().height(), 100);
    EXPECT_LT(timer.elapsed(), 5'000);  // a tenth of this on an idle machine; minutes where Qt goes astray
  }
}

TEST_F(CardDocumentTest, AnyMixtureIsLaidOutWithoutImagesAndFalseLinks) {
  const QStringList pieces{"```\n",   "    code\n",  "\n",   "\n\n",   "- ",          "1. ",   "> ",
                           "|a|b|\n", "# ",          "|",    "text",   "|---|---|\n", "<div>", "</div>",
                           "<br>",    "![x](y)",     "`",    "**",     "[l](//a.b)",  "---\n", "<!--",
                           "-->",     "<img src=x>", "汉字", "- [x] ", "[r]: x:y\n",  "[r]",   "\\"};
  std::mt19937 random(7);
  for (int round = 0; round < 1'000; ++round) {
    QString mixture;
    for (std::size_t i = 0, count = 1 + random() % 50; i < count; ++i)
      mixture += pieces[static_cast<qsizetype>(random() % static_cast<std::size_t>(pieces.size()))];
    lay_out(card_body(mixture));
    document_->setTextWidth(200);
    EXPECT_GT(document_->size().height(), 0);
    for (QTextBlock block = document_->begin(); block.isValid(); block = block.next())
      for (auto at = block.begin(); !at.atEnd(); ++at) {
        const QTextCharFormat format = at.fragment().charFormat();
        ASSERT_FALSE(format.isImageFormat() || format.isAnchor()) << mixture.toStdString();
      }
  }
}

TEST_F(CardDocumentTest, AsWrittenIsTheSource) {
  const QString source = "# Head\n\n<img src=x> ![a](b) [c](https://d)\n" + QString(9'000, 'x');
  const auto document = CardDocument::as_written(source, theme_);
  EXPECT_EQ(document->toPlainText().remove('\n'), QString(source).remove('\n'));
  EXPECT_EQ(document->blockCount(), 6);
}

}  // namespace
}  // namespace fovea
