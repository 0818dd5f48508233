// The choice of experts under a policy against the reference: number, experts, weights, what the router remembers from block
// to block, and what it counts; and that a policy that changes nothing gives the bits of the plain choice.
#include "engine/kernels/expert_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "engine/kernels/dot.hpp"
#include "engine/reference/expert_choice.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

struct Shape {
  std::uint32_t experts, slots;
  bool normalize;
  friend void PrintTo(const Shape& s, std::ostream* out) { *out << s.slots << " of " << s.experts; }
};

reference::ExpertRule same_rule(const ExpertChoiceRule& rule, const std::vector<float>& bias) {
  constexpr std::array kCounts{reference::CountRule::fixed, reference::CountRule::mass, reference::CountRule::entropy};
  constexpr std::array kLoads{reference::LoadRule::off, reference::LoadRule::seed, reference::LoadRule::headroom,
                              reference::LoadRule::locality, reference::LoadRule::bias, reference::LoadRule::price, reference::LoadRule::fixed_price};
  const auto exact = [](float value) { return static_cast<double>(value); };
  return {.count = kCounts.at(rule.count), .least = rule.least, .most = rule.most, .threshold = exact(rule.threshold),
          .target = exact(rule.target), .load = kLoads.at(rule.load), .gamma = exact(rule.gamma), .gamma_most = exact(rule.gamma_most),
          .cv = exact(rule.cv), .retained = exact(rule.retained), .tau = exact(rule.tau), .half_life = exact(rule.half_life),
          .bias = {bias.begin(), bias.end()}};
}

class ExpertChoice : public KernelTest, public testing::WithParamInterface<Shape> {
 protected:
  struct Chosen {
    std::vector<std::uint32_t> experts, memory, facts;
    std::vector<float> weights;
  };
  // `batches`: tokens of each; the sequence begins at position 0.
  Chosen choose(const ExpertChoiceRule& rule, const std::vector<float>& logits, const std::vector<std::uint32_t>& batches,
                ProductForm form = ProductForm::suits_device, const std::vector<float>& bias = {}) {
    const Shape s = GetParam();
    const std::uint32_t stride = (s.experts + 3) / 4 * 4 + 4;
    Chosen all;
    all.memory = initial_router_memory(rule, s.experts, s.slots, bias);
    all.facts.assign(router_fact_words(s.experts, s.slots), 0);
    std::size_t at = 0;
    for (const std::uint32_t tokens : batches) {
      const std::uint32_t room = tokens == 1 ? 1 : tokens + 3;
      GuardBuffer experts = output(room * s.slots), weights = output(room * s.slots), memory = output(all.memory.size()),
                  facts = output(all.facts.size());
      memory.set_initial<std::uint32_t>(all.memory);
      facts.set_initial<std::uint32_t>(all.facts);
      set_state(static_cast<std::uint32_t>(at), tokens);
      const std::uint64_t rows = place_rows({logits.begin() + static_cast<std::ptrdiff_t>(at * s.experts),
                                             logits.begin() + static_cast<std::ptrdiff_t>((at + tokens) * s.experts)},
                                            s.experts, stride);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_expert_choice(kernels, {.router = {.logits = rows, .experts = experts.address(), .weights = weights.address(),
                                                             .state = state, .stride = stride, .expert_count = s.experts, .slots = s.slots,
                                                             .tokens = room, .normalize = s.normalize},
                                                  .rule = rule, .memory = memory.address(), .facts = facts.address()});
          },
          {&experts, &weights, &memory, &facts}, form);
      const auto got = experts.values<std::uint32_t>();
      const std::size_t cells = std::size_t{tokens} * s.slots;
      all.experts.insert(all.experts.end(), got.begin(), got.begin() + static_cast<std::ptrdiff_t>(cells));
      EXPECT_TRUE(std::all_of(got.begin() + static_cast<std::ptrdiff_t>(cells), got.end(), [](std::uint32_t word) { return word == GuardBuffer::kPoison; }));
      const std::vector<float> kept = rows_of(weights, tokens, s.slots, s.slots);
      all.weights.insert(all.weights.end(), kept.begin(), kept.end());
      all.memory = memory.values<std::uint32_t>();
      all.facts = facts.values<std::uint32_t>();
      at += tokens;
    }
    return all;
  }

  static constexpr std::uint32_t kWidth = 64, kHidden = 32;

  // A router of plain numbers that gives the logits at `from` of a row of ones, which its norm leaves as it is.
  std::vector<float> router_of(std::vector<float>::const_iterator from) {
    std::vector<float> rows(std::size_t{GetParam().experts} * kWidth, 0.0f);
    for (std::uint32_t e = 0; e < GetParam().experts; ++e) rows[std::size_t{e} * kWidth + e % kWidth] = from[e];
    return rows;
  }

  // Token after token from position 0, chosen by the gate and up product over weights of `of`, without one by the step that has
  // the router too.
  Chosen choose_folded(const ExpertChoiceRule& rule, const std::vector<float>& logits, std::optional<DType> of, const std::vector<float>& bias) {
    const Shape s = GetParam();
    const DType type = of.value_or(DType::F32);
    Seeded random(4);
    const StoredMatrix gate = stored_matrix(type, kWidth, kHidden, random, s.experts), up = stored_matrix(type, kWidth, kHidden, random, s.experts);
    const std::uint64_t ones = place(std::vector<float>(kWidth, 1.0f));
    const DeviceMatrix gates = place(gate), ups = place(up);
    const std::uint64_t x = place(random.normals(kWidth));
    Chosen all;
    all.memory = initial_router_memory(rule, s.experts, s.slots, bias);
    all.facts.assign(router_fact_words(s.experts, s.slots), 0);
    for (std::uint32_t t = 0; t < logits.size() / s.experts; ++t) {
      GuardBuffer experts = output(s.slots), weights = output(s.slots), memory = output(all.memory.size()), facts = output(all.facts.size()),
                  act = output(s.slots * kHidden);
      memory.set_initial<std::uint32_t>(all.memory);
      facts.set_initial<std::uint32_t>(all.facts);
      set_state(t, 1);
      const auto from = logits.begin() + static_cast<std::ptrdiff_t>(t * s.experts);
      const std::uint64_t row = of ? place(std::vector(from, from + s.experts)) : place(router_of(from));
      GuardBuffer written = output(s.experts);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            ExpertBatch batch{.mode = ExpertMode::by_policy, .slots = s.slots, .experts = experts.address(), .weights = weights.address(), .logits = row,
                              .expert_count = s.experts, .normalize = s.normalize, .varies = true, .state = state};
            batch.policy = folded_policy({.router = {.tokens = 1}, .rule = rule, .memory = memory.address(), .facts = facts.address()});
            if (!of)
              FOVEA_TRY(record_router_token(kernels, {.router = {.address = row, .columns = kWidth, .rows = s.experts, .row_bytes = kWidth * 4}, .x = ones,
                                                      .norm = {.weight = ones},
                                                      .choice = {.logits = written.address(), .experts = experts.address(), .weights = weights.address(),
                                                                 .state = state, .expert_count = s.experts, .slots = s.slots, .normalize = s.normalize},
                                                      .policy = batch.policy, .by_policy = true}));
            else if (type == DType::F32)
              FOVEA_TRY(record_gate_up(kernels, batch, {.gate = gates, .up = ups, .x = x, .act = act.address(), .x_stride = kWidth, .act_stride = kHidden}));
            else
              FOVEA_TRY(record_gate_up_dot(kernels, batch, {.gate = gates, .up = ups, .x = {.address = x}, .act = act.address(), .act_stride = kHidden}));
            kernels.plan().barrier();
            if (!rule.remembers()) return {};
            return record_router_memory(kernels, {.rule = rule, .memory = memory.address(), .state = state, .layers = 1, .experts = s.experts, .slots = s.slots});
          },
          {&experts, &weights, &memory, &facts, &act, &written}, of ? ProductForm::gpu : ProductForm::cpu);
      if (!of) {
        EXPECT_EQ(written.values<float>(), std::vector(from, from + s.experts));
      }
      const auto got = experts.values<std::uint32_t>();
      const std::vector<float> kept = weights.values<float>(), products = act.values<float>();
      all.experts.insert(all.experts.end(), got.begin(), got.end());
      all.weights.insert(all.weights.end(), kept.begin(), kept.end());
      for (std::uint32_t slot = 0; of && slot < s.slots; ++slot)
        for (std::uint32_t i = 0; i < kHidden; ++i)
          EXPECT_EQ(GuardBuffer::is_poison(products[slot * kHidden + i]), got[slot] == shader::kNoExpert) << "a product of token " << t << " in slot " << slot;
      all.memory = memory.values<std::uint32_t>();
      all.facts = facts.values<std::uint32_t>();
    }
    return all;
  }
  // Pipelines take longer than what they do: one shape has all of them, the others share them.
  static bool has_all() { return GetParam().experts == 16; }
  void expect_folded_the_same(const ExpertChoiceRule& rule) {
    const Shape s = GetParam();
    SCOPED_TRACE("count " + std::to_string(rule.count) + ", load " + std::to_string(rule.load));
    Seeded random(s.experts + rule.count * 5 + rule.load);
    const std::vector<float> logits = random.normals(std::size_t{20} * s.experts, 2);
    const std::vector<float> bias = rule.load == shader::kLoadBias || rule.load == shader::kLoadFixedPrice ? random.normals(s.experts, 0.3) : std::vector<float>{};
    const Chosen own = choose(rule, logits, {20}, ProductForm::gpu, bias);
    for (const std::optional<DType> type : {std::optional(DType::F32), std::optional(DType::Q8_0), std::optional<DType>{}}) {
      if (type == DType::Q8_0 && !device().facts().integer_dot) continue;
      if (type && !has_all() && (type == DType::F32) != s.normalize) continue;
      if (!type && device().facts().subgroup != 8) continue;
      const Chosen folded = choose_folded(rule, logits, type, bias);
      EXPECT_EQ(folded.experts, own.experts);
      EXPECT_EQ(folded.weights, own.weights);
      EXPECT_EQ(folded.memory, own.memory);
      EXPECT_EQ(folded.facts, own.facts);
    }
  }

  void expect_the_reference(const ExpertChoiceRule& rule, std::uint32_t tokens, const std::vector<std::uint32_t>& batches,
                            ProductForm form = ProductForm::suits_device) {
    const Shape s = GetParam();
    SCOPED_TRACE("count " + std::to_string(rule.count) + ", load " + std::to_string(rule.load) + ", form " + std::to_string(static_cast<int>(form)));
    Seeded random(s.experts * 7 + rule.count * 3 + rule.load);
    std::vector<float> logits = random.normals(std::size_t{tokens} * s.experts, 2);
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += i % s.experts < 2 ? 1.5f : 0.0f;  // two that are called too often
    std::vector<float> bias;
    if (rule.load == shader::kLoadBias || rule.load == shader::kLoadFixedPrice) bias = random.normals(s.experts, rule.load == shader::kLoadBias ? 0.3 : 0.1);
    expect_the_reference(rule, logits, batches, form, bias);
  }
  void expect_the_reference(const ExpertChoiceRule& rule, const std::vector<float>& logits, const std::vector<std::uint32_t>& batches, ProductForm form,
                            const std::vector<float>& bias = {}) {
    const Shape s = GetParam();
    const auto tokens = static_cast<std::uint32_t>(logits.size() / s.experts);
    const Chosen got = choose(rule, logits, batches, form, bias);
    std::vector<float> sane = logits;
    for (float& logit : sane) logit = std::isnan(logit) ? -1e30f : std::clamp(logit, -1e30f, 1e30f);
    reference::ExpertRouter judge(s.experts, s.slots, s.normalize, same_rule(rule, bias));
    std::vector<std::uint32_t> counts(s.slots), calls(s.experts);
    std::uint32_t same = 0;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const auto row = std::span(logits).subspan(std::size_t{t} * s.experts, s.experts);
      reference::Routing expected = judge.route(row);
      ++counts[expected.experts.size() - 1];
      const reference::Routing own = reference::route(std::span(sane).subspan(std::size_t{t} * s.experts, s.experts), static_cast<std::uint32_t>(expected.experts.size()), true);
      EXPECT_EQ(expected.experts.front(), own.experts.front());
      for (const std::uint32_t e : expected.experts) {
        ++calls[e];
        same += std::ranges::find(own.experts, e) != own.experts.end() ? 1 : 0;
      }
      expected.experts.resize(s.slots, shader::kNoExpert);
      expected.weights.resize(s.slots, 0);
      const auto from = static_cast<std::ptrdiff_t>(t * s.slots);
      ASSERT_EQ(std::vector(got.experts.begin() + from, got.experts.begin() + from + s.slots), expected.experts) << "token " << t;
      ASSERT_TRUE(near_enough(std::span(got.weights).subspan(std::size_t{t} * s.slots, s.slots), expected.weights, {4e-6, 4e-6})) << "token " << t;
    }
    EXPECT_EQ(got.facts[shader::kRouterFactTokens], tokens);
    EXPECT_EQ(got.facts[shader::kRouterFactSame], same);
    const auto head = got.facts.begin() + shader::kRouterFactHead;
    EXPECT_EQ(std::vector(head, head + s.slots), counts);
    EXPECT_EQ(std::vector(head + s.slots, head + s.slots + s.experts), calls);
    if (rule.target > 0) {
      const double control = static_cast<double>(std::bit_cast<float>(got.memory[shader::kMemoryThreshold]));
      EXPECT_NEAR(rule.count == shader::kCountMass ? 1 / (1 + std::exp(-control)) : std::exp(control), judge.threshold(), 1e-4);
    }
    if (!rule.evens()) {
      EXPECT_TRUE(std::equal(bias.begin(), bias.end(), got.memory.begin() + shader::kMemoryHead, [](float b, std::uint32_t word) { return b == std::bit_cast<float>(word); }))
          << "what is frozen stays";
      return;
    }
    for (std::uint32_t e = 0; e < s.experts; ++e)
      EXPECT_NEAR(std::bit_cast<float>(got.memory[shader::kMemoryHead + e]), judge.load()[e], 1e-5);
    if (rule.gamma < 0) {
      EXPECT_NEAR(std::bit_cast<float>(got.memory[shader::kMemoryGamma]), judge.gamma(), 1e-4);
    }
  }
};

TEST_P(ExpertChoice, of_so_many_experts_is_that_of_the_reference) {
  const std::uint32_t slots = GetParam().slots;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    expect_the_reference({.count = shader::kCountFixed, .least = (slots + 1) / 2, .most = (slots + 1) / 2}, 40, {40}, form);
    expect_the_reference({.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.7f}, 70, {37, 1, 32}, form);
    expect_the_reference({.count = shader::kCountMass, .least = std::min(2u, slots), .most = std::min(3u, slots), .threshold = 0.5f}, 40, {40}, form);
    expect_the_reference({.count = shader::kCountEntropy, .least = 1, .most = slots, .threshold = 0.8f}, 40, {7, 33}, form);
  }
}

TEST_P(ExpertChoice, with_a_wished_mean_holds_it) {
  const Shape s = GetParam();
  if (s.slots < 4) return;
  for (const std::uint32_t count : {shader::kCountMass, shader::kCountEntropy}) {
    const float target = static_cast<float>(s.slots) * 0.5f;
    const ExpertChoiceRule rule{.count = count, .least = 1, .most = s.slots, .threshold = 0.7f, .target = target};
    ExpertChoiceRule frozen = rule;  // numbers that hang on the blocks before, choices that do not
    frozen.load = shader::kLoadFixedPrice;
    for (const ExpertChoiceRule& one : {rule, frozen}) expect_the_reference(one, 190, {50, 1, 1, 138}, ProductForm::gpu);
    expect_the_reference(frozen, 150, {150}, ProductForm::cpu);
    Seeded random(3);
    const std::vector<float> logits = random.normals(std::size_t{2048} * s.experts, 2);
    const Chosen got = choose(rule, logits, {1024, 1024});
    double sum = 0;
    for (std::uint32_t k = 0; k < s.slots; ++k) sum += (k + 1.0) * got.facts[shader::kRouterFactHead + k];
    EXPECT_NEAR(sum / 2048, static_cast<double>(target), 0.15);
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
      if (!has_all() && (load + count + (GetParam().normalize ? 1 : 0)) % 2 != 0) continue;
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
      const ExpertChoiceRule rule{.count = count, .least = 1, .most = s.slots, .threshold = 0.7f, .shift = shifts, .predicted = predicted};
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
  expect_folded_the_same({.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.7f});
  expect_folded_the_same({.count = shader::kCountFixed, .least = slots, .most = slots, .load = shader::kLoadBias});
  expect_folded_the_same({.count = shader::kCountFixed, .least = slots, .most = slots, .load = shader::kLoadPrice, .gamma = 0.8f, .tau = 0, .half_life = 50});
  expect_folded_the_same({.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.8f, .load = shader::kLoadFixedPrice, .tau = 0});
  // The product takes a batch's first token, and so does this step where batches have one token.
  const std::uint64_t shift = place(std::vector<float>(20, 0.9f)), predicted = place(std::vector<std::uint32_t>(20 * 8, 0x5A5A5A5Au));
  expect_folded_the_same({.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.6f, .shift = shift, .predicted = predicted});
  expect_folded_the_same({.count = shader::kCountEntropy, .least = 1, .most = slots, .threshold = 0.8f, .target = 1 + static_cast<float>(slots) * 0.3f,
                          .load = shader::kLoadHeadroom, .half_life = 50});
  expect_folded_the_same({.count = shader::kCountMass, .least = 1, .most = slots, .threshold = 0.6f, .target = 1 + static_cast<float>(slots) * 0.3f,
                          .load = shader::kLoadFixedPrice, .tau = 0});
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
