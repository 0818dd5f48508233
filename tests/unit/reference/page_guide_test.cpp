#include "engine/reference/page_guide.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea::reference {
namespace {

// A step of `choices` choices among 100 pages by each head.
HeadChoices step(double choices, double share, double entropy) { return {choices, 100 * choices, 100 * choices * share, entropy * choices}; }

// A model in which a mass p takes the share p^4 / 2 of the pages.
double share_of_mass(double mass) { return mass * mass * mass * mass / 2; }

TEST(PageGuide, brings_the_mean_share_to_the_target_and_holds_it) {
  for (const double target : {0.12, 0.25, 0.38}) {
    PageGuide guide(2);
    const PageGuideRule rule{.target = target};
    std::size_t position = 2000;
    for (int i = 0; i < 40; ++i, position += 64) {
      const double share = share_of_mass(guide.mass.value_or(rule.mass));
      move_guide(guide, rule, std::vector{step(4, share * 1.1, 0.5), step(4, share * 0.9, 0.5)}, position, 64);
    }
    EXPECT_NEAR(share_of_mass(*guide.mass), target, 0.02) << target;
    EXPECT_NEAR(guide.chosen / guide.remote, target, 0.03) << target;
  }
}

TEST(PageGuide, moves_little_by_one_token_and_keeps_the_mass_within_bounds) {
  PageGuide guide(1);
  const PageGuideRule rule{.target = 0.1};
  move_guide(guide, rule, std::vector{step(1, 0.4, 0.5)}, 5000, 1);
  EXPECT_NEAR(guide.logit, 5.0 / 64 * (0.1 - 0.4 + 0.1 - 0.4), 1e-12);
  for (int i = 0; i < 1000; ++i) move_guide(guide, rule, std::vector{step(64, 0.4, 0.5)}, 5000, 64);
  EXPECT_NEAR(*guide.mass, 1 / (1 + std::exp(1.0)), 1e-12);
}

TEST(PageGuide, gives_heads_by_their_effective_keys_the_sum_being_the_same) {
  PageGuide guide(4);
  const PageGuideRule rule{.by_entropy = true};
  // exp(H) of 8192 keys: 2^6.5, 2^9.1, 2^9.1 and 2^11.7.
  move_guide(guide, rule, std::vector{step(2, 0.25, 0.5), step(2, 0.25, 0.7), step(2, 0.25, 0.7), step(2, 0.25, 0.9)}, 8000, 192);
  EXPECT_NEAR(std::accumulate(guide.weights.begin(), guide.weights.end(), 0.0), 4, 1e-12);
  EXPECT_LT(guide.weights[0], guide.weights[1] + 1e-12);
  EXPECT_EQ(guide.weights[1], guide.weights[2]);
  EXPECT_NEAR(guide.weights[3] / guide.weights[0], 4, 1e-9);  // 2 and 1/2 are the limits
  EXPECT_FALSE(guide.mass);
}

TEST(PageGuide, averages_entropies_over_tokens_and_does_nothing_where_nothing_was_chosen) {
  PageGuide guide(1);
  const PageGuideRule rule{.target = 0.25, .by_entropy = true};
  move_guide(guide, rule, std::vector{HeadChoices{}}, 100, 50);
  EXPECT_FALSE(guide.mass);
  move_guide(guide, rule, std::vector{step(1, 0.25, 0.4)}, 3000, 256);
  EXPECT_EQ(guide.entropy[0], 0.4);
  move_guide(guide, rule, std::vector{step(1, 0.25, 0.8)}, 3256, 256);
  EXPECT_NEAR(guide.entropy[0], 0.4 + 0.4 * (1 - std::exp(-1.0)), 1e-12);
}

}  // namespace
}  // namespace fovea::reference
