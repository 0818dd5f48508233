// A trained model tells on the device the stories that llama2.c tells with it, to the letter and to their end.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/text/tokenizer.hpp"
#include "tests/decoder/decoder_bench.hpp"

namespace fovea::test {
namespace {

class Stories : public DecoderTest {};

TEST_F(Stories, are_told_to_the_letter) {
  const std::filesystem::path folder = std::filesystem::path(FOVEA_TEST_DATA) / "stories260K";
  const GgufFile file = must(GgufFile::open(folder / "stories260K-F16.gguf"));
  const Tokenizer tokenizer = must(Tokenizer::create(file.gguf()));
  decoder_ = make_decoder(device(), file, {.context = 256});
  for (const auto& [prompt, name] :
       {std::pair{"Once upon a time", "Once_upon_a_time"}, {"The little dog", "The_little_dog"}, {"", "empty"}}) {
    std::ifstream golden(folder / ("stories260K.golden.t0.n200." + std::string(name) + ".txt"));
    std::stringstream expected;
    expected << golden.rdbuf();
    ASSERT_GT(expected.str().size(), 100u);

    std::vector<std::int32_t> tokens = tokenizer.encode(prompt);
    if (tokens.empty()) tokens = {tokenizer.bos()};
    // The golden text holds 200 tokens after the beginning-of-text token, the prompt's among them.
    const Generation told = generate(*decoder_, tokens, static_cast<std::uint32_t>(201 - tokens.size()));
    tokens.insert(tokens.end(), told.drawn.begin(), told.drawn.end());
    ASSERT_EQ(tokens.size(), 201u);
    std::string text;
    for (std::size_t i = 1; i < tokens.size(); ++i) text += tokenizer.bytes(tokens[i]);
    EXPECT_EQ((text.starts_with(' ') ? text.substr(1) : text) + "\n", expected.str()) << name;
  }
}

}  // namespace
}  // namespace fovea::test
