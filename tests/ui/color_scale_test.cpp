#include "ui/heatmap/color_scale.hpp"

#include <gtest/gtest.h>

#include <QColor>
#include <algorithm>

#include "ui/theme/oklab.hpp"

namespace fovea {
namespace {

class ColorTable : public testing::TestWithParam<bool> {};

TEST_P(ColorTable, StepsLookEquallyLargeAndBrightnessGoesOneWay) {
  const bool dark = GetParam();
  const auto& table = color_table(dark);
  std::vector<double> steps;
  for (std::size_t i = 16; i < table.size(); i += 16) {
    const Oklab a = oklab_of(QColor(table[i - 16])), b = oklab_of(QColor(table[i]));
    steps.push_back(oklab_distance(a, b));
    EXPECT_EQ(b.l > a.l, dark) << "at " << i;
  }
  const auto [least, most] = std::minmax_element(steps.begin(), steps.end());
  EXPECT_LT(*most / *least, 1.25);
  EXPECT_GT(*least, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Themes, ColorTable, testing::Bool());

TEST(ColorScale, LinearPositionsAreProportionalAndClamped) {
  const ColorScale scale{false, 0.2f, 0.6f, true};
  EXPECT_FLOAT_EQ(scale.position(0.1f), 0);
  EXPECT_FLOAT_EQ(scale.position(0.3f), 0.25f);
  EXPECT_FLOAT_EQ(scale.position(0.9f), 1);
  EXPECT_NEAR(scale.weight_at(0.25f), 0.3f, 1e-6);
}

TEST(ColorScale, LogarithmicPositionsFollowDecades) {
  const ColorScale scale{true, 1e-4f, 1, true};
  EXPECT_NEAR(scale.position(0.01f), 0.5f, 1e-5);
  EXPECT_FLOAT_EQ(scale.position(0), 0);
  EXPECT_NEAR(scale.weight_at(0.75f), 0.1f, 1e-5);
}

TEST(ColorScale, AnEmptyRangeSplitsAtItsEnd) {
  const ColorScale scale{false, 0.5f, 0.5f, true};
  EXPECT_FLOAT_EQ(scale.position(0.4f), 0);
  EXPECT_FLOAT_EQ(scale.position(0.5f), 1);
}

TEST(ColorScale, EveryHalfHasItsColour) {
  const ColorScale scale{false, 0, 1, true};
  const auto colors = half_colors(scale);
  ASSERT_EQ(colors.size(), kHalfOne + 1u);
  EXPECT_EQ(colors.front(), color_table(true).front());
  EXPECT_EQ(colors.back(), color_table(true).back());
  EXPECT_EQ(colors[half_of_weight(0.5f)], scale.color(0.5f));
}

TEST(ColorScale, HalvesComeBack) {
  EXPECT_EQ(half_of_weight(1), kHalfOne);
  EXPECT_FLOAT_EQ(weight_of_half(half_of_weight(0.25f)), 0.25f);
}

}  // namespace
}  // namespace fovea
