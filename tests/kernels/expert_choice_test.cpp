// The choice of experts under a policy against the reference: number, experts, weights, what the router remembers from block
// to block, and what it counts; and that a policy that changes nothing gives the bits of the plain choice.
#include "engine/kernels/expert_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "engine/reference/expert_choice.hpp"
#include "tests/kernels/expert_choice_fixture.hpp"

namespace fovea::test {
namespace {

using Shape = ExpertShape;

TEST_P(ExpertChoice, of_so_many_experts_is_that_of_the_reference) {
  const std::uint32_t slots = GetParam().slots;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    expect_the_reference({.count = shader::kCountFixed, .least = (slots + 1) / 2, .most = (slots + 1) / 2}, 40, {40}, form);
    expect_the_reference({.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.7f}, 70, {37, 1, 32}, form);
    expect_the_reference({.count = shader::kCountMass, .least = std::min(2u, slots), .most = std::min(3u, slots), .threshold = 0.5f}, 40, {40}, form);
    expect_the_reference({.count = shader::kCountEntropy, .least = 1, .most = slots, .threshold = 0.8f}, 40, {7, 33}, form);
  }
}

// Of rows that are no sensible numbers probabilities are numbers, and a token's experts those of the lowest index.
TEST_P(ExpertChoice, of_logits_that_are_no_numbers_is_that_of_the_reference) {
  const Shape s = GetParam();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinite = std::numeric_limits<float>::infinity();
  Seeded random(s.experts + 31);
  std::vector<float> logits = random.normals(std::size_t{40} * s.experts, 2);
  const auto row = [&](std::uint32_t t) { return std::span(logits).subspan(std::size_t{t} * s.experts, s.experts); };
  row(0).back() = kNan;
  row(1).front() = -kNan;
  std::ranges::fill(row(2).subspan(1), kNan);
  std::ranges::fill(row(3), kNan);
  std::ranges::fill(row(4), -kInfinite);
  std::ranges::fill(row(5), kInfinite);
  row(6).back() = kInfinite;
  row(7).front() = kInfinite;
  row(7).back() = kNan;
  std::ranges::fill(row(8).subspan(1), -kInfinite);
  row(9).front() = -3e38f;
  row(9).back() = 3e38f;
  for (std::uint32_t t = 20; t < 40; ++t)
    for (std::uint32_t e = 0; e < s.experts; ++e)
      if (const std::uint64_t kind = random.below(6); kind < 3) row(t)[e] = kind == 0 ? kNan : kind == 1 ? kInfinite : -kInfinite;
  const ExpertChoiceRule mass{.count = shader::kCountMass, .least = 1, .most = s.slots, .threshold = 0.7f};
  ExpertChoiceRule entropy = mass, price = mass, wished = mass;
  entropy.count = shader::kCountEntropy;
  price.load = shader::kLoadFixedPrice;
  wished.target = 1 + static_cast<float>(s.slots - 1) * 0.4f;
  expect_the_reference({.least = s.slots, .most = s.slots}, logits, {40}, ProductForm::cpu);
  for (const ExpertChoiceRule& rule : {mass, entropy, wished}) expect_the_reference(rule, logits, {40}, ProductForm::gpu);
  expect_the_reference(price, logits, {40}, ProductForm::gpu, std::vector<float>(s.experts, 0.0f));
  if (s.slots < 4) return;
  for (const std::uint32_t count : {shader::kCountMass, shader::kCountEntropy}) {
    wished.count = count;
    const Chosen got = choose(wished, std::vector<float>(std::size_t{2048} * s.experts, kNan), {2048}, ProductForm::gpu);
    double sum = 0;
    for (std::uint32_t k = 0; k < s.slots; ++k) sum += (k + 1.0) * got.facts[shader::kRouterFactHead + k];
    EXPECT_NEAR(sum / 2048, static_cast<double>(wished.target), 0.15);
  }
}

TEST_P(ExpertChoice, by_load_is_that_of_the_reference) {
  const std::uint32_t slots = GetParam().slots;
  for (const std::uint32_t load : {shader::kLoadSeed, shader::kLoadHeadroom, shader::kLoadLocality, shader::kLoadBias, shader::kLoadPrice, shader::kLoadFixedPrice})
    for (const std::uint32_t count : {shader::kCountFixed, shader::kCountMass}) {
      if (!has(load * 2 + (count == shader::kCountMass ? 1 : 0), 3)) continue;
      const ProductForm form = count == shader::kCountFixed ? ProductForm::cpu : ProductForm::gpu;
      expect_the_reference({.count = count, .least = count == shader::kCountFixed ? slots : 1, .most = slots, .load = load, .gamma = 0.8f, .half_life = 100}, 320,
                           {129, 1, 190}, form);
    }
}

TEST_P(ExpertChoice, with_a_controlled_gamma_evens_the_load) {
  const Shape s = GetParam();
  if (s.experts < 16) return;
  const ExpertChoiceRule rule{.count = shader::kCountFixed, .least = s.slots, .most = s.slots, .load = shader::kLoadHeadroom, .half_life = 512};
  expect_the_reference(rule, 1100, {512, 588}, ProductForm::gpu);
}

// A random router of 64 experts whose own load is far from even.
TEST_P(ExpertChoice, by_price_evens_a_random_router_while_the_guard_holds) {
  const Shape s = GetParam();
  if (s.experts != 64) return;
  constexpr std::uint32_t kTokens = 4096, kBefore = 2048;
  Seeded random(5);
  const std::vector<float> skew = random.normals(s.experts, 0.8);
  std::vector<float> logits = random.normals(std::size_t{kTokens} * s.experts, 2);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += skew[i % s.experts];
  const auto cv_of = [&](const Chosen& all, const Chosen& before) {
    std::vector<double> calls;
    for (std::uint32_t e = 0; e < s.experts; ++e) calls.push_back(all.facts[shader::kRouterFactHead + s.slots + e] - before.facts[shader::kRouterFactHead + s.slots + e]);
    return reference::variation(calls);
  };
  const std::vector<float> first(logits.begin(), logits.begin() + kBefore * static_cast<std::ptrdiff_t>(s.experts));
  const ExpertChoiceRule own{.least = s.slots, .most = s.slots};
  EXPECT_GE(cv_of(choose(own, logits, {kTokens}), choose(own, first, {kBefore})), 0.41);
  const ExpertChoiceRule price{.least = s.slots, .most = s.slots, .load = shader::kLoadPrice, .retained = 0.95f, .tau = 0};
  const Chosen all = choose(price, logits, {kTokens}), before = choose(price, first, {kBefore});
  EXPECT_LE(cv_of(all, before), 0.15);
  const double kept = all.facts[shader::kRouterFactMoved] - before.facts[shader::kRouterFactMoved];
  EXPECT_GE(kept / shader::kMassUnit / (kTokens - kBefore), 0.95);
}

// A semantic router moves the threshold of each token, and what it predicted is counted.
TEST_P(ExpertChoice, with_a_prediction_is_that_of_the_reference) {
  const Shape s = GetParam();
  constexpr std::uint32_t kTokens = 40;
  const std::uint32_t words = (s.experts + 31) / 32;
  Seeded random(s.experts + 2);
  const std::vector<float> logits = random.normals(std::size_t{kTokens} * s.experts, 2);
  std::vector<float> shift = random.normals(kTokens, 1.5);
  shift[3] = 0;
  shift[5] = std::numeric_limits<float>::quiet_NaN();  // moves nothing
  std::vector<std::uint32_t> masks;
  for (std::uint32_t i = 0; i < kTokens * words; ++i) masks.push_back(static_cast<std::uint32_t>(random.below(1u << 31)));
  const std::uint64_t shifts = place(shift), predicted = place(masks);
  for (const std::uint32_t count : {shader::kCountMass, shader::kCountEntropy})
    for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
      ExpertChoiceRule rule{.count = count, .least = 1, .most = s.slots, .threshold = 0.7f, .shift = shifts, .predicted = predicted};
      if (form == ProductForm::gpu) rule.target = 1 + static_cast<float>(s.slots) * 0.3f;
      const Chosen got = choose(rule, logits, {kTokens}, form);
      reference::ExpertRouter judge(s.experts, s.slots, s.normalize, same_rule(rule, {}));
      std::uint32_t hits = 0;
      for (std::uint32_t t = 0; t < kTokens; ++t) {
        reference::Routing expected = judge.route(std::span(logits).subspan(std::size_t{t} * s.experts, s.experts), static_cast<double>(shift[t]));
        for (const std::uint32_t e : expected.experts) hits += masks[t * words + e / 32] >> (e % 32) & 1;
        expected.experts.resize(s.slots, shader::kNoExpert);
        const auto from = got.experts.begin() + static_cast<std::ptrdiff_t>(t * s.slots);
        EXPECT_EQ(std::vector(from, from + s.slots), expected.experts) << "token " << t;
      }
      EXPECT_EQ(got.facts[shader::kRouterFactPredicted], hits);
      ExpertChoiceRule all = rule;
      all.threshold = 1;
      all.target = 0;
      if (count != shader::kCountMass) continue;
      const Chosen whole = choose(all, logits, {kTokens}, form);
      EXPECT_EQ(std::ranges::count(whole.experts, shader::kNoExpert), 0) << "a mass of 1 stays";
    }
}

// Batches may be cut anywhere: blocks are those of the sequence.
TEST_P(ExpertChoice, hangs_on_no_batches) {
  const Shape s = GetParam();
  const float target = 1 + static_cast<float>(s.slots) * 0.3f;
  const ExpertChoiceRule by_load{.count = shader::kCountMass, .least = 1, .most = s.slots, .threshold = 0.7f, .target = target,
                                 .load = shader::kLoadHeadroom, .gamma = 0.9f, .half_life = 200};
  ExpertChoiceRule by_mass = by_load, by_entropy = by_load;
  by_mass.load = by_entropy.load = shader::kLoadOff;  // only numbers hang on the blocks before, and long batches find them apart
  by_entropy.count = shader::kCountEntropy;
  for (const ExpertChoiceRule& rule : {by_load, by_mass, by_entropy}) {
    const std::uint32_t tokens = rule.load == shader::kLoadOff ? 90 : 350;
    Seeded random(11);
    const std::vector<float> logits = random.normals(std::size_t{tokens} * s.experts, 2);
    const Chosen whole = choose(rule, logits, {tokens});
    std::vector<std::vector<std::uint32_t>> cuts{{15u, 1u, 1u, tokens - 17}};
    if (rule.load != shader::kLoadOff) cuts.insert(cuts.end(), {{64u, 64u, tokens - 128}, {tokens - 1, 1u}});
    for (const std::vector<std::uint32_t>& batches : cuts) {
      const Chosen parts = choose(rule, logits, batches, ProductForm::gpu);
      EXPECT_EQ(parts.experts, whole.experts);
      EXPECT_EQ(parts.weights, whole.weights);
      EXPECT_EQ(parts.memory, whole.memory);
      EXPECT_EQ(parts.facts, whole.facts);
    }
  }
}

// On a GPU a decoded token's choice is made by the product behind it, on a CPU driver by the router; blocks end beside the head.
TEST_P(ExpertChoice, folded_into_another_step_is_that_of_its_own_step) {
  const std::uint32_t slots = GetParam().slots;
  const float target = 1 + static_cast<float>(slots) * 0.3f;
  // The product takes a batch's first token, and so does this step where batches have one token.
  const std::uint64_t shift = place(std::vector<float>(20, 0.9f)), predicted = place(std::vector<std::uint32_t>(20 * 8, 0x5A5A5A5Au));
  const std::vector<ExpertChoiceRule> rules{
      {.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.7f},
      {.count = shader::kCountFixed, .least = slots, .most = slots, .load = shader::kLoadBias},
      {.count = shader::kCountFixed, .least = slots, .most = slots, .load = shader::kLoadPrice, .gamma = 0.8f, .tau = 0, .half_life = 50},
      {.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.8f, .load = shader::kLoadFixedPrice, .tau = 0},
      {.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.6f, .shift = shift, .predicted = predicted},
      {.count = shader::kCountEntropy, .least = 1, .most = slots, .threshold = 0.8f, .target = target, .load = shader::kLoadHeadroom, .half_life = 50},
      {.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.6f, .target = target, .load = shader::kLoadFixedPrice, .tau = 0}};
  for (std::uint32_t i = 0; i < rules.size(); ++i)
    if (has(i, 2)) expect_folded_the_same(rules[i]);
}

TEST_P(ExpertChoice, of_a_policy_that_changes_nothing_is_that_of_the_model_to_the_bit) {
  const Shape s = GetParam();
  const std::uint32_t tokens = 33;
  Seeded random(s.experts);
  std::vector<float> logits = random.normals(std::size_t{tokens - 2} * s.experts, 3);
  logits.insert(logits.end(), s.experts, 0.25f);                                                                // all equal
  for (std::uint32_t e = 0; e < s.experts; ++e) logits.push_back(static_cast<float>(e % 3) * 30.0f);            // weights that vanish
  GuardBuffer experts = output(tokens * s.slots), weights = output(tokens * s.slots);
  set_state(0, tokens);
  const std::uint64_t rows = place(logits);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_router_topk(kernels, {.logits = rows, .experts = experts.address(), .weights = weights.address(), .state = state,
                                            .stride = s.experts, .expert_count = s.experts, .slots = s.slots, .tokens = tokens, .normalize = s.normalize});
      },
      {&experts, &weights});
  for (const ExpertChoiceRule& rule : {ExpertChoiceRule{.least = s.slots, .most = s.slots},
                                       ExpertChoiceRule{.count = shader::kCountMass, .least = 1, .most = s.slots, .threshold = 1},
                                       ExpertChoiceRule{.least = s.slots, .most = s.slots, .load = shader::kLoadHeadroom, .gamma = 0}}) {
    const Chosen got = choose(rule, logits, {tokens});
    EXPECT_EQ(got.experts, experts.values<std::uint32_t>());
    EXPECT_EQ(got.weights, weights.values<float>());
  }
}

TEST_P(ExpertChoice, keeps_the_sum_of_weights) {
  const Shape s = GetParam();
  Seeded random(21);
  const std::vector<float> logits = random.normals(std::size_t{64} * s.experts, 2);
  const Chosen got = choose({.count = shader::kCountMass, .least = 1, .most = s.slots, .threshold = 0.6f, .load = shader::kLoadSeed}, logits, {64});
  for (std::uint32_t t = 0; t < 64; ++t) {
    const reference::Routing own = reference::route(std::span(logits).subspan(std::size_t{t} * s.experts, s.experts), s.slots, s.normalize);
    const float whole = std::accumulate(own.weights.begin(), own.weights.end(), 0.0f);
    const auto row = std::span(got.weights).subspan(std::size_t{t} * s.slots, s.slots);
    EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0f), whole, 2e-6f) << "token " << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ExpertChoice,
                         testing::Values(Shape{2, 1, true}, Shape{3, 2, false}, Shape{16, 4, true}, Shape{60, 4, false}, Shape{64, 8, false},
                                         Shape{128, 8, true}),
                         [](const auto& entry) {
                           return std::to_string(entry.param.slots) + "_of_" + std::to_string(entry.param.experts) +
                                  (entry.param.normalize ? "_normalised" : "");
                         });

}  // namespace
}  // namespace fovea::test
