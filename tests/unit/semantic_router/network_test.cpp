// The semantic router's network: equal to the plain twin, its gradients to differences, and what it learns from made traces.
#include "engine/semantic_router/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/reference/semantic_router.hpp"
#include "engine/semantic_router/evaluation.hpp"
#include "engine/semantic_router/training.hpp"
#include "tests/unit/semantic_router/made_traces.hpp"

namespace fovea::test {
namespace {

template <class Real>
RouterNetwork<Real> seeded_network(const RouterShape& shape, std::uint64_t seed) {
  RouterNetwork<Real> network(shape);
  network.initialise(seed);
  std::mt19937_64 random(seed + 1);
  for (Real& value : network.parameters()) value += static_cast<Real>(0.1 * uniform(random));  // biases too
  return network;
}

TEST(RouterNetwork, equals_the_reference_at_every_token) {
  for (const std::uint32_t width : {9u, 16u}) {
    RouterShape shape = kSmallShape;
    shape.width = width;
    const auto network = seeded_network<float>(shape, 3);
    const RouterTrace trace = made_trace(shape, 1, 41, 5);
    const std::vector<float> frames = unpacked_frames(shape, trace, 0, trace.tokens);
    RouterPass<float> pass;
    network.forward(frames, pass);
    const reference::RouterSizes sizes{.input = shape.input, .width = width, .domains = shape.domains, .needs = shape.experts_used - 1,
                                       .priors = shape.predicted() * shape.experts};
    for (std::size_t t = 0; t < trace.tokens; ++t) {
      const auto want = reference::semantic_router(sizes, network.parameters(), std::span(frames).first((t + 1) * shape.input));
      const auto equal = [&](const std::vector<double>& expected, const std::vector<float>& got, const char* what) {
        for (std::size_t i = 0; i < expected.size(); ++i)
          ASSERT_NEAR(static_cast<double>(got[t * expected.size() + i]), expected[i], 2e-5 * (1 + std::abs(expected[i]))) << what << " token " << t << " number " << i;
      };
      equal(want.domain, pass.domain, "domain");
      equal(want.need, pass.need, "need");
      equal(want.prior, pass.prior, "prior");
    }
  }
}

TEST(RouterNetwork, sees_29_frames_and_none_that_comes) {
  const auto network = seeded_network<double>(kSmallShape, 7);
  std::mt19937_64 random(8);
  std::vector<double> frames(60 * kSmallShape.input);
  for (double& value : frames) value = uniform(random);
  RouterPass<double> before, after;
  network.forward(frames, before);
  constexpr std::size_t kChanged = 20;
  frames[kChanged * kSmallShape.input] += 1;
  network.forward(frames, after);
  for (std::size_t t = 0; t < 60; ++t) {
    const bool same = std::equal(before.prior.begin() + static_cast<std::ptrdiff_t>(t * 12), before.prior.begin() + static_cast<std::ptrdiff_t>((t + 1) * 12),
                                 after.prior.begin() + static_cast<std::ptrdiff_t>(t * 12));
    EXPECT_EQ(same, t < kChanged || t >= kChanged + kRouterSight) << "token " << t;
  }
}

TEST(RouterNetwork, gradients_equal_differences_of_the_loss) {
  const RouterShape& shape = kSmallShape;
  auto network = seeded_network<double>(shape, 11);
  const RouterTrace trace = made_trace(shape, 2, 17, 12);
  const std::vector<float> floats = unpacked_frames(shape, trace, 0, trace.tokens);
  const std::vector<double> frames(floats.begin(), floats.end());
  RouterPass<double> pass, by, unused;
  network.forward(frames, pass);
  (void)router_loss(shape, trace, 0, pass, 1.0, by);
  std::vector<double> gradient(network.parameters().size());
  network.backward(frames, pass, by, gradient);
  ASSERT_EQ(gradient.size(), shape.parameters());
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    double& parameter = network.parameters()[i];
    const double kept = parameter;
    const auto loss_at = [&](double value) {
      parameter = value;
      network.forward(frames, pass);
      return router_loss(shape, trace, 0, pass, 1.0, unused);
    };
    const double difference = (loss_at(kept + kStep) - loss_at(kept - kStep)) / (2 * kStep);
    parameter = kept;
    ASSERT_NEAR(gradient[i], difference, 1e-5 * (1 + std::abs(difference))) << "parameter " << i;
  }
}

TEST(RouterTraining, learns_domain_experts_and_need_and_beats_the_most_used) {
  std::vector<RouterTrace> learn, held_out;
  for (std::uint32_t i = 0; i < 24; ++i) (i < 18 ? learn : held_out).push_back(made_trace(kSmallShape, i % 3, 120, 100 + i));
  const auto network = train_router(kSmallShape, learn, {.passes = 60, .seed = 4, .rate = 1e-2});
  ASSERT_TRUE(network) << network.error().sentence();
  const RouterAccuracy accuracy = evaluate_router(*network, held_out);
  EXPECT_EQ(accuracy.tokens, 6 * 120u);
  EXPECT_GT(accuracy.domain, 0.95);
  EXPECT_GT(accuracy.recall, 0.9);
  EXPECT_LT(accuracy.recall_baseline, 0.7);
  ASSERT_EQ(accuracy.layers.size(), 2u);
  EXPECT_EQ(accuracy.layers[0].layer, 2u);
  EXPECT_GT(accuracy.need_exact, accuracy.need_exact_baseline + 0.1);
  EXPECT_LT(accuracy.use.semantic, accuracy.use.any);
  EXPECT_GE(accuracy.use.semantic, accuracy.use.oracle);
  EXPECT_DOUBLE_EQ(accuracy.prefetch.front().predicted, accuracy.recall);
}

TEST(RouterTraining, gives_the_same_bits_whatever_the_number_of_threads) {
  std::vector<RouterTrace> learn;
  for (std::uint32_t i = 0; i < 5; ++i) learn.push_back(made_trace(kSmallShape, i % 3, 300, i));
  const auto one = train_router(kSmallShape, learn, {.passes = 2, .seed = 9, .threads = 1});
  const auto many = train_router(kSmallShape, learn, {.passes = 2, .seed = 9, .threads = 5});
  const auto other = train_router(kSmallShape, learn, {.passes = 2, .seed = 10, .threads = 1});
  ASSERT_TRUE(one && many && other);
  EXPECT_EQ(one->parameters(), many->parameters());
  EXPECT_NE(one->parameters(), other->parameters());
}

TEST(RouterTraining, refuses_traces_of_another_shape_and_no_text) {
  RouterTrace broken = made_trace(kSmallShape, 0, 10, 1);
  broken.chosen.pop_back();
  EXPECT_FALSE(train_router(kSmallShape, std::span(&broken, 1), {}));
  const auto nothing = train_router(kSmallShape, {}, {});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::usage);
}

TEST(RouterNeed, counts_the_logits_above_nothing) {
  EXPECT_EQ(predicted_need(std::vector<float>{-1, -2, -3}), 1u);
  EXPECT_EQ(predicted_need(std::vector<float>{1, .5f, -3}), 3u);
  EXPECT_EQ(predicted_need(std::vector<float>{}), 1u);
}

}  // namespace
}  // namespace fovea::test
