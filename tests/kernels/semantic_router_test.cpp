// The semantic router on the device against the reference: predicted need and predicted experts of every token, whatever the batches.
#include "engine/kernels/semantic_router.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "engine/kernels/expert_choice.hpp"
#include "engine/reference/expert_choice.hpp"
#include "engine/reference/semantic_router.hpp"
#include "engine/semantic_router/network.hpp"
#include "tests/support/kernel_test.hpp"

namespace fovea::test {
namespace {

struct Shape {
  std::uint32_t input, width, layers, experts, used, domains;
  friend void PrintTo(const Shape& s, std::ostream* out) { *out << s.used << " of " << s.experts << " from " << s.input; }
};

class SemanticRouterKernel : public KernelTest, public testing::WithParamInterface<Shape> {
 protected:
  static constexpr std::uint32_t kFirst = 2, kTokens = 41, kRoom = 43, kMemory = 3;
  static constexpr float kMean = 1.75f, kWeight = 0.6f;
  void SetUp() override {
    KernelTest::SetUp();
    const Shape s = GetParam();
    shape = {.input = s.input, .width = s.width, .first_layer = kFirst, .layers = s.layers, .experts = s.experts, .experts_used = s.used, .domains = s.domains};
    Seeded random(s.input);
    parameters = random.normals(shape.parameters(), 0.15);
    residual = random.normals(std::size_t{kTokens} * s.input, 3);
  }
  struct Said {
    std::vector<float> shift;                  // (tokens)
    std::vector<std::uint32_t> masks;          // (predicted, tokens, words)
  };
  // `batches`: tokens of each, from position 0.
  Said say(const std::vector<std::uint32_t>& batches, ProductForm form) {
    const Shape s = GetParam();
    const std::uint32_t stride = s.input + 4, words = mask_words(s.experts), ring_rows = kRoom + kSemanticSight;
    const std::uint64_t weights = place(parameters);
    std::vector<float> ring(std::size_t{shader::kSemanticBlocks} * ring_rows * s.width, 7.0f);  // rows of a run before
    Said said{.shift = {}, .masks = std::vector<std::uint32_t>(std::size_t{shape.predicted()} * kTokens * words)};
    std::uint32_t at = 0;
    for (const std::uint32_t tokens : batches) {
      const std::uint32_t room = tokens == 1 ? 1 : tokens + 2;
      GuardBuffer kept = output(ring.size()), shift = output(kRoom), masks = output(std::size_t{shape.predicted()} * kRoom * words);
      kept.set_initial<float>(ring);
      set_state(at, tokens);
      const auto from = residual.begin() + static_cast<std::ptrdiff_t>(std::size_t{at} * s.input);
      const std::uint64_t x = place_rows({from, from + static_cast<std::ptrdiff_t>(std::size_t{tokens} * s.input)}, s.input, stride);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_semantic_router(kernels, {.input = s.input, .width = s.width, .predicted = shape.predicted(), .experts = s.experts, .needs = s.used - 1,
                                                    .domains = s.domains, .memory = kMemory, .tokens = room, .stride = stride, .ring_rows = ring_rows,
                                                    .mask_room = kRoom, .mean = kMean, .weight = kWeight, .x = x, .state = state, .parameters = weights,
                                                    .ring = kept.address(), .shift = shift.address(), .masks = masks.address()});
          },
          {&kept, &shift, &masks}, form);
      const std::vector<float> shifts = shift.values<float>();
      const auto bits = masks.values<std::uint32_t>();
      said.shift.insert(said.shift.end(), shifts.begin(), shifts.begin() + tokens);
      for (std::uint32_t i = tokens; i < kRoom; ++i) EXPECT_TRUE(GuardBuffer::is_poison(shifts[i])) << "a token that is not there";
      for (std::uint32_t layer = 0; layer < shape.predicted(); ++layer)
        for (std::uint32_t t = 0; t < tokens; ++t)
          for (std::uint32_t word = 0; word < words; ++word)
            said.masks[(std::size_t{layer} * kTokens + at + t) * words + word] = bits[(std::size_t{layer} * kRoom + t) * words + word];
      ring = kept.values<float>();
      at += tokens;
    }
    return said;
  }
  RouterShape shape;
  std::vector<float> parameters, residual;
};

TEST_P(SemanticRouterKernel, says_what_the_reference_says) {
  const Shape s = GetParam();
  const std::uint32_t words = mask_words(s.experts);
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    const Said said = say({kTokens - 3, 1, 2}, form);
    for (const std::uint32_t t : {0u, 1u, 16u, 30u, 37u, 38u, 39u, 40u}) {
      std::vector<float> frames(std::size_t{t + 1} * s.input);
      for (std::uint32_t i = 0; i <= t; ++i)
        make_router_frame(std::span(residual).subspan(std::size_t{i} * s.input, s.input), std::span(frames).subspan(std::size_t{i} * s.input, s.input));
      const reference::RouterAnswer answer =
          reference::semantic_router({s.input, s.width, s.domains, s.used - 1, shape.predicted() * s.experts}, parameters, frames);
      double need = 1;
      for (const double logit : answer.need) need += 1 / (1 + std::exp(-logit));
      EXPECT_NEAR(said.shift[t], static_cast<double>(kWeight) * (need - static_cast<double>(kMean)), 2e-4) << "token " << t;
      for (std::uint32_t layer = 0; layer < shape.predicted(); ++layer) {
        const auto logits = std::span(answer.prior).subspan(std::size_t{layer} * s.experts, s.experts);
        const std::uint32_t* const mask = said.masks.data() + (std::size_t{layer} * kTokens + t) * words;
        std::uint32_t predicted = 0;
        for (std::uint32_t e = 0; e < s.experts; ++e) {
          const bool in = (mask[e / 32] >> (e % 32) & 1) != 0;
          predicted += in ? 1 : 0;
          // Experts of equal logits, to rounding, may change places.
          const auto better = std::ranges::count_if(logits, [&](double other) { return other > logits[e] + 1e-3; });
          const auto worse = std::ranges::count_if(logits, [&](double other) { return other < logits[e] - 1e-3; });
          EXPECT_FALSE(in && better >= kMemory) << "expert " << e << " of token " << t;
          EXPECT_FALSE(!in && static_cast<std::uint32_t>(worse) + kMemory >= s.experts) << "expert " << e << " of token " << t;
        }
        EXPECT_EQ(predicted, std::min(kMemory, s.experts));
      }
    }
  }
}

TEST_P(SemanticRouterKernel, hangs_on_no_batches) {
  const Said whole = say({kTokens}, ProductForm::gpu);
  for (const std::vector<std::uint32_t>& batches : {std::vector{1u, 1u, 39u}, {20u, 1u, 20u}}) {
    const Said parts = say(batches, ProductForm::gpu);
    EXPECT_EQ(parts.shift, whole.shift);
    EXPECT_EQ(parts.masks, whole.masks);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, SemanticRouterKernel,
                         testing::Values(Shape{32, 8, 3, 4, 2, 1}, Shape{72, 24, 5, 16, 4, 6}, Shape{48, 300, 3, 40, 8, 2}, Shape{64, 64, 4, 64, 8, 3}),
                         [](const auto& entry) { return std::to_string(entry.param.used) + "_of_" + std::to_string(entry.param.experts); });

}  // namespace
}  // namespace fovea::test
