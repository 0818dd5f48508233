#include "engine/api/divergence.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace fovea {
namespace {

TEST(Divergence, OfEqualDistributionsIsNothing) {
  Divergence divergence;
  const std::array<float, 3> a{1, 2, 0.5f}, shifted{4, 5, 3.5f};
  divergence.add(a, a);
  divergence.add(a, shifted);
  EXPECT_EQ(divergence.count(), 2u);
  EXPECT_NEAR(divergence.kl_mean(), 0, 1e-7);
  EXPECT_EQ(kl_divergence(a, a), 0) << "to the bit";
  EXPECT_EQ(divergence.same_top(), 1);
}

// Of (1/2, 1/2) against (1/4, 3/4): ln 2 - ln 3 / 2 = 0.143841.
TEST(Divergence, ByHand) {
  Divergence divergence;
  const std::array<float, 2> even{0, 0}, uneven{0, std::log(3.0f)};
  divergence.add(even, uneven);
  EXPECT_NEAR(divergence.kl_mean(), 0.143841, 1e-6);
  EXPECT_EQ(divergence.same_top(), 0) << "of equal ones the first";
  for (int i = 0; i < 99; ++i) divergence.add(even, even);
  EXPECT_NEAR(divergence.kl_mean(), 0.00143841, 1e-8);
  EXPECT_NEAR(divergence.kl_p99(), 0, 1e-9);
  divergence.add(even, uneven);
  EXPECT_NEAR(divergence.kl_p99(), 0.143841, 1e-6);
}

}  // namespace
}  // namespace fovea
