#include <gtest/gtest.h>

#include "tests/unit/text/vocabularies.hpp"

namespace fovea::test {
namespace {

// From id 259 on. The best score joins first, whatever the place.
const std::vector<ListedToken> small{{"▁"},         {"h"},           {"e"},          {"l"},
                                     {"o"},         {"▁h", 1, -1},   {"▁he", 1, -2}, {"el", 1, -3},
                                     {"lo", 1, -4}, {"▁hel", 1, -9}, {"<b>", 4}};

TEST(SentencePiece, JoinsTheBestScoreFirst) {
  const auto tokenizer = make_tokenizer(sentence_piece(small));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("hello", plain), (Ids{268, 267}));     // ▁he and lo first, then ▁hel
  EXPECT_EQ(tokenizer->encode("hell", plain), (Ids{268, 262}));      // ▁hel l
  EXPECT_EQ(tokenizer->encode("oel", plain), (Ids{259, 263, 266}));  // ▁ o el
  EXPECT_EQ(tokenizer->encode(" el", plain), (Ids{259, 259, 266}));  // ▁ ▁ el
}

TEST(SentencePiece, AddsBosAndFallsBackToBytes) {
  const auto tokenizer = make_tokenizer(sentence_piece(small));
  ASSERT_TRUE(tokenizer);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_TRUE(tokenizer->ends_generation(2));
  EXPECT_EQ(tokenizer->encode("\n\xE4\xBD\xA0\xFF"), (Ids{1, 259, 3 + 0x0A, 3 + 0xE4, 3 + 0xBD, 3 + 0xA0, 3 + 0xFF}));
  EXPECT_EQ(tokenizer->encode(""), (Ids{1}));
  EXPECT_EQ(tokenizer->bytes(3 + 0x0A), "\n");
}

TEST(SentencePiece, PutsASpaceAtTheStartAndAfterAddedTokens) {
  const auto tokenizer = make_tokenizer(sentence_piece(small));
  ASSERT_TRUE(tokenizer);
  const Ids ids = tokenizer->encode("he<b>he</s>he", {.add_bos = false});
  EXPECT_EQ(ids, (Ids{265, 269, 265, 2, 265}));
  EXPECT_EQ(tokenizer->decode(ids, true), "he<b>he</s>he");
  EXPECT_EQ(tokenizer->decode(ids), "he<b>hehe");
  EXPECT_EQ(tokenizer->bytes(265), " he");
}

TEST(SentencePiece, LeavesTheSpaceOutWhereTheFileSaysSo) {
  auto image = sentence_piece(small);
  const auto tokenizer =
      make_tokenizer(image.boolean("tokenizer.ggml.add_space_prefix", 0).boolean("tokenizer.ggml.add_bos_token", 0));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("el"), (Ids{266}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(" he")), " he");
}

TEST(SentencePiece, DecodeUndoesEncode) {
  const auto tokenizer = make_tokenizer(sentence_piece(small));
  ASSERT_TRUE(tokenizer);
  for (const std::string text : {"hello", " hello", "  ", "\n", "h\xFFi", "ünïcode 🦙", "a <b> b", ""})
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

}  // namespace
}  // namespace fovea::test
