// Choices of experts on the device, by a step of its own and folded into another one, and beside the reference's.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/kernels/dot.hpp"
#include "engine/kernels/expert_choice.hpp"
#include "engine/reference/expert_choice.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {

struct ExpertShape {
  std::uint32_t experts, slots;
  bool normalize;
  friend void PrintTo(const ExpertShape& s, std::ostream* out) { *out << s.slots << " of " << s.experts; }
};

inline reference::ExpertRule same_rule(const ExpertChoiceRule& rule, const std::vector<float>& bias) {
  constexpr std::array kCounts{reference::CountRule::fixed, reference::CountRule::mass, reference::CountRule::entropy};
  constexpr std::array kLoads{reference::LoadRule::off, reference::LoadRule::seed, reference::LoadRule::headroom,
                              reference::LoadRule::locality, reference::LoadRule::bias, reference::LoadRule::price, reference::LoadRule::fixed_price};
  const auto exact = [](float value) { return static_cast<double>(value); };
  return {.count = kCounts.at(rule.count), .least = rule.least, .most = rule.most, .threshold = exact(rule.threshold),
          .target = exact(rule.target), .load = kLoads.at(rule.load), .gamma = exact(rule.gamma), .gamma_most = exact(rule.gamma_most),
          .cv = exact(rule.cv), .retained = exact(rule.retained), .tau = exact(rule.tau), .half_life = exact(rule.half_life),
          .bias = {bias.begin(), bias.end()}};
}

class ExpertChoice : public KernelTest, public testing::WithParamInterface<ExpertShape> {
 protected:
  struct Chosen {
    std::vector<std::uint32_t> experts, memory, facts;
    std::vector<float> weights;
  };
  bool warm_ = false;  // a router that has seen tokens begins, whose load is uneven: a given gamma counts at once
  [[nodiscard]] std::vector<std::uint32_t> first_memory(const ExpertChoiceRule& rule, const std::vector<float>& bias) const {
    const ExpertShape s = GetParam();
    std::vector<std::uint32_t> words = initial_router_memory(rule, s.experts, s.slots, bias);
    if (!warm_ || !rule.evens()) return words;
    words[shader::kMemorySeen] = shader::kColdTokens;
    for (std::uint32_t e = 0; e < s.experts; ++e) {
      std::uint32_t& load = words[shader::kMemoryHead + e];
      load = std::bit_cast<std::uint32_t>(std::bit_cast<float>(load) * (0.4f + 0.4f * static_cast<float>(e % 4)));
    }
    return words;
  }

  // `batches`: tokens of each; the sequence begins at position 0.
  Chosen choose(const ExpertChoiceRule& rule, const std::vector<float>& logits, const std::vector<std::uint32_t>& batches,
                ProductForm form = ProductForm::suits_device, const std::vector<float>& bias = {}) {
    const ExpertShape s = GetParam();
    const std::uint32_t stride = (s.experts + 3) / 4 * 4 + 4;
    Chosen all;
    all.memory = first_memory(rule, bias);
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
    const ExpertShape s = GetParam();
    const DType type = of.value_or(DType::F32);
    Seeded random(4);
    const StoredMatrix gate = stored_matrix(type, kWidth, kHidden, random, s.experts), up = stored_matrix(type, kWidth, kHidden, random, s.experts);
    const std::uint64_t ones = place(std::vector<float>(kWidth, 1.0f));
    const DeviceMatrix gates = place(gate), ups = place(up);
    const std::uint64_t x = place(random.normals(kWidth));
    Chosen all;
    all.memory = first_memory(rule, bias);
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
  // Pipelines take longer than what they do: one shape has all of them, the others share them, on a CPU driver every `among`-th each.
  static bool has_all() { return GetParam().experts == 16; }
  static bool has(std::uint32_t which, std::uint32_t among) {
    return has_all() || !device().facts().cpu || (which + GetParam().experts % 7) % among == 0;
  }
  void expect_folded_the_same(const ExpertChoiceRule& rule) {
    const ExpertShape s = GetParam();
    SCOPED_TRACE("count " + std::to_string(rule.count) + ", load " + std::to_string(rule.load));
    Seeded random(s.experts + rule.count * 5 + rule.load);
    const std::vector<float> logits = random.normals(std::size_t{20} * s.experts, 2);
    const std::vector<float> bias = rule.load == shader::kLoadBias || rule.load == shader::kLoadFixedPrice ? random.normals(s.experts, 0.3) : std::vector<float>{};
    warm_ = true;
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
    const ExpertShape s = GetParam();
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
    const ExpertShape s = GetParam();
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

}  // namespace fovea::test
