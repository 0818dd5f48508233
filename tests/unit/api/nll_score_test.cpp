#include "engine/api/nll_score.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace fovea {
namespace {

TEST(NllScore, EvenLogitsGiveTheVocabularyAsPerplexity) {
  NllScore score;
  const std::array<float, 8> even{};
  for (std::size_t target = 0; target < even.size(); ++target) score.add(even, target);
  EXPECT_EQ(score.count(), 8u);
  EXPECT_NEAR(score.perplexity(), 8, 1e-12);
  EXPECT_NEAR(score.standard_error(), 0, 1e-12);
}

TEST(NllScore, KnownLossesByHand) {
  NllScore score;
  // Two classes with odds 3:1, scored once on each: losses ln(4/3) and ln 4.
  const std::array<float, 2> odds{std::log(3.0f), 0.0f};
  score.add(odds, 0);
  score.add(odds, 1);
  const double a = std::log(4.0 / 3), b = std::log(4.0), mean = (a + b) / 2;
  EXPECT_NEAR(score.mean(), mean, 1e-7);
  // The variance over count is ((a - b) / 2)^2, divided by count - 1 = 1.
  EXPECT_NEAR(score.standard_error(), std::exp(mean) * (b - a) / 2, 1e-6);
  EXPECT_NEAR(score.standard_error_of_mean(), (b - a) / 2, 1e-6);
  NllScore losses;
  losses.add(a);
  losses.add(b);
  EXPECT_NEAR(losses.mean(), mean, 1e-12);
  EXPECT_EQ(losses.count(), 2u);
}

TEST(NllScore, LargeLogitsDoNotOverflow) {
  NllScore score;
  const std::array<float, 3> large{30000.0f, 29999.0f, -30000.0f};
  score.add(large, 0);
  EXPECT_NEAR(score.mean(), std::log1p(std::exp(-1.0)), 1e-12);
}

TEST(NllScore, NothingScored) {
  EXPECT_EQ(NllScore{}.count(), 0u);
  EXPECT_EQ(NllScore{}.standard_error(), 0);
}

}  // namespace
}  // namespace fovea
