#include "engine/text/utf8_stream.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/text/utf8.hpp"

namespace fovea {
namespace {

std::string streamed(const std::string& bytes) {
  Utf8Stream stream;
  return stream.push(bytes);
}

TEST(Utf8Stream, WithholdsHalfACodePoint) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.push("\xA6"), "");
  EXPECT_EQ(stream.push("\x99"
                        "b"),
            "🦙b");
  EXPECT_EQ(stream.finish(), 0u);
}

TEST(Utf8Stream, EveryPieceOfARandomSplitIsWholeAndTogetherTheyAreTheText) {
  std::mt19937 random(7);
  const char32_t ends[]{0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      char32_t value = std::uniform_int_distribution<std::uint32_t>(0, ends[random() % 4])(random);
      if (value >= 0xD800 && value < 0xE000) value = 0xFFFD;
      text += to_utf8(value);
    }
    Utf8Stream stream;
    std::string together;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = 1 + random() % 5;
      const std::string ready = stream.push(std::string_view(text).substr(at, length));
      EXPECT_TRUE(is_utf8(ready));
      together += ready;
      at += length;
    }
    EXPECT_EQ(together, text);
    EXPECT_EQ(stream.finish(), 0u);
  }
}

// The examples of Unicode 15, tables 3-8 to 3-11.
TEST(Utf8Stream, ReplacesOneMaximalSubpartEach) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(streamed("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                     "A"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(streamed("\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
                     "A"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(streamed("\xF4\x91\x92\x93\xFF"
                     "A\x80\xBF"
                     "B"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(streamed("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                     "A"),
            r + r + r + r + "A");
}

TEST(Utf8Stream, SplitInvalidBytesGiveTheSameAsWhole) {
  std::mt19937 random(11);
  const unsigned char kinds[]{'a', 0x80, 0xBF, 0xC2, 0xE0, 0xA0, 0xED, 0x9F, 0xF0, 0x90, 0xF4, 0x8F, 0xFF, 0xE1};
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (int i = 0; i < 24; ++i) bytes += static_cast<char>(kinds[random() % std::size(kinds)]);
    Utf8Stream whole, split;
    const std::string expected = whole.push(bytes);
    std::string together;
    for (const char byte : bytes) together += split.push({&byte, 1});
    EXPECT_EQ(together, expected);
    EXPECT_EQ(split.finish(), whole.finish());
  }
}

TEST(Utf8Stream, FinishDropsAndCountsTheUnfinished) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("ok\xE4\xBD"), "ok");
  EXPECT_EQ(stream.finish(), 2u);
  EXPECT_EQ(stream.push("next"), "next");
}

}  // namespace
}  // namespace fovea
