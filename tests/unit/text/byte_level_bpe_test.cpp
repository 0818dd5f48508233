#include <gtest/gtest.h>

#include "engine/text/pre_tokenizer.hpp"
#include "tests/unit/text/vocabularies.hpp"

namespace fovea::test {
namespace {

using Words = std::vector<std::string_view>;

Words words(std::string_view pre, std::string_view text) {
  const auto pre_tokenizer = PreTokenizer::create(pre);
  return pre_tokenizer ? pre_tokenizer->split(text) : Words{"(none)"};
}

TEST(PreTokenizer, Gpt2KeepsNumbersWholeAndOneSpaceBeforeAWord) {
  EXPECT_EQ(words("gpt-2", "I'll pay  12345 $$\n\n ok"),
            (Words{"I", "'ll", " pay", " ", " 12345", " $$", "\n\n", " ok"}));
  EXPECT_EQ(words("olmo", "I'LL"), (Words{"I", "'", "LL"}));
}

TEST(PreTokenizer, Qwen2CutsDigitsAndKeepsLineEndsWithSymbols) {
  EXPECT_EQ(words("qwen2", "I'LL pay 12 {\n  x"), (Words{"I", "'LL", " pay", " ", "1", "2", " {\n", " ", " x"}));
  EXPECT_EQ(words("qwen2", "\xC5\xBFtop 'ſ"), (Words{"ſtop", " '", "ſ"}));
}

TEST(PreTokenizer, LlamaBpeTakesThreeDigits) {
  EXPECT_EQ(words("llama-bpe", "1234567 a"), (Words{"123", "456", "7", " a"}));
  EXPECT_EQ(words("llama3", "12345"), (Words{"123", "45"}));
  EXPECT_EQ(words("default", "12345,"), (Words{"123", "45", ","}));
}

TEST(PreTokenizer, ReadsWhiteSpaceAsUnicodeDoes) {
  // U+3000 is white space; U+180E no longer is, and counts as a symbol.
  EXPECT_EQ(words("gpt-2", "a\u3000\u3000b"), (Words{"a", "\u3000", "\u3000", "b"}));
  EXPECT_EQ(words("gpt-2", "a \u180E"), (Words{"a", " \u180E"}));
}

TEST(PreTokenizer, BytesThatAreNotUtf8AreSymbols) {
  EXPECT_EQ(words("gpt-2", "ab\xFF\xFE cd\xE4\xBD"), (Words{"ab", "\xFF\xFE", " cd", "\xE4\xBD"}));
}

TEST(PreTokenizer, AnUnknownNameIsAnError) {
  const auto none = PreTokenizer::create("deepseek-llm");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::unsupported);
  EXPECT_NE(none.error().sentence().find("deepseek-llm"), std::string::npos);
}

TEST(ByteLevelBpe, JoinsByRankFromTheLeft) {
  // "b c" outranks "a b": abc is a + bc. Of three a the left two join.
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", {"b c", "a b", "a a"}, {{"bc"}, {"ab"}, {"aa"}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("abc"), (Ids{'a', 256}));
  EXPECT_EQ(tokenizer->encode("abab"), (Ids{257, 257}));
  EXPECT_EQ(tokenizer->encode("aaa"), (Ids{258, 'a'}));
}

TEST(ByteLevelBpe, EveryByteComesBack) {
  const auto tokenizer = make_tokenizer(byte_level("qwen2", {}, {}));
  ASSERT_TRUE(tokenizer);
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const Ids ids = tokenizer->encode(all);
  ASSERT_EQ(ids.size(), 256u);
  for (TokenId byte = 0; byte < 256; ++byte) EXPECT_EQ(ids[static_cast<std::size_t>(byte)], byte);
  EXPECT_EQ(tokenizer->decode(ids), all);
  EXPECT_EQ(tokenizer->bytes(' '), " ");
  EXPECT_EQ(tokenizer->piece(' '), "Ġ");
}

TEST(ByteLevelBpe, LlamaBpeTakesAWholeWordBeforeTheMerges) {
  const std::vector<std::string> merges{"a b"};
  const std::vector<ListedToken> more{{"ab"}, {"Ġabc"}, {"<s>", 3}};
  const auto merging = make_tokenizer(byte_level("dbrx", merges, more));
  auto image = byte_level("llama-bpe", merges, more);
  const auto whole = make_tokenizer(image.u32("tokenizer.ggml.bos_token_id", 258));
  ASSERT_TRUE(merging && whole);
  EXPECT_EQ(merging->encode(" abc"), (Ids{' ', 256, 'c'}));
  EXPECT_EQ(whole->encode(" abc"), (Ids{258, 257}));
  EXPECT_TRUE(whole->adds_bos());
  EXPECT_EQ(whole->encode(" abc", plain), (Ids{257}));
}

TEST(ByteLevelBpe, AMergeToNoTokenFallsBackToBytes) {
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", {"a b", "ab c", "abc d"}, {{"abcd"}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("abcd"), (Ids{256}));
  EXPECT_EQ(tokenizer->encode("abc"), (Ids{'a', 'b', 'c'}));
}

TEST(AddedTokens, ControlTokensAreFoundOnlyWhenParsed) {
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", {}, {{"<|im_end|>", 3}, {"<tool>", 4}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("a<|im_end|><tool>b"), (Ids{'a', 256, 257, 'b'}));
  const Ids unparsed = tokenizer->encode("a<|im_end|><tool>b", plain);
  EXPECT_EQ(unparsed.size(), 1u + 10u + 1u + 1u);
  EXPECT_EQ(unparsed[11], 257);
  EXPECT_EQ(tokenizer->decode(Ids{'a', 256, 257}), "a<tool>");
  EXPECT_EQ(tokenizer->decode(Ids{'a', 256, 257}, true), "a<|im_end|><tool>");
  EXPECT_TRUE(tokenizer->is_control(256));
  EXPECT_FALSE(tokenizer->is_control(257));
}

TEST(AddedTokens, TheLongestIsTakenWhereverItStands) {
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", {}, {{"xy", 4}, {"yzz", 4}, {"xyzzy", 4}, {"zz", 4}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("xyzzy"), (Ids{258}));
  EXPECT_EQ(tokenizer->encode("xyzz"), (Ids{'x', 257}));
  EXPECT_EQ(tokenizer->encode("xyzxyzzyzz"), (Ids{256, 'z', 258, 259}));
  EXPECT_EQ(tokenizer->encode("zzz"), (Ids{259, 'z'}));
}

TEST(EndOfGeneration, IsCollectedFromKeysAndTexts) {
  auto image =
      byte_level("qwen2", {}, {{"<|im_end|>"}, {"<|endoftext|>", 3}, {"<stop>", 3}, {"</s>", 4}, {"<turn>", 3}});
  image.u32("tokenizer.ggml.eos_token_id", 258).u32("tokenizer.ggml.eot_token_id", 260);
  const auto tokenizer = make_tokenizer(image);
  ASSERT_TRUE(tokenizer);
  for (const TokenId token : {256, 257, 258, 260}) EXPECT_TRUE(tokenizer->ends_generation(token)) << token;
  EXPECT_TRUE(tokenizer->is_control(256));  // stored as a normal token, but no answer should show it
  EXPECT_FALSE(tokenizer->ends_generation(259));
  EXPECT_FALSE(tokenizer->ends_generation('a'));
  EXPECT_EQ(tokenizer->eos(), 258);
  EXPECT_EQ(tokenizer->bos(), -1);
  EXPECT_FALSE(tokenizer->adds_bos());
}

TEST(EndOfGeneration, HarmonyEndsMessagesWithoutEndingTheAnswer) {
  const auto tokenizer =
      make_tokenizer(byte_level("gpt-2", {}, {{"<|end|>", 3}, {"<|return|>", 3}, {"<|call|>", 3}, {"<|channel|>", 3}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_FALSE(tokenizer->ends_generation(256));
  EXPECT_TRUE(tokenizer->ends_generation(257));
  EXPECT_TRUE(tokenizer->ends_generation(258));
  EXPECT_EQ(tokenizer->bytes(259), "<|channel|>");
}

}  // namespace
}  // namespace fovea::test
