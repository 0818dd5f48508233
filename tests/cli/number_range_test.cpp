#include "app/cli/number_range.hpp"

#include <gtest/gtest.h>

namespace fovea::cli {
namespace {

TEST(NumberRange, WholeNumbers) {
  const NumberCheck check = whole_number(-1, 10);
  for (const char* text : {"-1", "0", "10"}) EXPECT_EQ(check(text), "") << text;
  for (const char* text : {"", "-2", "11", "1.5", "1e1", " 1", "0x1", "99999999999999999999", "nan"})
    EXPECT_NE(check(text), "") << text;
  EXPECT_EQ(whole_number(-1)("9223372036854775807"), "");
  EXPECT_NE(whole_number(-1)("9223372036854775808"), "");
}

TEST(NumberRange, RealNumbers) {
  const NumberCheck check = real_number(0, 1);
  for (const char* text : {"0", "1", "0.25", "1e-3", ".5"}) EXPECT_EQ(check(text), "") << text;
  for (const char* text : {"", "-0.1", "1.01", "nan", "-nan", "inf", "1e999", "0.5x"})
    EXPECT_NE(check(text), "") << text;
}

}  // namespace
}  // namespace fovea::cli
