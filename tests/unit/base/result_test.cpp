// Failure as it is said, and how it travels.
#include "engine/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace fovea {
namespace {

TEST(Sentence, says_what_why_and_what_to_do_on_one_line) {
  EXPECT_EQ((Error{ErrorCode::file, "model.gguf", "it cannot be read", "check its permissions"}).sentence(),
            "model.gguf: it cannot be read; check its permissions");
}

TEST(Sentence, leaves_out_what_is_not_known) {
  EXPECT_EQ((Error{ErrorCode::internal, "the plan", "", "report this"}).sentence(), "the plan; report this");
  EXPECT_EQ((Error{ErrorCode::internal, "the plan", "it is empty", ""}).sentence(), "the plan: it is empty");
  EXPECT_EQ((Error{ErrorCode::internal, "the plan", "", ""}).sentence(), "the plan");
  EXPECT_EQ(Error{}.sentence(), "");
}

TEST(Sentence, stays_on_one_line_whatever_a_file_name_holds) {
  const std::string sentence = Error{ErrorCode::file, "a\nb\r\n.gguf", "x\ny", "z\r"}.sentence();
  EXPECT_EQ(sentence, "a b  .gguf: x y; z ");
}

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::usage, "half", "it is odd", "take an even number");
  return value / 2;
}
Result<void> check(int value) {
  FOVEA_TRY(half(value));
  return {};
}
Result<int> quarter(int value) {
  FOVEA_ASSIGN(const int once, half(value));
  FOVEA_ASSIGN(const int twice, half(once));  // two in one scope
  return twice;
}
Result<std::unique_ptr<int>> boxed(int value) {
  FOVEA_ASSIGN(auto box, Result<std::unique_ptr<int>>(std::make_unique<int>(value)));
  return box;
}

TEST(Result, travels_up_with_its_error_or_its_value) {
  EXPECT_TRUE(check(4));
  ASSERT_FALSE(check(5));
  EXPECT_EQ(check(5).error().what, "half");
  EXPECT_EQ(check(5).error().code, ErrorCode::usage);
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_FALSE(quarter(6));
  EXPECT_FALSE(quarter(7));
  EXPECT_EQ(*boxed(3).value(), 3);
}

}  // namespace
}  // namespace fovea
