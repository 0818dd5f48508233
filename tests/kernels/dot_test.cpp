// Products with activations in 8 bits against the reference over rounded activations, in both forms: rounded by a step of
// its own (CPU drivers) and by the workgroup (GPUs).
#include "engine/kernels/dot.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <string>
#include <vector>

#include "engine/reference/expert_ffn.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/quantize.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/reference/router.hpp"
#include "shaders/interface/moe.h"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr std::array kTypes{DType::Q8_0, DType::Q4_0, DType::Q5_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};
constexpr float kEpsilon = 1e-5f;

// A quotient that differs in its last bit rounds an activation to the neighbouring step now and then, so that what is
// normed or computed before it is rounded agrees to a step in one of hundreds of columns only.
constexpr Tolerance kExact{.relative_l2 = 5e-6, .scaled_max = 5e-6};
constexpr Tolerance kRounded{.relative_l2 = 2e-3, .scaled_max = 3e-3};

class DotTest : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (!IsSkipped() && !device().facts().integer_dot) GTEST_SKIP() << "this device has no integer dot product";
  }
  static std::vector<float> rounded(const std::vector<float>& x) {
    std::vector<float> out(x.size());
    reference::round_to_8_bits(x, out);
    return out;
  }
};

class Dot : public DotTest, public testing::WithParamInterface<DType> {
 protected:
  // Short and odd, longer, and more than a GPU's lanes keep in registers: K-quants have blocks of 256.
  std::array<std::uint32_t, 3> widths() const {
    return traits(GetParam()).block_length == 32 ? std::array{96u, 544u, 2144u} : std::array{256u, 768u, 8448u};
  }
  static std::vector<float> normed(const std::vector<float>& x, const std::vector<float>& norm) {
    std::vector<float> out(x.size());
    reference::rms_norm(x, norm, kEpsilon, out);
    return out;
  }
  // Records whatever turns floats at `x` into what the products of this form read.
  Result<DotInput> input(KernelRecorder& kernels, std::uint64_t x, std::uint32_t width, FoldedNorm norm, std::uint64_t words) {
    if (kernels.folds_steps()) return DotInput{.address = x, .norm = norm};
    FOVEA_TRY(record_quantize(kernels, {.x = x, .q8 = words, .width = width, .x_stride = width, .q8_stride = q8_words(width), .norm = norm}));
    kernels.plan().barrier();
    return DotInput{.address = words, .rounded = true};
  }
};

TEST_P(Dot, matvec_equals_the_reference) {
  std::uint64_t seed = 1;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const std::uint32_t columns : widths())
      for (const std::uint32_t row_count : {1u, 129u, 8500u})  // the last: more than the workgroups of a GPU take in one go
        for (const bool with_norm : {false, true}) {
          if (row_count > 1000 && columns != widths()[0]) continue;
          if (columns == widths()[2] && (row_count != 129 || with_norm)) continue;
          SCOPED_TRACE(std::to_string(columns) + " columns, " + std::to_string(row_count) + " rows, form " +
                       std::to_string(static_cast<int>(form)) + (with_norm ? ", normed" : ""));
          Seeded random(seed++);
          const StoredMatrix weights = stored_matrix(GetParam(), columns, row_count, random);
          const std::vector<float> x = random.mixed(columns), norm = random.normals(columns), before = random.normals(row_count);
          std::vector<float> expected(row_count);
          reference::matvec(weights.view(), rounded(with_norm ? normed(x, norm) : x), expected);
          for (std::size_t i = 0; i < row_count; ++i) expected[i] += before[i];
          GuardBuffer y = output(row_count), words = output(q8_words(columns));
          y.set_initial<float>(before);
          set_state(0, 1);
          const DeviceMatrix matrix = place(weights);
          const std::uint64_t at = place_rows(x, columns, columns), norms = place(norm);
          run(
              [&](KernelRecorder& kernels, std::uint64_t) -> Result<void> {
                if (!takes_dot(kernels, matrix)) return fail(ErrorCode::internal, "the matrix", "it is not taken", "look why");
                FOVEA_ASSIGN(const DotInput in, input(kernels, at, columns, {.weight = with_norm ? norms : 0, .epsilon = kEpsilon}, words.address()));
                return record_matvec_dot(kernels, {.weights = matrix, .x = in, .y = y.address(), .accumulate = true});
              },
              {&y, &words}, form);
          EXPECT_TRUE(near_enough(y.values<float>(), expected, with_norm ? kRounded : kExact));
        }
}

// What a product leaves in 8 bits, read by a product behind a norm.
TEST_P(Dot, of_what_a_product_left_equals_the_reference) {
  for (const std::uint32_t columns : {widths()[1], widths()[2]}) {
    SCOPED_TRACE(std::to_string(columns) + " columns");
    const std::uint32_t width = widths()[0], row_count = 37;
    Seeded random(50);
    const StoredMatrix first = stored_matrix(GetParam(), columns, width, random), second = stored_matrix(GetParam(), width, row_count, random);
    const std::vector<float> x = random.mixed(columns), norm = random.normals(width), before = random.normals(width);
    std::vector<float> residual(width), expected(row_count);
    reference::matvec(first.view(), rounded(x), residual);
    for (std::size_t i = 0; i < width; ++i) residual[i] += before[i];
    reference::matvec(second.view(), rounded(normed(residual, norm)), expected);
    GuardBuffer sum = output(width), words = output(q8_words(width)), y = output(row_count);
    sum.set_initial<float>(before);
    words.set_initial<std::uint32_t>(std::vector<std::uint32_t>(q8_words(width), 0));
    set_state(0, 1);
    const DeviceMatrix writer = place(first), reader = place(second);
    const std::uint64_t at = place_rows(x, columns, columns), norms = place(norm);
    run(
        [&](KernelRecorder& kernels, std::uint64_t) -> Result<void> {
          EXPECT_TRUE(leaves_next(kernels, writer));
          FOVEA_TRY(record_matvec_dot(kernels, {.weights = writer, .x = {.address = at}, .y = sum.address(), .accumulate = true,
                                                .next = {words.address(), norms}}));
          kernels.plan().barrier();
          return record_matvec_dot(kernels, {.weights = reader,
                                             .x = {.address = words.address(), .norm = {.epsilon = kEpsilon}, .rounded = true, .norm_pending = true},
                                             .y = y.address()});
        },
        {&sum, &words, &y}, ProductForm::gpu);
    EXPECT_TRUE(near_enough(sum.values<float>(), residual, kExact));
    EXPECT_TRUE(near_enough(y.values<float>(), expected, kRounded));
  }
}

TEST_P(Dot, feed_forward_equals_the_reference) {
  constexpr std::uint32_t kExperts = 6, kSlots = 3;
  const std::uint32_t width = widths()[1], hidden = widths()[0];
  std::vector<std::uint32_t> rounded_apart;  // what a step of its own made of the SwiGLU's output on a GPU
  for (const auto& [form, rounds] : {std::pair{ProductForm::cpu, false}, std::pair{ProductForm::gpu, false}, std::pair{ProductForm::gpu, true}}) {
    SCOPED_TRACE("form " + std::to_string(static_cast<int>(form)) + (rounds ? ", rounded where it was computed" : ""));
    Seeded random(90);
    const StoredMatrix gate = stored_matrix(GetParam(), width, hidden, random, kExperts),
                       up = stored_matrix(GetParam(), width, hidden, random, kExperts),
                       down = stored_matrix(GetParam(), hidden, width, random, kExperts);
    const std::vector<float> x = random.normals(width, 2), norm = random.normals(width), logits = random.normals(kExperts, 2),
                             residual = random.normals(width);
    const reference::Routing choice = reference::route(logits, kSlots, true);
    std::vector<float> expected_act, expected = residual, g(hidden), u(hidden), out(width);
    const std::vector<float> in = rounded(normed(x, norm));
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      reference::matvec(gate.view(), in, g, {.matrix = choice.experts[slot]});
      reference::matvec(up.view(), in, u, {.matrix = choice.experts[slot]});
      reference::swiglu(g, u, g);
      expected_act.insert(expected_act.end(), g.begin(), g.end());
      reference::matvec(down.view(), rounded(g), out, {.matrix = choice.experts[slot]});
      for (std::uint32_t i = 0; i < width; ++i) expected[i] += choice.weights[slot] * out[i];
    }
    GuardBuffer act = output(kSlots * hidden), y = output(width), experts = output(kSlots), weights = output(kSlots),
                words = output(q8_words(width)), act_words = output(kSlots * q8_words(hidden)), next = output(q8_words(width)),
                next_gate = output(hidden);
    y.set_initial<float>(residual);
    next.set_initial<std::uint32_t>(std::vector<std::uint32_t>(q8_words(width), 0));
    set_state(0, 1);
    const DeviceMatrix gates = place(gate), ups = place(up), downs = place(down);
    const std::uint64_t at = place_rows(x, width, width), norms = place(norm);
    const ExpertBatch batch{.mode = ExpertMode::routed, .slots = kSlots, .experts = experts.address(), .weights = weights.address(),
                            .logits = place(logits), .expert_count = kExperts};
    run(
        [&](KernelRecorder& kernels, std::uint64_t) -> Result<void> {
          FOVEA_ASSIGN(const DotInput from, input(kernels, at, width, {.weight = norms, .epsilon = kEpsilon}, words.address()));
          FOVEA_TRY(record_gate_up_dot(kernels, batch, {.gate = gates, .up = ups, .x = from,
                                                        .act = rounds ? act_words.address() : act.address(),
                                                        .act_stride = rounds ? q8_words(hidden) : hidden, .rounded = rounds}));
          kernels.plan().barrier();
          if (!rounds) {
            FOVEA_TRY(record_quantize(kernels, {.x = act.address(), .q8 = act_words.address(), .width = hidden, .x_stride = hidden,
                                                .q8_stride = q8_words(hidden), .rows = kSlots}));
            kernels.plan().barrier();
          }
          FOVEA_TRY(record_expert_down_dot(kernels, batch, {.down = downs, .act = act_words.address(), .x = y.address(),
                                                            .act_stride = q8_words(hidden),
                                                            .next = rounds ? NextInput{next.address(), norms} : NextInput{}}));
          if (!rounds) return {};
          // A feed-forward without experts behind a norm of that: its gate and up are those of expert 0.
          kernels.plan().barrier();
          return record_gate_up_dot(kernels, {}, {.gate = gates, .up = ups,
                                                  .x = {.address = next.address(), .norm = {.epsilon = kEpsilon}, .rounded = true, .norm_pending = true},
                                                  .act = next_gate.address(), .act_stride = hidden});
        },
        {&act, &y, &experts, &weights, &words, &act_words, &next, &next_gate}, form);
    EXPECT_EQ(experts.values<std::uint32_t>(), choice.experts);
    if (rounds) {
      EXPECT_EQ(act_words.values<std::uint32_t>(), rounded_apart);
    } else {
      EXPECT_TRUE(near_enough(act.values<float>(), expected_act, kRounded)) << "SwiGLU";
      rounded_apart = act_words.values<std::uint32_t>();
    }
    EXPECT_TRUE(near_enough(y.values<float>(), expected, kRounded)) << "down";
    if (!rounds) continue;
    const std::vector<float> behind = rounded(normed(y.values<float>(), norm));
    reference::matvec(gate.view(), behind, g, {.matrix = 0});
    reference::matvec(up.view(), behind, u, {.matrix = 0});
    reference::swiglu(g, u, g);
    EXPECT_TRUE(near_enough(next_gate.values<float>(), g, kRounded)) << "gate and up of what the down product left";
  }
}

// Rows of superblocks that fill whole turns of a GPU's lanes and such that do not; the token leaves a slot unused. Rows leave as
// words, in halves of blocks with a scale and a sum of squares each.
class DownOfSuperblocks : public Dot {};

TEST_P(DownOfSuperblocks, and_the_halves_of_blocks_that_it_leaves_equal_the_reference) {
  constexpr std::uint32_t kExperts = 4, kSlots = 3, kRows = 96;
  for (const std::uint32_t hidden : {128 * device().facts().subgroup, 128 * device().facts().subgroup + 256}) {
    SCOPED_TRACE(std::to_string(hidden) + " columns");
    Seeded random(70);
    const StoredMatrix down = stored_matrix(GetParam(), hidden, kRows, random, kExperts);
    const std::vector<std::uint32_t> chosen{3, 1, shader::kNoExpert};
    const std::vector<float> weights{0.75f, 0.25f, 0.0f}, act = random.mixed(kSlots * hidden), norm = random.normals(kRows), residual = random.normals(kRows);
    std::vector<float> expected = residual, out(kRows);
    for (std::uint32_t slot = 0; slot < 2; ++slot) {
      reference::matvec(down.view(), rounded({act.begin() + slot * hidden, act.begin() + (slot + 1) * hidden}), out, {.matrix = chosen[slot]});
      for (std::uint32_t i = 0; i < kRows; ++i) expected[i] += weights[slot] * out[i];
    }
    GuardBuffer y = output(kRows), act_words = output(kSlots * q8_words(hidden)), next = output(q8_words(kRows));
    y.set_initial<float>(residual);
    const std::uint64_t at = place_rows(act, hidden, hidden), norms = place(norm);
    const ExpertBatch batch{.mode = ExpertMode::direct, .slots = kSlots, .experts = place(chosen), .weights = place(weights), .varies = true};
    const DeviceMatrix downs = place(down);
    run(
        [&](KernelRecorder& kernels, std::uint64_t) -> Result<void> {
          FOVEA_TRY(record_quantize(kernels, {.x = at, .q8 = act_words.address(), .width = hidden, .x_stride = hidden, .q8_stride = q8_words(hidden), .rows = kSlots}));
          kernels.plan().barrier();
          return record_expert_down_dot(kernels, batch, {.down = downs, .act = act_words.address(), .x = y.address(), .act_stride = q8_words(hidden),
                                                         .next = {next.address(), norms}});
        },
        {&y, &act_words, &next}, ProductForm::gpu);
    const std::vector<float> sums = y.values<float>();
    EXPECT_TRUE(near_enough(sums, expected, kExact));
    const auto words = next.values<std::uint32_t>();
    std::vector<float> left(kRows), product(kRows), squares, expected_squares(kRows / 16);
    for (std::uint32_t i = 0; i < kRows; ++i) {
      const std::uint32_t block = i / 32, in_block = i % 32, blocks = kRows / 32;
      const std::uint32_t q = words[(in_block / 16 * blocks + block) * 4 + in_block % 16 / 4] >> (i % 4 * 8);
      left[i] = static_cast<float>(static_cast<std::int8_t>(q & 255)) * std::bit_cast<float>(words[(2 * blocks + block) * 4 + in_block / 16]);
      product[i] = sums[i] * norm[i];
      expected_squares[i / 16] += sums[i] * sums[i];
      if (i % 16 == 0) squares.push_back(std::bit_cast<float>(words[blocks * shader::kQ8Words + i / 16]));
    }
    EXPECT_TRUE(near_enough(left, rounded(product), kRounded));
    EXPECT_TRUE(near_enough(squares, expected_squares, kExact));
  }
}

// Short rows, of superblocks that fill no turn: straight to registers, and through shared memory.
TEST_P(DownOfSuperblocks, equals_the_reference_however_its_weights_come) {
  constexpr std::uint32_t kExperts = 5, kSlots = 3, kRows = 64;
  const std::vector<std::uint32_t> chosen{4, 0, 2};
  const std::vector<float> weights{0.5f, 0.3f, 0.2f};
  for (const std::uint32_t hidden : {256u, 768u}) {
    SCOPED_TRACE(std::to_string(hidden) + " columns");
    Seeded random(71);
    const StoredMatrix down = stored_matrix(GetParam(), hidden, kRows, random, kExperts);
    const std::vector<float> act = random.mixed(kSlots * hidden), residual = random.normals(kRows);
    std::vector<float> expected = residual, out(kRows);
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      reference::matvec(down.view(), rounded({act.begin() + slot * hidden, act.begin() + (slot + 1) * hidden}), out, {.matrix = chosen[slot]});
      for (std::uint32_t i = 0; i < kRows; ++i) expected[i] += weights[slot] * out[i];
    }
    const ExpertBatch batch{.mode = ExpertMode::direct, .slots = kSlots, .experts = place(chosen), .weights = place(weights)};
    const std::uint64_t at = place_rows(act, hidden, hidden), norms = place(random.normals(kRows));
    const DeviceMatrix downs = place(down);
    for (const bool streamed : {false, true}) {
      SCOPED_TRACE(streamed ? "through shared memory" : "straight");
      GuardBuffer y = output(kRows), act_words = output(kSlots * q8_words(hidden)), next = output(q8_words(kRows));
      y.set_initial<float>(residual);
      run(
          [&](KernelRecorder& kernels, std::uint64_t) -> Result<void> {
            FOVEA_TRY(record_quantize(kernels, {.x = at, .q8 = act_words.address(), .width = hidden, .x_stride = hidden, .q8_stride = q8_words(hidden), .rows = kSlots}));
            kernels.plan().barrier();
            return record_expert_down_dot(kernels, batch, {.down = downs, .act = act_words.address(), .x = y.address(), .act_stride = q8_words(hidden),
                                                           .next = {next.address(), norms}, .streamed = streamed});
          },
          {&y, &act_words, &next}, ProductForm::gpu);
      EXPECT_TRUE(near_enough(y.values<float>(), expected, kExact));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, DownOfSuperblocks, testing::Values(DType::Q4_K, DType::Q6_K), [](const auto& entry) { return std::string(name(entry.param)); });

// A router whose logits are left in parts by the product before: workgroups of 16 rows, and of 32.
TEST_F(DotTest, logits_in_parts_and_the_experts_chosen_by_them_equal_the_reference) {
  constexpr std::uint32_t kExperts = 12, kSlots = 3, kColumns = 96, kHidden = 32;
  for (const std::uint32_t width : {96u, 4096u}) {
    SCOPED_TRACE(std::to_string(width) + " rows");
    Seeded random(80);
    const StoredMatrix writer = stored_matrix(DType::Q8_0, kColumns, width, random), router = stored_matrix(DType::F32, width, kExperts, random),
                       gate = stored_matrix(DType::Q8_0, width, kHidden, random, kExperts), up = stored_matrix(DType::Q8_0, width, kHidden, random, kExperts);
    const std::vector<float> x = random.normals(kColumns), norm = random.normals(width), before = random.normals(width);
    std::vector<float> residual(width), in(width), logits(kExperts), g(kHidden), u(kHidden), expected;
    reference::matvec(writer.view(), rounded(x), residual);
    for (std::uint32_t i = 0; i < width; ++i) residual[i] += before[i];
    reference::rms_norm(residual, norm, kEpsilon, in);
    reference::matvec(router.view(), in, logits);
    const reference::Routing choice = reference::route(logits, kSlots, true);
    for (const std::uint32_t expert : choice.experts) {
      reference::matvec(gate.view(), rounded(in), g, {.matrix = expert});
      reference::matvec(up.view(), rounded(in), u, {.matrix = expert});
      reference::swiglu(g, u, g);
      expected.insert(expected.end(), g.begin(), g.end());
    }
    const DeviceMatrix from = place(writer), routers = place(router), gates = place(gate), ups = place(up);
    GuardBuffer y = output(width), next = output(q8_words(width)), parts = output(width / 16 * kExperts), whole = output(kExperts), apart = output(kExperts), experts = output(kSlots),
                weights = output(kSlots), act = output(kSlots * kHidden);
    y.set_initial<float>(before);
    set_state(0, 1);
    const std::uint64_t at = place_rows(x, kColumns, kColumns), norms = place(norm);
    run(
        [&](KernelRecorder& kernels, std::uint64_t) -> Result<void> {
          const std::uint32_t count = logit_parts(kernels, from, routers);
          EXPECT_EQ(count, width < 4096 ? width / 16 : width / 32);
          FOVEA_TRY(record_matvec_dot(kernels, {.weights = from, .x = {.address = at}, .y = y.address(), .accumulate = true, .next = {next.address(), norms},
                                                .logits = {routers.address, parts.address(), kExperts}}));
          kernels.plan().barrier();
          const ExpertBatch batch{.mode = ExpertMode::routed, .slots = kSlots, .experts = experts.address(), .weights = weights.address(),
                                  .logits = whole.address(), .logit_parts = parts.address(), .parts = count, .expert_count = kExperts};
          FOVEA_TRY(record_router_logits(kernels, {.parts = parts.address(), .count = count, .experts = kExperts, .width = width, .words = next.address(),
                                                   .logits = apart.address(), .epsilon = kEpsilon}));
          return record_gate_up_dot(kernels, batch, {.gate = gates, .up = ups,
                                                     .x = {.address = next.address(), .norm = {.epsilon = kEpsilon}, .rounded = true, .norm_pending = true},
                                                     .act = act.address(), .act_stride = kHidden});
        },
        {&y, &next, &parts, &whole, &apart, &experts, &weights, &act}, ProductForm::gpu);
    EXPECT_EQ(apart.values<std::uint32_t>(), whole.values<std::uint32_t>()) << "added up by a step";
    EXPECT_TRUE(near_enough(whole.values<float>(), logits, kExact));
    EXPECT_EQ(experts.values<std::uint32_t>(), choice.experts);
    EXPECT_TRUE(near_enough(weights.values<float>(), choice.weights, kExact));
    EXPECT_TRUE(near_enough(act.values<float>(), expected, kRounded));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Dot, testing::ValuesIn(kTypes), [](const auto& entry) { return std::string(name(entry.param)); });

TEST(RoundTo8Bits, keeps_zeros_and_the_ends_of_a_half_block) {
  std::vector<float> x(64, 0.0f), out(64, 1.0f);
  x[33] = -2.0f;
  x[40] = 2.0f;
  x[41] = 0.5f / 127.0f;  // a quarter of a step
  x[50] = 0.5f / 127.0f;  // the largest of the next half
  reference::round_to_8_bits(x, out);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(out[i], i == 33 ? -2.0f : i == 40 ? 2.0f : i == 50 ? x[50] : 0.0f) << i;
}

}  // namespace
}  // namespace fovea::test
