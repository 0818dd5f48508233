#include "engine/api/expert_rule.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

ExpertRule fixed(std::uint32_t k) { return {.count = ExpertCount::fixed, .kmax = k}; }

TEST(ExpertRule, FittedToAModelIsNeverMoreThanItTakes) {
  EXPECT_EQ(fitted(ExpertRule{.kmin = 3, .kmax = 8, .target_k = 5}, 4), (ExpertRule{.kmin = 3, .kmax = 4, .target_k = 4}));
  EXPECT_EQ(fitted(ExpertRule{.kmin = 3}, 2), (ExpertRule{.kmin = 2}));
  EXPECT_EQ(fitted(ExpertRule{.layer_kmax = {8, 1, 2}}, 2), (ExpertRule{.layer_kmax = {2, 1, 2}}));
  EXPECT_EQ(fitted(fixed(2), 4), fixed(2));
}

TEST(ExpertRule, FittedToAModelIsItsOwnChoiceWhicheverWayThatIsSaid) {
  EXPECT_EQ(fitted(std::nullopt, 4), std::nullopt);
  for (const std::uint32_t k : {0u, 4u, 9u}) EXPECT_EQ(fitted(fixed(k), 4), std::nullopt) << k;
  ExpertRule layers = fixed(0);
  layers.layer_kmax = {4, 5};
  EXPECT_EQ(fitted(layers, 4), std::nullopt);
  EXPECT_EQ(fitted(ExpertRule{}, 0), std::nullopt) << "a dense model has no experts";
  EXPECT_EQ(fitted(ExpertRule{.p = 1}, 4), (ExpertRule{.p = 1})) << "counts, and changes nothing";
  ExpertRule frozen = fixed(0);
  frozen.reset = LoadReset::frozen;
  EXPECT_EQ(fitted(frozen, 4), frozen) << "a bias moves choices of the model's own number too";
}

}  // namespace
}  // namespace fovea
