// The escort of a new expert against the reference: which tokens call it, with which weight, and what is remembered of it from
// batch to batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "engine/kernels/expert_choice.hpp"
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

class EscortedExpert : public KernelTest, public testing::WithParamInterface<Shape> {
 protected:
  struct Chosen {
    std::vector<std::uint32_t> experts, memory, facts;  // experts: (tokens, room)
    std::vector<float> weights;
  };
  [[nodiscard]] std::uint32_t room(const ExpertChoiceRule& rule) const { return GetParam().slots + (rule.escort == shader::kEscortShadow ? 1 : 0); }
  // Logits: (tokens, experts + 1).
  Chosen choose(const ExpertChoiceRule& rule, const std::vector<float>& logits, const std::vector<std::uint32_t>& batches, ProductForm form) {
    const Shape s = GetParam();
    const std::uint32_t width = s.experts + 1, slots = room(rule);
    Chosen all;
    all.memory = initial_router_memory(rule, s.experts, s.slots);
    all.facts.assign(router_fact_words(s.experts, s.slots), 0);
    std::size_t at = 0;
    for (const std::uint32_t tokens : batches) {
      GuardBuffer experts = output(tokens * slots), weights = output(tokens * slots), memory = output(all.memory.size()), facts = output(all.facts.size());
      memory.set_initial<std::uint32_t>(all.memory);
      facts.set_initial<std::uint32_t>(all.facts);
      set_state(static_cast<std::uint32_t>(at), tokens);
      const auto from = logits.begin() + static_cast<std::ptrdiff_t>(at * width);
      const std::uint64_t rows = place_rows({from, from + static_cast<std::ptrdiff_t>(tokens * width)}, width, width + 3);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_expert_choice(kernels, {.router = {.logits = rows, .experts = experts.address(), .weights = weights.address(), .state = state,
                                                             .stride = width + 3, .expert_count = s.experts, .slots = s.slots, .tokens = tokens, .normalize = s.normalize},
                                                  .rule = rule, .memory = memory.address(), .facts = facts.address()});
          },
          {&experts, &weights, &memory, &facts}, form);
      const auto got = experts.values<std::uint32_t>();
      const auto kept = weights.values<float>();
      all.experts.insert(all.experts.end(), got.begin(), got.end());
      all.weights.insert(all.weights.end(), kept.begin(), kept.end());
      all.memory = memory.values<std::uint32_t>();
      all.facts = facts.values<std::uint32_t>();
      at += tokens;
    }
    return all;
  }
};

TEST_P(EscortedExpert, is_called_as_the_reference_says) {
  const Shape s = GetParam();
  for (const std::uint32_t escort : {shader::kEscortShadow, shader::kEscortWeight})
    for (const std::uint32_t count : {shader::kCountFixed, shader::kCountMass}) {
      SCOPED_TRACE("escort " + std::to_string(escort) + ", count " + std::to_string(count));
      const ExpertChoiceRule rule{.count = count, .least = count == shader::kCountFixed ? s.slots : 1, .most = s.slots, .threshold = 0.8f, .escort = escort, .escort_calls = 40};
      const reference::ExpertRule same{.count = count == shader::kCountFixed ? reference::CountRule::fixed : reference::CountRule::mass, .least = rule.least, .most = rule.most,
                                       .threshold = static_cast<double>(rule.threshold),
                                       .escort = {.form = escort == shader::kEscortShadow ? reference::EscortForm::shadow : reference::EscortForm::weight,
                                                  .share = static_cast<double>(rule.escort_share), .weight = static_cast<double>(rule.escort_weight), .calls = 40}};
      const std::uint32_t tokens = 150;
      Seeded random(s.experts + escort);
      std::vector<float> logits = random.normals(std::size_t{tokens} * (s.experts + 1), 2);
      logits[20 * (s.experts + 1) + s.experts] = std::numeric_limits<float>::quiet_NaN();  // a new expert's that is no number
      logits[60 * (s.experts + 1) + s.experts] = std::numeric_limits<float>::infinity();
      const Chosen got = choose(rule, logits, {37, 1, 112}, count == shader::kCountFixed ? ProductForm::cpu : ProductForm::gpu);
      reference::ExpertRouter judge(s.experts, s.slots, s.normalize, same);
      std::uint32_t calls = 0;
      for (std::uint32_t t = 0; t < tokens; ++t) {
        const auto row = std::span(logits).subspan(std::size_t{t} * (s.experts + 1), s.experts + 1);
        reference::Routing expected = judge.route(row);
        const auto best = static_cast<std::uint32_t>(std::ranges::max_element(row.first(s.experts)) - row.begin());
        EXPECT_EQ(expected.experts.front(), best) << "rank 1 is never displaced";
        calls += std::ranges::find(expected.experts, s.experts) != expected.experts.end() ? 1 : 0;
        expected.experts.resize(room(rule), shader::kNoExpert);
        expected.weights.resize(room(rule), 0);
        const auto from = static_cast<std::ptrdiff_t>(t * room(rule));
        ASSERT_EQ(std::vector(got.experts.begin() + from, got.experts.begin() + from + room(rule)), expected.experts) << "token " << t;
        ASSERT_TRUE(near_enough(std::span(got.weights).subspan(std::size_t{t} * room(rule), room(rule)), expected.weights, {4e-6, 4e-6})) << "token " << t;
      }
      EXPECT_EQ(got.facts.back(), calls);
      EXPECT_GT(calls, 0u);
      const auto words = std::span(got.memory).subspan(shader::kMemoryHead + 2 * s.experts);
      EXPECT_EQ(words[shader::kEscortCalls], judge.escort().given());
      EXPECT_EQ(words[shader::kEscortOf], judge.escort().of());
      // Whatever the batches.
      const Chosen whole = choose(rule, logits, {tokens}, count == shader::kCountFixed ? ProductForm::cpu : ProductForm::gpu);
      EXPECT_EQ(whole.experts, got.experts);
      EXPECT_EQ(whole.weights, got.weights);
      EXPECT_EQ(whole.memory, got.memory);
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, EscortedExpert, testing::Values(Shape{3, 2, true}, Shape{16, 4, true}, Shape{64, 8, false}),
                         [](const auto& entry) { return std::to_string(entry.param.slots) + "_of_" + std::to_string(entry.param.experts); });

}  // namespace
}  // namespace fovea::test
