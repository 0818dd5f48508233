#include "engine/api/divergence.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace fovea {
namespace {

TEST(Divergence, OfEqualDistributionsIsNothing) {
  Divergence divergence;
  const std::array<float, 3> a{1, 2, 0.5f}, shifted{4, 5, 3.5f};
  divergence.add(paired_prediction(a, a, 0));
  divergence.add(paired_prediction(a, shifted, 0));
  EXPECT_EQ(divergence.count(), 2u);
  EXPECT_NEAR(divergence.kl_mean(), 0, 1e-7);
  EXPECT_EQ(kl_divergence(a, a), 0) << "to the bit";
  EXPECT_EQ(divergence.same_top(), 1);
}

// Of (1/2, 1/2) against (1/4, 3/4): ln 2 - ln 3 / 2 = 0.143841.
TEST(Divergence, ByHand) {
  Divergence divergence;
  const std::array<float, 2> even{0, 0}, uneven{0, std::log(3.0f)};
  divergence.add(paired_prediction(even, uneven, 0));
  EXPECT_NEAR(divergence.kl_mean(), 0.143841, 1e-6);
  EXPECT_EQ(divergence.same_top(), 0) << "of equal ones the first";
  for (int i = 0; i < 99; ++i) divergence.add(paired_prediction(even, even, 0));
  EXPECT_NEAR(divergence.kl_mean(), 0.00143841, 1e-8);
  EXPECT_NEAR(divergence.kl_p99(), 0, 1e-9);
  divergence.add(paired_prediction(even, uneven, 0));
  EXPECT_NEAR(divergence.kl_p99(), 0.143841, 1e-6);
}

// Losses of token 1: ln 2 under even logits, -ln(3/4) under the others.
TEST(PairedPrediction, TellsBothLosses) {
  const std::array<float, 2> even{0, 0}, uneven{0, std::log(3.0f)};
  const PairedPrediction prediction = paired_prediction(even, uneven, 1);
  EXPECT_NEAR(prediction.standard_loss, std::log(2.0), 1e-7);
  EXPECT_NEAR(prediction.judged_loss, std::log(4.0 / 3), 1e-7);
  EXPECT_NEAR(prediction.kl, 0.143841, 1e-6);
  EXPECT_FALSE(prediction.same_top);
  const std::array<float, 2> far{0, 800};
  EXPECT_NEAR(paired_prediction(far, even, 0).standard_loss, 800, 1e-4) << "nothing overflows";
  EXPECT_NEAR(paired_prediction(even, far, 0).kl, 400 - std::log(2.0), 1e-4);
}

}  // namespace
}  // namespace fovea
