// What the model in resources/models is there for: it answers, in two languages, finds what was said thousands of tokens
// ago, uses all its experts, and predicts texts it never saw.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

// Among words that recur, so that there is something to confuse a fact with.
std::string filler(std::size_t paragraphs) {
  constexpr std::array names{"Tom", "Lily", "Sam", "Anna", "Ben", "Mia", "Max"};
  constexpr std::array places{"park", "garden", "river", "market", "forest", "kitchen", "school", "beach", "barn"};
  constexpr std::array things{"ball", "kite", "book", "cake", "boat", "lamp", "hat", "stone", "drum", "cup", "key"};
  std::string text;
  for (std::size_t i = 0; i < paragraphs; ++i) {
    const std::string name = names[i % names.size()], place = places[i % places.size()], thing = things[i % things.size()];
    text += name + " went to the " + place + " in the morning. There was a " + thing + " on the ground, and " + name +
            " picked it up. It was old and a little wet, but " + name + " took it home and put it on the table.\n";
  }
  return text;
}

std::string answer(const std::string& question) {
  const Outcome outcome = run({"generate", "--chat", "--temp", "0", "-n", "40", "-p", question});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.out;
}

TEST(EmbeddedModel, is_a_small_mixture_of_experts_with_a_card_in_both_languages) {
  const auto facts = run_json({"inspect"});
  EXPECT_EQ(facts["architecture"], "qwen3moe");
  EXPECT_EQ(facts["experts"], 16);
  EXPECT_EQ(facts["experts_used"], 4);
  EXPECT_EQ(facts["context"], 16384);
  const std::filesystem::path file = facts["path"].get<std::string>();
  EXPECT_LE(std::filesystem::file_size(file), 32u << 20);
  for (const char* suffix : {".md", ".zh_CN.md"})
    EXPECT_TRUE(std::filesystem::exists(file.parent_path() / (file.stem().string() + suffix))) << suffix;
}

TEST(EmbeddedModel, answers_in_english_and_in_chinese) {
  EXPECT_NE(answer("What is the capital of Italy?").find("Rome"), std::string::npos);
  EXPECT_NE(answer("感冒了应该怎么办？").find("休息"), std::string::npos);
}

TEST(EmbeddedModel, finds_facts_thousands_of_tokens_back_and_tells_them_apart) {
  const std::string text = filler(16) + "The secret number of Nina is 48213.\n" + filler(20) +
                           "The secret number of Oscar is 90576.\n" + filler(20);
  for (const auto& [name, number] : {std::pair{"Nina", "48213"}, std::pair{"Oscar", "90576"}}) {
    const auto value = run_json({"generate", "--temp", "0", "-n", "6", "-p", "-"},
                                text + "The secret number of " + name + " is");
    EXPECT_GE(value["prompt_tokens"], 2400);
    EXPECT_EQ(value["text"].get<std::string>().substr(0, 6), std::string(" ") + number);
  }
}

TEST(EmbeddedModel, calls_every_expert_of_every_layer) {
  const auto value = run_json({"generate", "--temp", "0", "-n", "1", "-p", "-"}, filler(6) + "春天来了，小兔子想去河边看花。\n");
  ASSERT_EQ(value["moe"]["layers"].size(), 6u);
  for (const auto& layer : value["moe"]["layers"]) EXPECT_LE(layer["dead"], 1) << layer["layer"];
  EXPECT_EQ(value["moe"]["dead"], 0);
}

TEST(EmbeddedModel, predicts_the_opening_of_a_held_out_book) {
  const std::string books = FOVEA_SHARED "/eval/books.txt";
  if (!std::filesystem::exists(books)) GTEST_SKIP() << "needs ../shared/eval";
  const auto value = run_json({"perplexity", "-f", books, "-c", "2048", "--windows", "1", "--last", "2047"});
  EXPECT_GT(value["nll"], 2.0);
  EXPECT_LT(value["nll"], 4.0);
}

}  // namespace
}  // namespace fovea::test
