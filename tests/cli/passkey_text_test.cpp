// Texts that hide a number, and what counts as found.
#include "app/cli/passkey_text.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "engine/io/gguf.hpp"

namespace fovea::cli {
namespace {

TEST(Passkey, NumbersFollowFromSeedAndTrial) {
  std::set<std::string> numbers;
  for (std::uint32_t trial = 0; trial < 20; ++trial) {
    const Passkey passkey = make_passkey(3, trial, 20);
    EXPECT_EQ(passkey.number.size(), kPasskeyDigits);
    EXPECT_EQ(passkey.number.find_first_not_of("0123456789"), std::string::npos);
    EXPECT_EQ(make_passkey(3, trial, 20).number, passkey.number);
    EXPECT_DOUBLE_EQ(passkey.depth, (trial + 0.5) / 20);
    numbers.insert(passkey.number);
  }
  EXPECT_GT(numbers.size(), 15u);
  EXPECT_NE(make_passkey(4, 0, 20).number, make_passkey(3, 0, 20).number);
}

TEST(Passkey, DigitsAreHeldAgainstTheFirstNumberOfTheAnswer) {
  EXPECT_EQ(right_digits(" 12345.", "12345"), 5u);
  EXPECT_EQ(right_digits(" the 12945, 12345", "12345"), 4u);
  EXPECT_EQ(right_digits("123", "12345"), 3u);
  EXPECT_EQ(right_digits("1234567", "12345"), 5u);
  EXPECT_EQ(right_digits("12 345", "12345"), 2u);
  EXPECT_EQ(right_digits("", "12345"), 0u);
  EXPECT_EQ(right_digits("none", "12345"), 0u);
}

TEST(Passkey, TheTextFitsAndHidesTheNumberWhereItIsToBe) {
  const auto file = GgufFile::open(FOVEA_TEST_DATA "/stories260K/stories260K-F16.gguf");
  ASSERT_TRUE(file);
  const auto tokenizer = Tokenizer::create(file->gguf());
  ASSERT_TRUE(tokenizer);
  const std::string filler = "A dog ran to the park. It was a sunny day, and all were glad. ";
  for (const std::uint32_t tokens : {100u, 333u})
    for (const std::uint32_t trial : {0u, 4u, 9u}) {
      const Passkey passkey = make_passkey(1, trial, 10);
      const std::string text = passkey_prompt(*tokenizer, passkey, filler, tokens);
      const std::size_t used = tokenizer->encode(text).size();
      EXPECT_LE(used, tokens);
      EXPECT_GT(used + 10, tokens);
      const std::size_t at = text.find(" is " + passkey.number + ".");
      ASSERT_NE(at, std::string::npos);
      EXPECT_NEAR(static_cast<double>(at) / static_cast<double>(text.size()), passkey.depth, 0.35);
      EXPECT_TRUE(text.ends_with("\nThe secret number of " + passkey.name + " is"));
      EXPECT_EQ(text.find(passkey.number, at + 10), std::string::npos);
    }
  EXPECT_EQ(passkey_prompt(*tokenizer, make_passkey(1, 0, 1), filler, 20), "");
  EXPECT_EQ(passkey_prompt(*tokenizer, make_passkey(1, 0, 1), "", 200), "");
}

}  // namespace
}  // namespace fovea::cli
