#include <gtest/gtest.h>

#include <cmath>

#include "engine/api/layers_utilization.hpp"
#include "engine/api/routing_facts.hpp"
#include "engine/api/trace.hpp"

namespace fovea {
namespace {

// Token t, layer l chooses the experts (t + l) % 4 with weight 0.25 and (t + l + 1) % 4 with weight 0.75.
std::shared_ptr<const RoutingChunk> chunk_of(std::uint32_t first, std::uint32_t tokens) {
  auto chunk = std::make_shared<RoutingChunk>();
  *chunk = {first, tokens, 3, 2, {}, {}};
  for (std::uint32_t t = first; t < first + tokens; ++t)
    for (std::uint32_t l = 0; l < 3; ++l) {
      chunk->experts.push_back(static_cast<std::uint16_t>((t + l) % 4));
      chunk->experts.push_back(static_cast<std::uint16_t>((t + l + 1) % 4));
      chunk->weights.insert(chunk->weights.end(), {0.25f, 0.75f});
    }
  return chunk;
}

RoutingTrace trace() {
  RoutingTrace routing;
  routing.layers = 3;
  routing.experts = 4;
  routing.slots = 2;
  routing.chunks = {chunk_of(0, 3), chunk_of(5, 2)};
  return routing;
}

TEST(RoutingTrace, ChoicesComeByDescendingWeight) {
  const auto choices = trace().chosen(6, 1);
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0].expert, 0);
  EXPECT_FLOAT_EQ(choices[0].weight, 0.75f);
  EXPECT_EQ(choices[1].expert, 3);
}

TEST(RoutingTrace, GapsAndForeignLayersAreNotRecorded) {
  EXPECT_TRUE(trace().chosen(3, 0).empty());
  EXPECT_TRUE(trace().chosen(7, 0).empty());
  EXPECT_TRUE(trace().chosen(0, 3).empty());
  EXPECT_TRUE(RoutingTrace{}.chosen(0, 0).empty());
  EXPECT_EQ(trace().recorded_tokens(), 5u);
}

TEST(RoutingTrace, CountsCallsOfARangeAndALayer) {
  EXPECT_EQ(trace().calls(0, 1, 0), (std::vector<std::uint64_t>{1, 1, 0, 0}));
  EXPECT_EQ(trace().calls(2, 6, 2), (std::vector<std::uint64_t>{2, 1, 0, 1}));
  EXPECT_EQ(trace().calls(0, 2, std::nullopt), (std::vector<std::uint64_t>{2, 3, 4, 3}));
  EXPECT_EQ(trace().calls(0, 100, 9), (std::vector<std::uint64_t>(4, 0)));
}

TEST(RoutingTrace, AnUnusedSlotIsNotAUse) {
  auto chunk = std::make_shared<RoutingChunk>(*chunk_of(0, 3));
  for (const std::size_t cell : {1, 5, 9}) {  // the second slot: token 0 in layers 0 and 2, token 1 in layer 1
    chunk->experts[cell] = kUnusedSlot;
    chunk->weights[cell] = 0;
  }
  RoutingTrace routing = trace();
  routing.chunks = {chunk};
  EXPECT_EQ(routing.chosen(0, 0).size(), 1u);
  EXPECT_EQ(routing.chosen(0, 0).front().expert, 0);
  EXPECT_EQ(routing.chosen(0, 1).size(), 2u);
  EXPECT_EQ(routing.calls(0, 1, 0), (std::vector<std::uint64_t>{1, 0, 0, 0}));
  const RoutingFacts facts = recorded_routing(routing, 2);
  ASSERT_EQ(facts.prefill.size(), 3u);
  EXPECT_EQ(facts.prefill[0].tokens, 2u);
  EXPECT_EQ(facts.decode[0].tokens, 1u);
  EXPECT_EQ(facts.prefill[0].counts, (std::vector<std::uint64_t>{1, 1}));
  EXPECT_EQ(facts.decode[2].counts, (std::vector<std::uint64_t>{0, 1}));
  EXPECT_EQ(facts.prefill[0].calls, (std::vector<std::uint64_t>{1, 1, 1, 0}));
  EXPECT_DOUBLE_EQ(facts.prefill[0].mean_experts(), 1.5);
  EXPECT_DOUBLE_EQ(over_layers(facts.both()).mean_experts(), 15.0 / 9);
}

TEST(RoutingTrace, ExpertBytesFollowTheMeanNumberOfEachLayer) {
  ModelSummary model;
  model.experts_used = 4;
  model.token_bytes = TokenBytes{.weights = 1000, .expert = {10, 20}};
  EXPECT_DOUBLE_EQ(expert_bytes(model, {}), 120);
  const LayerRouting two{.tokens = 2, .counts = {0, 2, 0, 0}, .calls = {2, 2}}, one{.tokens = 2, .counts = {2, 0, 0, 0}, .calls = {1, 1}};
  EXPECT_DOUBLE_EQ(expert_bytes(model, {two, one}), 40);
  model.token_bytes.reset();
  EXPECT_DOUBLE_EQ(expert_bytes(model, {two, one}), 0);
}

TEST(Utilization, OfAllLayersIsTheirMeanAndNotThatOfTheirSum) {
  // Each layer has one expert that does everything, and a third layer saw nothing: summed up they would look even.
  const LayerRouting first{.tokens = 8, .counts = {8}, .calls = {8, 0}}, second{.tokens = 8, .counts = {8}, .calls = {0, 8}}, none{.counts = {0}, .calls = {0, 0}};
  const auto all = utilization_of_layers({first, second, none});
  ASSERT_TRUE(all);
  EXPECT_DOUBLE_EQ(all->mean.cv, 1);
  EXPECT_DOUBLE_EQ(all->mean.utilization, .5);
  EXPECT_DOUBLE_EQ(all->mean.entropy, 0);
  EXPECT_EQ(all->mean.dead, 2u);
  EXPECT_EQ(all->mean.total, 16u);
  const LayerRouting even{.tokens = 8, .counts = {8}, .calls = {4, 4}};
  const auto worst = utilization_of_layers({even, second});
  ASSERT_TRUE(worst);
  EXPECT_DOUBLE_EQ(worst->mean.cv, .5);
  EXPECT_DOUBLE_EQ(worst->worst_cv, 1);
  EXPECT_EQ(worst->worst_layer, 1u);
  EXPECT_FALSE(utilization_of_layers({none}));
  EXPECT_FALSE(utilization_of_layers({}));
}

TEST(Utilization, HasItsGoldenValues) {
  const auto figures = [](std::vector<std::uint64_t> calls) { return utilization_figures(calls).value(); };
  const UtilizationFigures even = figures(std::vector<std::uint64_t>(8, 100));
  EXPECT_DOUBLE_EQ(even.cv, 0);
  EXPECT_DOUBLE_EQ(even.utilization, 1);
  EXPECT_NEAR(even.entropy, 1, 1e-12);
  EXPECT_NEAR(even.gini, 0, 1e-12);
  const UtilizationFigures one = figures({800, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_NEAR(one.cv, 2.6458, 5e-5);
  EXPECT_DOUBLE_EQ(one.utilization, .125);
  EXPECT_DOUBLE_EQ(one.entropy, 0);
  EXPECT_DOUBLE_EQ(one.gini, .875);
  EXPECT_EQ(one.dead, 7u);
  const UtilizationFigures zipf = figures({400, 200, 133, 100, 80, 67, 57, 50});
  EXPECT_NEAR(zipf.cv, .8089, 5e-5);
  EXPECT_NEAR(zipf.utilization, .3397, 5e-5);
  EXPECT_NEAR(zipf.entropy, .8733, 5e-5);
  EXPECT_NEAR(zipf.gini, .3890, 5e-5);
  const UtilizationFigures near = figures({110, 95, 105, 90, 108, 92, 103, 97});
  EXPECT_NEAR(near.cv, .0704, 5e-5);
  EXPECT_NEAR(near.utilization, .9091, 5e-5);
  EXPECT_NEAR(near.entropy, .9988, 5e-5);
  EXPECT_NEAR(near.gini, .0400, 5e-5);
}

TEST(RoutingTrace, AChunkShorterThanItSaysIsIgnored) {
  auto broken = std::make_shared<RoutingChunk>(*chunk_of(0, 3));
  broken->experts.resize(4);
  RoutingTrace routing = trace();
  routing.chunks = {broken};
  EXPECT_TRUE(routing.chosen(2, 2).empty());
  EXPECT_EQ(routing.calls(0, 3, std::nullopt), (std::vector<std::uint64_t>(4, 0)));
}

TEST(UtilizationFigures, EvenUseIsPerfect) {
  const auto figures = utilization_figures(std::vector<std::uint64_t>{50, 50, 50, 50});
  ASSERT_TRUE(figures);
  EXPECT_DOUBLE_EQ(figures->cv, 0);
  EXPECT_DOUBLE_EQ(figures->utilization, 1);
  EXPECT_NEAR(figures->entropy, 1, 1e-12);
  EXPECT_NEAR(figures->cv_floor, std::sqrt(3.0 / 200), 1e-12);
  EXPECT_EQ(figures->dead, 0u);
  EXPECT_EQ(figures->total, 200u);
}

TEST(UtilizationFigures, OneExpertTakesAll) {
  const auto figures = utilization_figures(std::vector<std::uint64_t>{0, 1000, 2, 0});
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->dead, 3u);  // 2 calls are below one per cent of the mean of 250.5
  EXPECT_NEAR(figures->utilization, 250.5 / 1000, 1e-12);
  EXPECT_LT(figures->entropy, 0.02);
  EXPECT_NEAR(figures->cv, std::sqrt((2 * 250.5 * 250.5 + 749.5 * 749.5 + 248.5 * 248.5) / 4) / 250.5, 1e-9);
}

TEST(UtilizationFigures, NoCallsHaveNoFigures) {
  EXPECT_FALSE(utilization_figures({}));
  EXPECT_FALSE(utilization_figures(std::vector<std::uint64_t>{0, 0}));
}

}  // namespace
}  // namespace fovea
