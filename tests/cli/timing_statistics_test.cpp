#include "app/cli/timing_statistics.hpp"

#include <gtest/gtest.h>

#include <array>

namespace fovea::cli {
namespace {

TEST(TimingStatistics, MeanSpreadAndMiddle) {
  const auto odd = timing_statistics(std::array{2.0, 4.0, 9.0});
  EXPECT_DOUBLE_EQ(odd.mean, 5);
  EXPECT_NEAR(odd.stddev, 3.605551275463989, 1e-12);  // sqrt((9 + 1 + 16) / 2)
  EXPECT_DOUBLE_EQ(odd.median, 4);
  EXPECT_DOUBLE_EQ(timing_statistics(std::array{8.0, 1.0, 3.0, 2.0}).median, 2.5);
}

TEST(TimingStatistics, OneValueAndNone) {
  EXPECT_DOUBLE_EQ(timing_statistics(std::array{7.0}).mean, 7);
  EXPECT_DOUBLE_EQ(timing_statistics(std::array{7.0}).stddev, 0);
  EXPECT_DOUBLE_EQ(timing_statistics({}).median, 0);
}

}  // namespace
}  // namespace fovea::cli
