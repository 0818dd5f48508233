#include "engine/tensor/half.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace fovea {
namespace {

// IEEE 754 binary16 by its definition, apart from the bit tricks under test.
double half_by_definition(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Half, AllValuesDecodeByDefinitionAndComeBack) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = half_to_float(bits);
    const double expected = half_by_definition(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << i;
      ASSERT_EQ(float_to_half(value), bits | 0x200) << i;  // quietened, payload kept
    } else {
      ASSERT_EQ(static_cast<double>(value), expected) << i;
      ASSERT_EQ(std::signbit(value), std::signbit(expected)) << i;
      ASSERT_EQ(float_to_half(value), bits) << i;
    }
  }
}

// Between any two neighbours: below the middle goes down, above goes up, the middle to the even one.
TEST(Half, RoundsToNearestEvenBetweenAllNeighbours) {
  for (std::uint32_t i = 0; i < 0x7bff; ++i) {
    const float low = half_to_float(static_cast<std::uint16_t>(i)),
                high = half_to_float(static_cast<std::uint16_t>(i + 1));
    const float middle = (low + high) / 2;  // exact: one more bit than a half has
    const std::uint32_t even = i % 2 == 0 ? i : i + 1;
    ASSERT_EQ(float_to_half(middle), even) << i;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), i) << i;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9f)), i + 1) << i;
    ASSERT_EQ(float_to_half(-middle), even | 0x8000) << i;
  }
}

TEST(Half, LargeValuesBecomeInfinityFromTheMiddleOn) {
  EXPECT_EQ(float_to_half(65504.0f), 0x7bff);
  EXPECT_EQ(float_to_half(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_half(1e-30f), 0);
}

TEST(Bfloat16, AllValuesComeBack) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = bfloat16_to_float(bits);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), i << 16);
    ASSERT_EQ(float_to_bfloat16(value), std::isnan(value) ? bits | 0x40 : bits) << i;
  }
}

TEST(Bfloat16, RoundsToNearestEven) {
  for (std::uint32_t i = 0; i < 0x7f80; ++i) {
    const auto at = [i](std::uint32_t low) { return float_to_bfloat16(std::bit_cast<float>((i << 16) | low)); };
    ASSERT_EQ(at(0x7fff), i);
    ASSERT_EQ(at(0x8000), i % 2 == 0 ? i : i + 1);
    ASSERT_EQ(at(0x8001), i + 1);
  }
}

}  // namespace
}  // namespace fovea
