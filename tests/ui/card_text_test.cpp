#include "ui/card/card_text.hpp"

#include <gtest/gtest.h>

#include <QStringList>

namespace fovea {
namespace {

TEST(CardText, LeavesOutTheYamlAtTheTop) {
  EXPECT_EQ(card_body("---\nlicense: mit\ntags: [a]\n---\n# Title\n"), "# Title\n");
  EXPECT_EQ(card_body("---\r\nlicense: mit\r\n---  \r\n# Title\r\n"), "# Title\n");
  EXPECT_EQ(card_body("---\n---\nText"), "Text");
  EXPECT_EQ(card_body("---\na: b\n---"), "");
}

TEST(CardText, KeepsWhatIsNoYaml) {
  for (const char* text : {"# Title\n---\nText\n---\n", "---\nno end\n", "text", "", "---\nTitle\n-----\nText"})
    EXPECT_EQ(card_body(text), text);
}

TEST(CardText, CharactersThatAreStructureToQtAreReplaced) {
  QString text = "a0b0c0d0e0f";
  const char16_t structure[] = {0, 0xfdd0, 0xfdd1, 0xfffc, 0x2029};
  for (int i = 0; i < 5; ++i) text[2 * i + 1] = structure[i];
  EXPECT_EQ(card_body(text), QString("a0b0c0d0e0f").replace('0', QChar::ReplacementCharacter));
}

TEST(CardText, OrdinaryCardsAreNotIntricate) {
  QString card = "# Title\n\n";
  for (int section = 0; section < 40; ++section) {
    card += "## Part\n\nA paragraph of words. " + QString("And more words. ").repeated(60) + "\n\n- one\n- two\n\n";
    card += "| a | b | c |\n|---|:-:|--:|\n" + QString("| 1 | 2 | 3 |\n").repeated(20) + "\n```\ncode\n```\n\n";
  }
  card += "[1]: https://example.org/one\n[2]: https://example.org/two\n";
  EXPECT_GT(card.size(), 50'000);
  EXPECT_FALSE(is_intricate(card));
}

TEST(CardText, WhatQtWouldTakeLongOverIsIntricate) {
  const QString wide = QString("|a").repeated(65) + "|\n" + QString("|---").repeated(65) + "|\n";
  EXPECT_TRUE(is_intricate(wide));
  EXPECT_TRUE(is_intricate("> " + wide.split('\n').join("\n> ")));
  const QString head = "|a|b|\n|---|---|\n";
  EXPECT_FALSE(is_intricate(head + QString("|1|2|\n").repeated(900)));
  EXPECT_TRUE(is_intricate(head + QString("x\n").repeated(3'000)));  // rows need no bars
  EXPECT_TRUE(is_intricate((head + QString("|1|2|\n").repeated(20) + '\n').repeated(100)));
  EXPECT_TRUE(is_intricate(QString("- item\n\n").repeated(5'000)));
  EXPECT_TRUE(is_intricate(QString("1. item\n\n").repeated(5'000)));
  EXPECT_TRUE(is_intricate(QString("- ").repeated(5'000) + "item"));
  EXPECT_TRUE(is_intricate(QString("- ").repeated(9'000) + "item"));
  EXPECT_FALSE(is_intricate((QString("- item\n").repeated(1'000) + "\ntext\n\n").repeated(6)));
  EXPECT_TRUE(is_intricate(QString(30'000, 'x')));
  EXPECT_TRUE(is_intricate(QString("`a``b```c\n").repeated(3'000)));
  EXPECT_TRUE(is_intricate("[a]: http://x/" + QString(1'000, 'y') + "\n\n[a] [a]"));
  EXPECT_TRUE(is_intricate("# T\n> [a\n> b]: http://x/" + QString(1'000, 'y')));
  EXPECT_FALSE(is_intricate("An index a[1]: " + QString("and words ").repeated(200)));
  EXPECT_TRUE(is_intricate(QString("\n").repeated(30'000)));
}

TEST(CardText, LongLinesAreBroken) {
  EXPECT_EQ(with_short_lines("abcdefg\n\nxy\n", 3), "abc\ndef\ng\n\nxy\n");
  EXPECT_EQ(with_short_lines("", 3), "");
}

}  // namespace
}  // namespace fovea
