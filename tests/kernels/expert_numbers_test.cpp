// The controller of a wished mean number of experts: that the mean is held, and that its threshold moves at positions of the
// sequence alone, less often the further it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "engine/kernels/expert_choice.hpp"
#include "engine/reference/expert_choice.hpp"
#include "tests/kernels/expert_choice_fixture.hpp"

namespace fovea::test {
namespace {

class ExpertNumbers : public ExpertChoice {};

TEST_P(ExpertNumbers, hold_a_wished_mean) {
  const ExpertShape s = GetParam();
  for (const std::uint32_t count : {shader::kCountMass, shader::kCountEntropy}) {
    const float target = static_cast<float>(s.slots) * 0.5f;
    const ExpertChoiceRule rule{.count = count, .least = 1, .most = s.slots, .threshold = 0.7f, .target = target};
    ExpertChoiceRule frozen = rule;  // numbers that hang on the blocks before, choices that do not
    frozen.load = shader::kLoadFixedPrice;
    for (const ExpertChoiceRule& one : {rule, frozen}) expect_the_reference(one, 190, {50, 1, 1, 138}, ProductForm::gpu);
    expect_the_reference(frozen, 150, {150}, ProductForm::cpu);
    // The further a sequence is, the longer the threshold stands still.
    if (has_all()) expect_the_reference(count == shader::kCountMass ? rule : frozen, 2400, {700, 1700}, ProductForm::gpu);
    Seeded random(3);
    const std::vector<float> logits = random.normals(std::size_t{4096} * s.experts, 2);
    const Chosen got = choose(rule, logits, {1024, 1024, 2048});
    const auto mean_of = [&](std::size_t from, std::size_t tokens) {
      const auto begin = got.experts.begin() + static_cast<std::ptrdiff_t>(from * s.slots);
      const auto unused = std::count(begin, begin + static_cast<std::ptrdiff_t>(tokens * s.slots), shader::kNoExpert);
      return static_cast<double>(s.slots) - static_cast<double>(unused) / static_cast<double>(tokens);
    };
    EXPECT_NEAR(mean_of(0, 2048), static_cast<double>(target), 0.15);
    EXPECT_NEAR(mean_of(2048, 2048), static_cast<double>(target), 0.03);
  }
}

// Batches may be cut anywhere also where the threshold stands still for more than a block: beyond positions 512, 1,024 and 2,048.
TEST_P(ExpertNumbers, hang_on_no_batches_however_far_the_sequence_is) {
  const ExpertShape s = GetParam();
  if (s.experts != 16 && s.experts != 60) return;
  constexpr std::uint32_t kTokens = 2500;
  const ExpertChoiceRule by_mass{.count = shader::kCountMass, .least = 1, .most = s.slots, .threshold = 0.7f, .target = 2.2f};
  ExpertChoiceRule by_entropy = by_mass, by_load = by_mass;
  by_entropy.count = shader::kCountEntropy;
  by_load.load = shader::kLoadHeadroom;
  Seeded random(12);
  const std::vector<float> logits = random.normals(std::size_t{kTokens} * s.experts, 2);
  for (const ExpertChoiceRule& rule : {by_mass, by_entropy, by_load}) {
    const Chosen whole = choose(rule, logits, {kTokens}, ProductForm::gpu);
    const Chosen parts = choose(rule, logits, {511, 1, 1, 503, 20, 1000, 70, 12, 382}, rule.load == shader::kLoadOff ? ProductForm::gpu : ProductForm::cpu);
    EXPECT_EQ(parts.experts, whole.experts);
    EXPECT_EQ(parts.weights, whole.weights);
    EXPECT_EQ(parts.memory, whole.memory);
    EXPECT_EQ(parts.facts, whole.facts);
  }
}

// Behind a decoded token a threshold moves at the same positions as in a prompt.
TEST_P(ExpertNumbers, move_their_threshold_behind_a_token_at_the_ends_of_periods_alone) {
  const ExpertShape s = GetParam();
  const ExpertChoiceRule rule{.count = shader::kCountMass, .least = 1, .most = s.slots, .threshold = 0.7f, .target = 2};
  for (const auto& [end, period] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {16, 16}, {511, 0}, {512, 16}, {528, 0}, {544, 32}, {1024, 32}, {1056, 0}, {1088, 64}, {2048, 64}, {2112, 0}, {2176, 128}, {65536, 128}}) {
    SCOPED_TRACE("behind position " + std::to_string(end));
    const std::uint32_t slots = 3 * std::max(period, 1u);
    std::vector<std::uint32_t> words = initial_router_memory(rule, s.experts, s.slots);
    words[shader::kMemoryBlockSlots] = slots;
    const float before = std::bit_cast<float>(words[shader::kMemoryThreshold]);
    GuardBuffer memory = output(words.size());
    memory.set_initial<std::uint32_t>(words);
    set_state(end - 1, 1);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_router_memory(kernels, {.rule = rule, .memory = memory.address(), .state = state, .layers = 1, .experts = s.experts, .slots = s.slots});
        },
        {&memory});
    const auto got = memory.values<std::uint32_t>();
    EXPECT_EQ(got[shader::kMemoryBlockSlots], period == 0 ? slots : 0);
    // One expert too many.
    const double moved = period == 0 ? 0 : -(reference::kThresholdGain + reference::kThresholdIntegralGain) / s.slots;
    EXPECT_NEAR(std::bit_cast<float>(got[shader::kMemoryThreshold]), static_cast<double>(before) + moved, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ExpertNumbers,
                         testing::Values(ExpertShape{16, 4, true}, ExpertShape{60, 4, false}, ExpertShape{64, 8, false}, ExpertShape{128, 8, true}),
                         [](const auto& entry) { return std::to_string(entry.param.slots) + "_of_" + std::to_string(entry.param.experts); });

}  // namespace
}  // namespace fovea::test
