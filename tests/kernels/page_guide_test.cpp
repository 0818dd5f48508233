// Budgets of page choices that follow what choices did, held against engine/reference/page_guide.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "engine/kernels/sparse_attention.hpp"
#include "engine/reference/page_guide.hpp"
#include "tests/support/kernel_test.hpp"

namespace fovea::test {
namespace {

class PageGuideKernel : public KernelTest {
 protected:
  static constexpr std::uint32_t kLayers = 3;

  // Sums of a phase as choices leave them, growing step by step.
  struct Sums {
    std::vector<std::uint32_t> words;
    explicit Sums(std::uint32_t heads) : words(std::size_t{kLayers} * heads * shader::kFactWords) {}
    void add(std::size_t row, std::uint32_t fact, std::uint32_t value) {
      words[row * shader::kFactWords + fact] += value % shader::kFactSplit;
      words[row * shader::kFactWords + fact + 1] += value / shader::kFactSplit;
    }
  };

  void follow(std::uint32_t heads, const reference::PageGuideRule& rule, std::uint32_t step_tokens, bool decoding) {
    SCOPED_TRACE(std::to_string(heads) + " heads, steps of " + std::to_string(step_tokens));
    Seeded random(heads + step_tokens);
    const auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(std::abs(random.normals(1, 1)[0]) * 1000) % bound; };
    Sums prompt(heads), decode(heads);
    std::vector<reference::PageGuide> guides(kLayers, reference::PageGuide(heads));
    std::uint32_t position = 900;
    for (int i = 0; i < 6; ++i, position += step_tokens) {
      const bool of_token = decoding && i > 1;
      Sums& grows = of_token ? decode : prompt;
      for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
        std::vector<reference::HeadChoices> done(heads);
        for (std::uint32_t head = 0; head < heads; ++head) {
          const std::size_t row = std::size_t{layer} * heads + head;
          const std::uint32_t choices = i == 3 ? 0 : 1 + below(40), remote = choices * (20 + below(200)), chosen = remote / (2 + below(5)), entropy = choices * (200000 + below(700000));
          grows.add(row, shader::kFactChoices, choices + 5);
          grows.add(row, shader::kFactWhole, 5);
          grows.add(row, shader::kFactRemote, remote);
          grows.add(row, shader::kFactChosen, chosen);
          grows.add(row, shader::kFactEntropy, entropy);
          done[head] = {static_cast<double>(choices), static_cast<double>(remote), static_cast<double>(chosen), entropy / 1048576.0};
        }
        reference::move_guide(guides[layer], rule, done, position, step_tokens);
      }
      GuardBuffer of_prompt(device(), prompt.words.size() * 4), of_decode(device(), decode.words.size() * 4);
      of_prompt.set_initial<std::uint32_t>(prompt.words);
      of_decode.set_initial<std::uint32_t>(decode.words);
      set_state(position, step_tokens);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_page_guide(kernels, {.facts = of_prompt.address(), .decode_facts = of_decode.address(), .state = state, .kv_heads = heads,
                                               .layers = kLayers, .target = rule.target ? static_cast<std::uint32_t>(*rule.target * 1e6) : 0,
                                               .by_entropy = rule.by_entropy, .mass = static_cast<float>(rule.mass)});
          },
          {&of_prompt, &of_decode});
      if (HasFatalFailure()) return;
      prompt.words = of_prompt.values<std::uint32_t>();
      decode.words = of_decode.values<std::uint32_t>();
      for (std::uint32_t layer = 0; layer < kLayers; ++layer)
        for (std::uint32_t head = 0; head < heads; ++head)
          for (const Sums* phase : {&prompt, &decode}) {
            const auto word = [&](std::uint32_t n) { return phase->words[(std::size_t{layer} * heads + head) * shader::kFactWords + n]; };
            const reference::PageGuide& guide = guides[layer];
            EXPECT_NEAR(word(shader::kGuideMass) / 1073741824.0, guide.mass.value_or(0), 1e-5) << "step " << i << " layer " << layer << " head " << head;
            EXPECT_NEAR(word(shader::kGuideWeight) / 1e6, rule.by_entropy ? guide.weights[head] : 0, 1e-4) << "step " << i << " layer " << layer << " head " << head;
          }
    }
  }
};

TEST_F(PageGuideKernel, moves_the_mass_and_the_heads_as_the_reference) {
  for (const std::uint32_t heads : {1u, 2u, 7u}) {
    follow(heads, {.target = 0.25}, 100, false);
    follow(heads, {.by_entropy = true}, 16, false);
    follow(heads, {.target = 0.1, .by_entropy = true, .mass = 0.5}, 1, true);
  }
}

TEST_F(PageGuideKernel, asks_for_nothing_where_the_policy_wants_nothing) { follow(2, {}, 100, false); }

}  // namespace
}  // namespace fovea::test
