#include "engine/api/policy_scores.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace fovea {
namespace {

TEST(PolicyScores, EqualLossesDifferByExactlyNothing) {
  const std::array<double, 3> losses{1.1, 2.3, 0.7};
  const PairedLosses paired = paired_losses(losses, losses);
  EXPECT_EQ(paired.delta_percent, 0);
  EXPECT_EQ(paired.delta_stderr_percent, 0);
  EXPECT_EQ(paired.perplexity, paired.standard);
}

// Differences 0.1, 0.3 and 0.2: mean 0.2, deviation 0.1, of the mean 0.1 / sqrt 3.
TEST(PolicyScores, PairedErrorsByHand) {
  const std::array<double, 3> standard{1, 5, 2}, judged{1.1, 5.3, 2.2};
  const PairedLosses paired = paired_losses(judged, standard);
  EXPECT_NEAR(paired.delta_percent, 100 * std::expm1(0.2), 1e-12);
  EXPECT_NEAR(paired.delta_stderr_percent, 100 * std::exp(0.2) * 0.1 / std::sqrt(3.0), 1e-12);
  EXPECT_NEAR(paired.standard, std::exp(8.0 / 3), 1e-12);
}

TEST(PolicyScores, NothingScored) {
  EXPECT_FALSE(pair_figures({}));
  EXPECT_EQ(paired_losses({}, {}).delta_percent, 0);
}

TEST(PolicyScores, FiguresOfAPair) {
  PairScores scores;
  for (int i = 0; i < 100; ++i) {
    scores.nll_a.push_back(1);
    scores.nll_b.push_back(1);
    scores.kl.push_back(i == 99 ? 1 : 0);
    scores.same_top.push_back(i % 4 == 0 ? 0 : 1);
  }
  const auto figures = pair_figures(scores);
  ASSERT_TRUE(figures);
  EXPECT_DOUBLE_EQ(figures->kl_mean, 0.01);
  EXPECT_EQ(figures->kl_p99, 0) << "99 % do not exceed it";
  EXPECT_DOUBLE_EQ(figures->same_top, 0.75);
  EXPECT_DOUBLE_EQ(figures->perplexity_a, std::exp(1.0));
}

}  // namespace
}  // namespace fovea
