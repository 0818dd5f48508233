// The ids llama.cpp gives: its own test strings, and long texts through its llama-tokenize.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/unit/text/vocabularies.hpp"

namespace fovea::test {
namespace {

const std::filesystem::path shared = FOVEA_SHARED;

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// NAME.inp holds texts between separator lines, NAME.out a line of ids for each.
void expect_known_answers(const Tokenizer& tokenizer, const std::string& fixture) {
  constexpr std::string_view separator = "\n__ggml_vocab_test__\n";
  std::string inputs = contents(shared / "fixtures/vocab" / (fixture + ".inp"));
  std::istringstream answers(contents(shared / "fixtures/vocab" / (fixture + ".out")));
  std::size_t cases = 0;
  for (std::string line; std::getline(answers, line); ++cases) {
    const std::size_t end = inputs.find(separator);
    const std::string text = inputs.substr(0, end);
    inputs = end == std::string::npos ? std::string() : inputs.substr(end + separator.size());
    std::istringstream numbers(line);
    const Ids expected{std::istream_iterator<TokenId>(numbers), {}};
    EXPECT_EQ(tokenizer.encode(text, plain), expected) << fixture << " case " << cases << ": " << text;
    EXPECT_EQ(tokenizer.decode(expected), text) << fixture << " case " << cases;
  }
  EXPECT_GT(cases, 40u);
  EXPECT_TRUE(inputs.empty());
}

// FNV-1a over the ids as little-endian 32-bit numbers.
std::uint64_t fingerprint(const Ids& ids) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const TokenId id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFFu)) * 0x100000001B3u;
  return hash;
}

class KnownVocabulary : public testing::TestWithParam<std::string> {};

TEST_P(KnownVocabulary, GivesTheIdsOfLlamaCpp) {
  const auto path = shared / "fixtures/vocab" / GetParam();
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << path << " is not here; the shared fixtures are needed for this test";
  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file) << file.error().sentence();
  const auto tokenizer = Tokenizer::create(file->gguf());
  ASSERT_TRUE(tokenizer) << tokenizer.error().sentence();
  expect_known_answers(*tokenizer, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Fixtures, KnownVocabulary,
                         testing::Values("ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-spm.gguf",
                                         "ggml-vocab-falcon.gguf"),
                         [](const auto& fixture) {
                           const std::string& file = fixture.param;
                           if (file.find("spm") != std::string::npos) return "SentencePiece";
                           return file.find("gpt") != std::string::npos ? "Gpt2" : "Falcon";
                         });

TEST(KnownQwen2, GivesTheIdsOfLlamaCpp) {
  const auto folder = shared / "fixtures/vocab";
  if (!std::filesystem::exists(folder / "qwen_vocab.json"))
    GTEST_SKIP() << folder / "qwen_vocab.json"
                 << " is not here; the shared fixtures are needed for this test";
  const auto vocabulary = nlohmann::json::parse(contents(folder / "qwen_vocab.json"));
  std::vector<std::string> pieces(vocabulary.size()), merges;
  for (const auto& [piece, id] : vocabulary.items()) pieces.at(id.get<std::size_t>()) = piece;
  std::istringstream lines(contents(folder / "qwen_merges.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.starts_with("#version") && !line.empty()) merges.push_back(line);
  }
  GgufBytes image;
  image.string("tokenizer.ggml.model", "gpt2").string("tokenizer.ggml.pre", "qwen2");
  image.strings("tokenizer.ggml.tokens", pieces).strings("tokenizer.ggml.merges", merges);
  const auto tokenizer = make_tokenizer(image);
  ASSERT_TRUE(tokenizer) << tokenizer.error().sentence();
  expect_known_answers(*tokenizer, "ggml-vocab-qwen2.gguf");
}

struct LongText {
  const char* name;
  std::size_t tokens;
  std::uint64_t
      ids;  // fingerprint of llama-tokenize --no-bos --no-parse-special --no-escape on the first 200,000 bytes
};

TEST(KnownText, TheInterimModelReadsLongTextsAsLlamaCppDoes) {
  const auto model = shared / "models/interim-moe-64m.Q8_0.gguf";
  if (!std::filesystem::exists(model))
    GTEST_SKIP() << model << " is not here; the shared models are needed for this test";
  const auto file = GgufFile::open(model);
  ASSERT_TRUE(file) << file.error().sentence();
  const auto tokenizer = Tokenizer::create(file->gguf());
  ASSERT_TRUE(tokenizer) << tokenizer.error().sentence();
  EXPECT_FALSE(tokenizer->adds_bos());
  for (const LongText& expected :
       {LongText{"books.txt", 53976, 0xD0FB38181B156E6Au}, LongText{"code.txt", 69634, 0xD1773462657995D3u},
        LongText{"chinese_classical.txt", 57694, 0x34ABB00C1F9494EDu}}) {
    const std::string text = contents(shared / "eval" / expected.name).substr(0, 200000);
    const Ids ids = tokenizer->encode(text, plain);
    EXPECT_EQ(ids.size(), expected.tokens) << expected.name;
    EXPECT_EQ(fingerprint(ids), expected.ids) << expected.name;
    EXPECT_EQ(tokenizer->decode(ids), text) << expected.name;
  }
}

}  // namespace
}  // namespace fovea::test
