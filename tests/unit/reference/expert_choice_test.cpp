// Golden values of the rules of number and load, and what must hold for every rule.
#include "engine/reference/expert_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace fovea::reference {
namespace {

std::vector<float> seeded_logits(std::mt19937& random, std::uint32_t experts, double deviation = 2) {
  std::vector<float> logits;
  for (std::uint32_t e = 0; e < experts; ++e) {
    // A sum of uniform numbers, since distributions differ from library to library.
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) / 4294967296.0;
    logits.push_back(static_cast<float>(sum * deviation));
  }
  return logits;
}

TEST(ExpertChoice, HeadroomHasItsGoldenValues) {
  const std::vector<double> scores{.4, .3, .15, .1, .05}, load{.8, .4, .3, .3, .2};
  const std::vector<double> factors = load_factors(load, LoadRule::headroom, .95);
  const std::vector<double> wanted{.05, .525, .64375, .64375, .7625}, moved{.02, .1575, .0965625, .064375, .038125};
  for (std::size_t e = 0; e < 5; ++e) {
    EXPECT_NEAR(factors[e], wanted[e], 1e-12);
    EXPECT_NEAR(factors[e] * scores[e], moved[e], 1e-12);
  }
  // The floor .15 keeps out all but one substitute; the best stays though its moved score is the lowest.
  EXPECT_EQ(select_experts(scores, factors, 2, .5), (std::vector<std::uint32_t>{0, 1}));
}

TEST(ExpertChoice, SeedAndLocalityAreTheirFormulas) {
  const std::vector<double> load{.5, .25, 0};
  EXPECT_EQ(load_factors(load, LoadRule::seed, 0), (std::vector<double>{.5, .75, 1}));
  EXPECT_EQ(load_factors(load, LoadRule::locality, .5), (std::vector<double>{1.5, 1.25, 1}));
  EXPECT_EQ(load_factors(load, LoadRule::off, .5), (std::vector<double>{1, 1, 1}));
}

TEST(ExpertChoice, TheNumberIsTheFewestThatReachTheMass) {
  const std::vector<double> weights{.5, .25, .15, .1};
  const ExpertRule rule{.count = CountRule::mass, .most = 4};
  EXPECT_EQ(expert_count(weights, rule, .5), 1u);
  EXPECT_EQ(expert_count(weights, rule, .51), 2u);
  EXPECT_EQ(expert_count(weights, rule, .9), 3u);
  EXPECT_EQ(expert_count(weights, rule, .91), 4u);
  EXPECT_EQ(expert_count(weights, rule, 1), 4u);
  EXPECT_EQ(expert_count(weights, {.count = CountRule::mass, .least = 2, .most = 3}, .1), 2u);
  EXPECT_EQ(expert_count(weights, {.count = CountRule::mass, .least = 2, .most = 3}, .99), 3u);
  const std::vector<double> halved{.25, .125, .075, .05};  // weights of a model that does not normalise
  EXPECT_EQ(expert_count(halved, rule, .9), 3u);
}

TEST(ExpertChoice, TheNumberByEntropyIsTheEffectiveOne) {
  const ExpertRule rule{.count = CountRule::entropy, .least = 1, .most = 4};
  EXPECT_EQ(expert_count(std::vector{.25, .25, .25, .25}, rule, 1), 4u);
  EXPECT_EQ(expert_count(std::vector{1.0, 0.0, 0.0, 0.0}, rule, 1), 1u);
  EXPECT_EQ(expert_count(std::vector{.5, .5, 0.0, 0.0}, rule, 1), 2u);
  EXPECT_EQ(expert_count(std::vector{.5, .25, .15, .1}, rule, 1), 4u);   // exp(H) = 3.35
  EXPECT_EQ(expert_count(std::vector{.5, .25, .15, .1}, rule, .5), 2u);
}

TEST(ExpertChoice, TheBestExpertIsKeptAndWeightsComeFromTheScores) {
  for (const LoadRule load : {LoadRule::seed, LoadRule::headroom, LoadRule::locality, LoadRule::bias, LoadRule::price, LoadRule::fixed_price})
    for (const bool normalize : {true, false}) {
      ExpertRule rule{.count = CountRule::mass, .most = 4, .threshold = .7, .load = load, .gamma = .95, .half_life = 64};
      if (load == LoadRule::bias || load == LoadRule::fixed_price)
        for (int e = 0; e < 16; ++e) rule.bias.push_back(-.1 * e);
      ExpertRouter router(16, 4, normalize, rule);
      std::mt19937 random(5);
      bool moved = false;
      for (int t = 0; t < 1000; ++t) {
        std::vector<float> logits = seeded_logits(random, 16);
        logits[3] += 2;
        const Routing own = route(logits, 4, normalize), got = router.route(logits);
        ASSERT_EQ(got.experts.front(), own.experts.front());
        const double share = static_cast<double>(got.weights.front()) / std::exp(static_cast<double>(logits[got.experts.front()]));
        double sum = 0;
        for (std::size_t i = 0; i < got.experts.size(); ++i) {
          EXPECT_NEAR(got.weights[i], share * std::exp(static_cast<double>(logits[got.experts[i]])), 1e-5) << "weights are those of the scores";
          sum += static_cast<double>(got.weights[i]);
        }
        // The sum of weights is that of the model's own choice, whatever the number.
        ASSERT_NEAR(sum, std::accumulate(own.weights.begin(), own.weights.end(), 0.0), 1e-6);
        const Routing best = route(logits, static_cast<std::uint32_t>(got.experts.size()), normalize);
        moved = moved || !std::is_permutation(got.experts.begin(), got.experts.end(), best.experts.begin());
      }
      EXPECT_TRUE(moved) << "a rule that moves nothing proves nothing";
    }
}

TEST(ExpertChoice, ARuleThatChangesNothingIsTheModelsOwnChoice) {
  for (const bool normalize : {true, false})
    for (const ExpertRule& rule : {ExpertRule{.least = 3, .most = 3}, ExpertRule{.count = CountRule::mass, .most = 3, .threshold = 1, .load = LoadRule::headroom, .gamma = 0},
                                   ExpertRule{.least = 3, .most = 3, .load = LoadRule::price, .gamma = 0, .tau = 0}}) {
      ExpertRouter router(8, 3, normalize, rule);
      std::mt19937 random(6);
      for (int t = 0; t < 600; ++t) {
        const std::vector<float> logits = seeded_logits(random, 8);
        const Routing own = route(logits, 3, normalize), got = router.route(logits);
        ASSERT_EQ(got.experts, own.experts);
        for (std::size_t i = 0; i < 3; ++i) ASSERT_NEAR(got.weights[i], own.weights[i], 1e-7);
      }
    }
}

// 8 of 64 experts of which some are liked much more than others.
struct Evened {
  double before, after, kept;
};
Evened evened(const ExpertRule& rule, double spread, double deviation) {
  ExpertRouter router(64, 8, true, rule);
  std::mt19937 random(7);
  std::vector<double> skew, own_calls(64), calls(64);
  for (int e = 0; e < 64; ++e) skew.push_back(spread * std::cos(e * 0.7));
  double kept = 0, tokens = 0;
  for (int t = 0; t < 12288; ++t) {
    std::vector<float> logits = seeded_logits(random, 64, deviation);
    for (std::size_t e = 0; e < 64; ++e) logits[e] += static_cast<float>(skew[e]);
    const Routing own = route(logits, 8, false), got = router.route(logits);
    if (t < 4096) continue;
    ++tokens;
    double all = 0, sum = 0, chosen = 0;
    for (const float logit : logits) all += std::exp(static_cast<double>(logit));
    for (std::size_t i = 0; i < 8; ++i) {
      sum += static_cast<double>(own.weights[i]);
      chosen += std::exp(static_cast<double>(logits[got.experts[i]])) / all;
      ++own_calls[own.experts[i]];
      ++calls[got.experts[i]];
    }
    kept += chosen / sum;
  }
  return {variation(own_calls), variation(calls), kept / tokens};
}

TEST(ExpertChoice, HeadroomEvensASkewedLoadAndTheGuardOfMassHolds) {
  for (const double retained : {0.95, 0.995}) {
    const Evened got = evened({.least = 8, .most = 8, .load = LoadRule::headroom, .retained = retained}, 1.6, 1);
    EXPECT_GT(got.before, 0.8);
    EXPECT_LT(got.after, (retained < 0.96 ? 0.8 : 0.97) * got.before);
    EXPECT_GT(got.kept, retained - 0.01);
  }
}

TEST(ExpertChoice, PricesAreTheirFormula) {
  const std::vector<double> prices = load_factors(std::vector{.5, .25, 0.0}, LoadRule::price, .8);
  for (const auto& [got, wanted] : {std::pair{prices[0], .2}, {prices[1], 0.0}, {prices[2], -.2}}) EXPECT_NEAR(got, wanted, 1e-12);
  // .4 and .3 of a whole of .7 are .571 and .429, the others .214, .143 and .071: prices move the second place alone.
  const std::vector<double> scores{.4, .3, .15, .1, .05}, charged{.9, .3, .0, .0, -.05};
  EXPECT_EQ(select_priced_experts(scores, charged, .7, 2, 0), (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(select_priced_experts(scores, charged, .7, 2, .6), (std::vector<std::uint32_t>{0, 1})) << "a substitute must have .18";
}

// A price keeps the most mass that can be kept at its evenness: what factors give up for less.
TEST(ExpertChoice, PricesEvenASkewedLoadForLessMassThanFactors) {
  const Evened factors = evened({.least = 8, .most = 8, .load = LoadRule::headroom, .retained = 0.95}, 0.8, 2);
  const Evened prices = evened({.least = 8, .most = 8, .load = LoadRule::price, .retained = 0.95, .tau = 0}, 0.8, 2);
  EXPECT_GT(prices.before, 0.41);
  EXPECT_LT(prices.after, 0.1);
  EXPECT_LT(prices.after, 0.8 * factors.after);
  EXPECT_GT(prices.kept, factors.kept);
  EXPECT_GT(prices.kept, 0.95);
}

TEST(ExpertChoice, AControllerHoldsTheMeanNumber) {
  for (const double deviation : {0.5, 2.0, 6.0})
    for (const auto& [count, threshold] : {std::pair{CountRule::mass, 0.7}, {CountRule::entropy, 1.0}}) {
      ExpertRouter router(16, 4, true, {.count = count, .most = 4, .threshold = threshold, .target = 2});
      std::mt19937 random(8);
      double first = 0, second = 0;
      for (int t = 0; t < 4096; ++t) {
        const std::size_t k = router.route(seeded_logits(random, 16, deviation)).experts.size();
        (t < 2048 ? first : second) += static_cast<double>(k);
      }
      EXPECT_NEAR(first / 2048, 2, 0.15) << "logits of deviation " << deviation;
      EXPECT_NEAR(second / 2048, 2, 0.03) << "logits of deviation " << deviation;
    }
}

TEST(ExpertChoice, AControllerMovesLessOftenTheFurtherItIs) {
  ExpertRouter router(16, 4, true, {.count = CountRule::mass, .most = 4, .threshold = .7, .target = 2});
  std::mt19937 random(9);
  std::vector<std::uint64_t> moves, wanted;
  for (std::uint64_t end = 1; end <= 2600; ++end) {
    const double before = router.threshold();
    (void)router.route(seeded_logits(random, 16));
    if (router.threshold() != before) moves.push_back(end);
    if (end % (end <= 512 ? 16 : end <= 1024 ? 32 : end <= 2048 ? 64 : 128) == 0) wanted.push_back(end);
  }
  EXPECT_EQ(moves, wanted);
}

TEST(ExpertChoice, LogitsThatAreNoNumbersAreTheLeast) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinite = std::numeric_limits<float>::infinity();
  for (const LoadRule load : {LoadRule::off, LoadRule::headroom, LoadRule::price})
    for (const bool normalize : {true, false}) {
      const ExpertRule rule{.count = CountRule::mass, .most = 4, .threshold = .7, .load = load};
      ExpertRouter router(5, 4, normalize, rule);
      const auto expect = [&](const std::vector<float>& logits, const std::vector<std::uint32_t>& experts, const std::vector<float>& weights) {
        const Routing got = router.route(logits);
        EXPECT_EQ(got.experts, experts);
        ASSERT_EQ(got.weights.size(), weights.size());
        for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(got.weights[i], weights[i], 1e-6);
      };
      const float equal = normalize ? 1.0f / 3 : 4.0f / 5 / 3;
      expect({kNan, kNan, kNan, kNan, kNan}, {0, 1, 2}, {equal, equal, equal});
      expect({-kInfinite, kNan, kNan, -kInfinite, kNan}, {0, 1, 2}, {equal, equal, equal});
      expect({1, kNan, kInfinite, -kInfinite, kInfinite}, {2, 4}, {.5f, .5f});
      expect({kNan, 3, -kInfinite, kNan, 3}, {1, 4}, {.5f, .5f});
    }
  // The mean is held where rows tell nothing.
  ExpertRouter router(16, 4, true, {.count = CountRule::mass, .most = 4, .threshold = .7, .target = 2.5});
  double sum = 0;
  for (int t = 0; t < 2048; ++t) sum += static_cast<double>(router.route(std::vector<float>(16, kNan)).experts.size());
  EXPECT_NEAR(sum / 2048, 2.5, .15);
}

TEST(ExpertChoice, VariationHasItsGoldenValues) {
  EXPECT_DOUBLE_EQ(variation(std::vector<double>(8, 100)), 0);
  EXPECT_NEAR(variation(std::vector<double>{800, 0, 0, 0, 0, 0, 0, 0}), 2.6458, 5e-5);
  EXPECT_NEAR(variation(std::vector<double>{400, 200, 133, 100, 80, 67, 57, 50}), .8089, 5e-5);
  EXPECT_NEAR(variation(std::vector<double>{110, 95, 105, 90, 108, 92, 103, 97}), .0704, 5e-5);
}

// Invariant 11, for every number of experts and both ways of calling.
TEST(Escort, ReachesItsThousandCallsWithinTwentyThousandAndNeverDisplacesRankOne) {
  for (const EscortForm form : {EscortForm::shadow, EscortForm::weight})
    for (const std::uint32_t used : {8u, 4u, 2u}) {
      std::mt19937 random(used);
      ExpertRouter router(32, used, true, {.least = used, .most = used, .escort = {.form = form}});
      std::uint64_t calls = 0, all = 0, of = 0, tokens = 0;
      double liking = 0, liking_called = 0;
      while (all < 21000) {
        std::vector<float> logits = seeded_logits(random, 33);
        const auto best = static_cast<std::uint32_t>(std::max_element(logits.begin(), logits.end() - 1) - logits.begin());
        const Routing routing = router.route(logits);
        EXPECT_EQ(routing.experts.front(), best);
        EXPECT_NEAR(std::accumulate(routing.weights.begin(), routing.weights.end(), 0.0), 1, 1e-6);
        const bool called = std::ranges::find(routing.experts, 32u) != routing.experts.end();
        if (called) {
          EXPECT_LE(routing.weights.back(), form == EscortForm::shadow ? 0 : .05f + 1e-6f);
        }
        all += routing.experts.size();
        calls += called ? 1 : 0;
        if (calls == 1000 && of == 0) of = all;
        if (of != 0) continue;
        ++tokens;
        liking += static_cast<double>(logits.back());
        liking_called += called ? static_cast<double>(logits.back()) : 0;
        if (all > 2000) {
          EXPECT_NEAR(static_cast<double>(calls) / static_cast<double>(all), .05, .0025);
        }
      }
      EXPECT_EQ(calls, 1000u) << "no further call once it has had them";
      EXPECT_LE(of, 20000u);
      EXPECT_NEAR(1000.0 / static_cast<double>(of), .05, .0005);
      EXPECT_EQ(router.escort().given(), 1000u);
      EXPECT_EQ(router.escort().of(), of);
      // Called for tokens that like it: logits have a standard deviation of 2.
      EXPECT_GT(liking_called / 1000, liking / static_cast<double>(tokens) + .5 * 2) << used;
    }
}

}  // namespace
}  // namespace fovea::reference
