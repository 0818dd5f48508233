// The router's choice against the reference: which experts, in which order, with which weights.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/kernels/experts.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/reference/router.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

struct Case {
  std::uint32_t experts, slots;
  bool normalize;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.slots << " of " << c.experts; }
};

class Router : public KernelTest, public testing::WithParamInterface<Case> {
 protected:
  void check(const std::vector<float>& logits) {
    const Case c = GetParam();
    const std::uint32_t tokens = static_cast<std::uint32_t>(logits.size() / c.experts),
                        stride = (c.experts + 3) / 4 * 4 + 4;
    GuardBuffer experts = output((tokens + 2) * c.slots), weights = output((tokens + 2) * c.slots);
    set_state(3, tokens);
    const std::uint64_t rows = place_rows(logits, c.experts, stride);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_router_topk(kernels, {.logits = rows,
                                              .experts = experts.address(),
                                              .weights = weights.address(),
                                              .state = state,
                                              .stride = stride,
                                              .expert_count = c.experts,
                                              .slots = c.slots,
                                              .tokens = tokens + 2,
                                              .normalize = c.normalize});
        },
        {&experts, &weights});
    const std::vector<std::uint32_t> chosen = experts.values<std::uint32_t>();
    const std::vector<float> weight = rows_of(weights, tokens, c.slots, c.slots);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const reference::Routing expected =
          reference::route(std::span(logits).subspan(std::size_t{t} * c.experts, c.experts), c.slots, c.normalize);
      const auto from = static_cast<std::ptrdiff_t>(t * c.slots);
      EXPECT_EQ(std::vector(chosen.begin() + from, chosen.begin() + from + c.slots), expected.experts) << "token " << t;
      EXPECT_TRUE(
          near_enough(std::span(weight).subspan(std::size_t{t} * c.slots, c.slots), expected.weights, {4e-6, 4e-6}))
          << "token " << t;
    }
    for (std::size_t i = std::size_t{tokens} * c.slots; i < chosen.size(); ++i)
      EXPECT_EQ(chosen[i], GuardBuffer::kPoison) << "a token that is not there got an expert";
  }
};

TEST_P(Router, chooses_as_the_reference) {
  Seeded random(GetParam().experts);
  check(random.normals(std::size_t{GetParam().experts} * 7, 2));
}

TEST_P(Router, takes_the_lower_of_equals_and_survives_extremes) {
  const std::uint32_t experts = GetParam().experts;
  Seeded random(5);
  std::vector<float> logits(experts, 0.25f);                                                // all equal
  for (std::uint32_t e = 0; e < experts; ++e) logits.push_back(e % 2 == 0 ? -1.0f : 1.0f);  // two values
  for (std::uint32_t e = 0; e < experts; ++e) logits.push_back(static_cast<float>(random.below(3)));
  for (std::uint32_t e = 0; e < experts; ++e)
    logits.push_back(-40.0f + static_cast<float>(e) / 8.0f);  // the last ones win
  for (std::uint32_t e = 0; e < experts; ++e) logits.push_back(static_cast<float>(random.normal()) * 10 + 1e4f);
  check(logits);
}

// On a CPU driver the norm, the logits and the choice of one token are one step.
TEST_P(Router, of_one_token_in_one_step_is_norm_product_and_choice) {
  const Case c = GetParam();
  std::size_t ran = 0;
  for (const std::uint32_t columns : {2u, 64u, 254u, 512u, 770u}) {
    SCOPED_TRACE(columns);
    Seeded random(c.experts + columns);
    const StoredMatrix stored = stored_matrix(DType::F32, columns, c.experts, random);
    const DeviceMatrix router = place(stored);
    const std::vector<float> x = random.normals(columns), norm = random.normals(columns);
    GuardBuffer logits = output(c.experts), experts = output(c.slots), weights = output(c.slots);
    bool takes = false;
    const std::uint64_t row = place(x), of_norm = place(norm);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          takes = takes_router_token(kernels, router);
          if (!takes) return {};
          return record_router_token(kernels, {.router = router, .x = row, .norm = {.weight = of_norm, .epsilon = 1e-5f},
                                               .choice = {.logits = logits.address(), .experts = experts.address(), .weights = weights.address(),
                                                          .state = state, .expert_count = c.experts, .slots = c.slots, .normalize = c.normalize}});
        },
        {&logits, &experts, &weights}, ProductForm::cpu);
    if (!takes) continue;
    ++ran;
    std::vector<float> normed(columns), expected(c.experts);
    reference::rms_norm(x, norm, 1e-5f, normed);
    reference::matvec(stored.view(), normed, expected);
    EXPECT_TRUE(near_enough(logits.values<float>(), expected, {2e-5, 2e-5}));
    const reference::Routing chosen = reference::route(logits.values<float>(), c.slots, c.normalize);
    EXPECT_EQ(experts.values<std::uint32_t>(), chosen.experts);
    EXPECT_TRUE(near_enough(weights.values<float>(), chosen.weights, {4e-6, 4e-6}));
  }
  if (ran == 0) GTEST_SKIP() << "a subgroup of this device does not have eight lanes";
  EXPECT_GE(ran, 4u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Router,
                         testing::Values(Case{2, 1, true}, Case{3, 2, false}, Case{8, 8, true}, Case{16, 4, true},
                                         Case{60, 4, false}, Case{64, 8, false}, Case{128, 8, true}),
                         [](const auto& entry) {
                           return std::to_string(entry.param.slots) + "_of_" + std::to_string(entry.param.experts) +
                                  (entry.param.normalize ? "_normalised" : "");
                         });

}  // namespace
}  // namespace fovea::test
