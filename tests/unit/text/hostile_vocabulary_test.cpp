// Vocabularies that lie: an error sentence or sane behaviour, never a crash or a hang.
#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "tests/unit/text/vocabularies.hpp"

namespace fovea::test {
namespace {

// What creation says; "" where it succeeds.
std::string complaint(const GgufBytes& image) {
  const auto tokenizer = make_tokenizer(image);
  return tokenizer ? "" : tokenizer.error().sentence();
}

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr auto says = [](const std::string& sentence, std::string_view part) {
  return sentence.find(part) != std::string::npos;
};

TEST(HostileVocabulary, MissingParts) {
  EXPECT_TRUE(says(complaint(GgufBytes()), "tokenizer.ggml.model"));
  GgufBytes strange;
  strange.string("tokenizer.ggml.model", "rwkv\x1b[2J");
  EXPECT_TRUE(says(complaint(strange), "'rwkv?[2J'"));
  GgufBytes merges;
  merges.string("tokenizer.ggml.model", "gpt2");
  EXPECT_TRUE(says(complaint(merges), "tokenizer.ggml.merges"));
  GgufBytes tokens;
  tokens.string("tokenizer.ggml.model", "llama");
  EXPECT_TRUE(says(complaint(tokens), "tokenizer.ggml.tokens"));
}

TEST(HostileVocabulary, NoTokens) {
  GgufBytes image;
  image.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", {});
  EXPECT_TRUE(says(complaint(image), "empty"));
}

TEST(HostileVocabulary, ListsOfAnotherLengthOrType) {
  for (const std::string key : {"tokenizer.ggml.token_type", "tokenizer.ggml.scores"}) {
    GgufBytes image;
    image.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", {"a", "b", "c"});
    const bool types = key.ends_with("type");
    auto shorter = image;
    shorter.array(key, types ? 5 : 6, 1).raw().put<std::uint32_t>(0);
    EXPECT_TRUE(says(complaint(shorter), "1 entries for 3 tokens")) << key;
    auto words = image;
    words.strings(key, {"1", "1", "1"});
    EXPECT_TRUE(says(complaint(words), "is not a list")) << key;
  }
}

TEST(HostileVocabulary, IdsOutOfRange) {
  for (const std::string key : {"bos", "eos", "eot", "unknown", "fim_pad"}) {
    auto image = byte_level("gpt-2", {}, {});
    image.u32("tokenizer.ggml." + key + "_token_id", 256);
    EXPECT_TRUE(says(complaint(image), "256, outside the 256 tokens")) << key;
    auto none = byte_level("gpt-2", {}, {});
    none.u32("tokenizer.ggml." + key + "_token_id", std::numeric_limits<std::uint32_t>::max());
    EXPECT_EQ(complaint(none), "") << key;
  }
  // Defaults that a short list cannot hold are no tokens at all.
  GgufBytes short_list;
  short_list.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", {"a"});
  const auto tokenizer = make_tokenizer(short_list);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->bos(), -1);
  EXPECT_EQ(tokenizer->eos(), -1);
  EXPECT_FALSE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->encode("a"), (Ids{0, 0, 0, 0}));  // the escaped space has no bytes here: three unknown tokens
}

TEST(HostileVocabulary, AsksOfIdsThatAreNone) {
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", {}, {}));
  ASSERT_TRUE(tokenizer);
  for (const TokenId token : {-1, 256, std::numeric_limits<TokenId>::max(), std::numeric_limits<TokenId>::min()}) {
    EXPECT_EQ(tokenizer->bytes(token, true), "");
    EXPECT_EQ(tokenizer->piece(token), "");
    EXPECT_EQ(tokenizer->decode(Ids{'a', token, 'b'}), "ab");
    EXPECT_FALSE(tokenizer->ends_generation(token));
    EXPECT_FALSE(tokenizer->is_control(token));
  }
}

TEST(HostileVocabulary, MergesOfNothing) {
  const std::vector<std::string> merges{"", " ", "x", "nosuch token", "a  b", " a", "a ", "\xFF \xFE", "b c", "b c"};
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", merges, {{"bc"}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("abc nosuchtoken", plain).size(), 2u + 12u);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("abc nosuchtoken")), "abc nosuchtoken");
}

TEST(HostileVocabulary, DuplicateAndEmptyTokens) {
  const auto tokenizer = make_tokenizer(byte_level("gpt-2", {}, {{"<x>", 4}, {"<x>", 4}, {"", 4}, {"", 3}, {"a"}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("a<x>"), (Ids{'a', 256}));
  EXPECT_EQ(tokenizer->decode(Ids{257, 258, 260}), "<x>a");
}

TEST(HostileVocabulary, KindsAndBytesThatAreNone) {
  std::vector<ListedToken> more{{"<0xZZ>", 6}, {"<0x-1>", 6}, {"<0x", 6},
                                {"q", 77},     {"r", -5},     {"\xE2\x96", 1, std::numeric_limits<float>::quiet_NaN()}};
  const auto tokenizer = make_tokenizer(sentence_piece(more));
  ASSERT_TRUE(tokenizer);
  for (TokenId token = 259; token < 264; ++token) EXPECT_EQ(tokenizer->bytes(token), "");
  EXPECT_EQ(tokenizer->bytes(264), "\xE2\x96");
}

TEST(HostileVocabulary, ScoresThatAreNotNumbersComeLast) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const auto tokenizer = make_tokenizer(sentence_piece(
      {{"▁"}, {"a"}, {"b"}, {"c"}, {"ab", 1, nan}, {"bc", 1, -1e30f}, {"▁a", 1, -infinity}, {"ca", 1, infinity}}));
  ASSERT_TRUE(tokenizer);
  const std::string text = "abcabcabccba";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  EXPECT_EQ(tokenizer->encode("abc", plain).back(), 264);
}

// Quadratic work on a megabyte would take minutes.
TEST(HostileVocabulary, LongWordsAndLongTokensDoNotHang) {
  const std::size_t length = std::size_t{1} << 20;
  const std::vector<std::string> merges{"a a", "aa aa", "aaaa aaaa", "Ġ Ġ", "ĠĠ ĠĠ"};
  const std::vector<ListedToken> more{{"aa"}, {"aaaa"}, {"aaaaaaaa"}, {"ĠĠ"}, {"ĠĠĠĠ"}, {std::string(length, 'b'), 4}};
  const auto bpe = make_tokenizer(byte_level("qwen2", merges, more));
  const auto pieces = make_tokenizer(
      sentence_piece({{"▁"}, {"a"}, {"aa", 1, -1}, {"aaaa", 1, -2}, {"▁▁", 1, -3}, {std::string(length, 'b')}}));
  ASSERT_TRUE(bpe && pieces);
  std::string lines;
  while (lines.size() < length) lines += "\n ";
  const double seconds = seconds_of([&] {
    for (const std::string& text :
         {std::string(length, 'a'), std::string(length, ' '), std::string(length, '\n'), std::string(length, '1'),
          std::string(length, '\xFF'), std::string(length - 1, 'b'), std::string(length, 'b'), lines}) {
      EXPECT_EQ(bpe->decode(bpe->encode(text)), text);
      EXPECT_EQ(pieces->decode(pieces->encode(text)), text);
    }
  });
  EXPECT_LT(seconds, 60);
}

TEST(HostileVocabulary, ThousandsOfAddedTokensDoNotHang) {
  std::vector<ListedToken> more;
  for (int i = 0; i < 5000; ++i) more.push_back({"<|extra_" + std::to_string(i) + "|>", 4});
  const auto tokenizer = make_tokenizer(byte_level("qwen2", {}, more));
  ASSERT_TRUE(tokenizer);
  std::string text;
  while (text.size() < 500000) text += "<|extra_<|extra_42|>";
  const double seconds = seconds_of([&] { EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text); });
  EXPECT_LT(seconds, 20);
}

TEST(HostileVocabulary, NestedAddedTokensDoNotHang) {
  std::vector<ListedToken> more;
  for (std::size_t length = 2; length < 2000; ++length) more.push_back({std::string(length, 'a'), 4});
  const auto tokenizer = make_tokenizer(byte_level("qwen2", {}, more));
  ASSERT_TRUE(tokenizer);
  const std::string text(50001, 'a');
  const double seconds = seconds_of([&] { EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text); });
  EXPECT_LT(seconds, 20);
}

}  // namespace
}  // namespace fovea::test
