#include "ui/panels/transcript_layout.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

// Every character is ten pixels wide.
TranscriptLayout layout_of(double width, const std::vector<std::string>& texts) {
  TranscriptLayout layout;
  layout.start([](const QString& text) { return 10.0 * static_cast<double>(text.size()); }, width);
  for (const std::string& text : texts) layout.append({0, text, text.empty() ? "<0xE4>" : text, false});
  return layout;
}

std::vector<std::string> lines_of(const TranscriptLayout& layout) {
  std::vector<std::string> lines;
  for (const auto& line : layout.lines()) {
    std::string text;
    for (const auto& fragment : line)
      if (fragment.kind == TranscriptLayout::Kind::text) text += fragment.text.toStdString();
    lines.push_back(text);
  }
  return lines;
}

TEST(TranscriptLayout, WordsOfSeveralTokensStayWhole) {
  const auto layout = layout_of(100, {"She", " liv", "ed", " hap", "pi", "ly"});
  EXPECT_EQ(lines_of(layout), (std::vector<std::string>{"She lived", "happily"}));
  EXPECT_EQ(layout.lines()[1][0].token, 3u);
  EXPECT_DOUBLE_EQ(layout.lines()[1][1].x, 30);
}

TEST(TranscriptLayout, ChineseBreaksAnywhere) {
  EXPECT_EQ(lines_of(layout_of(40, {"从前", "有一", "个"})), (std::vector<std::string>{"从前有一", "个"}));
}

TEST(TranscriptLayout, PunctuationStaysWithWhatItBelongsTo) {
  EXPECT_EQ(lines_of(layout_of(40, {"从", "前", "有", "山", "。", "山"})), (std::vector<std::string>{"从前有", "山。山"}));
  EXPECT_EQ(lines_of(layout_of(40, {"小", "兔", "说", "“", "好", "。”"})), (std::vector<std::string>{"小兔说", "“好。”"}));
  EXPECT_EQ(lines_of(layout_of(30, {"第", "一", "章", ",", "山"})), (std::vector<std::string>{"第一", "章,山"}));
  EXPECT_EQ(lines_of(layout_of(40, {"土", "，说", "：", "“对", "不起"})), (std::vector<std::string>{"土，说：", "“对不起"}));
  // A line of nothing else still ends.
  EXPECT_EQ(lines_of(layout_of(20, {"。", "。", "。"})), (std::vector<std::string>{"。。", "。"}));
}

TEST(TranscriptLayout, LineFeedsBelongToTheirToken) {
  const auto layout = layout_of(200, {"a", ".\n\n", "b"});
  EXPECT_EQ(lines_of(layout), (std::vector<std::string>{"a.", "", "b"}));
  EXPECT_EQ(layout.lines()[1][0].kind, TranscriptLayout::Kind::line_end);
  EXPECT_EQ(layout.token_at(1, 5), 1u);
}

TEST(TranscriptLayout, ATokenWithoutTextCanStillBePointedAt) {
  const auto layout = layout_of(200, {"a", "", "b"});
  EXPECT_EQ(layout.lines()[0][1].kind, TranscriptLayout::Kind::silent);
  EXPECT_EQ(layout.token_at(0, 15), 1u);
}

TEST(TranscriptLayout, ATextWiderThanALineIsCut) {
  const auto layout = layout_of(50, {std::string(23, '=')});
  EXPECT_GE(layout.lines().size(), 5u);
  for (const auto& line : layout.lines())
    for (const auto& fragment : line) EXPECT_LE(fragment.x + fragment.width, 50);
}

TEST(TranscriptLayout, FindsTokensByPlaceAndPlacesByToken) {
  const auto layout = layout_of(60, {"one", " two", " three", " four"});
  EXPECT_EQ(lines_of(layout), (std::vector<std::string>{"one", "two", "three", "four"}));
  for (std::uint32_t token = 0; token < 4; ++token) EXPECT_EQ(layout.line_of(token), token);
  EXPECT_FALSE(layout.line_of(4));
  EXPECT_FALSE(layout.token_at(0, 31));
  EXPECT_EQ(layout.token_at(0, 31, 5), 0u);
  EXPECT_EQ(layout.nearest(2, 1000), 2u);
  EXPECT_FALSE(layout.token_at(9, 0));
}

TEST(TranscriptLayout, AppendingEqualsStartingOver) {
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) texts.push_back(i % 17 == 0 ? "\n" : i % 5 == 0 ? "ab" : " word");
  const auto whole = layout_of(130, texts);
  TranscriptLayout grown = layout_of(130, {});
  for (const std::string& text : texts) grown.append({0, text, text, false});
  EXPECT_EQ(lines_of(grown), lines_of(whole));
  EXPECT_EQ(grown.tokens(), 500u);
}

}  // namespace
}  // namespace fovea
