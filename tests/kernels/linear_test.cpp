// Embedding rows, matrix products and norms against the reference, in odd shapes, in both forms of the products.
#include "engine/kernels/linear.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/reference/embed.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/rms_norm.hpp"
#include "tests/support/halves.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr std::array kTypes{DType::F32,  DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0,
                            DType::Q5_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};

std::string type_name(const testing::TestParamInfo<DType>& info) { return std::string(name(info.param)); }

// Measured on lavapipe: 1.3e-6 where a single output is left of large terms that cancel, 2e-7 elsewhere.
constexpr Tolerance kProduct{.relative_l2 = 5e-6, .scaled_max = 5e-6};

struct Product {
  std::uint32_t columns, rows, tokens;
};

// Two widths of every type: short, with a tail or an odd number of blocks, and longer.
std::array<std::uint32_t, 2> widths(DType type) {
  const std::uint32_t block = traits(type).block_length;
  if (block == 1) return {172, 512};  // 172: five whole steps of 32 and 12 left over
  if (block == 32) return {96, 256};  // 96: rows of 102, 54 and 66 bytes, aligned to 2
  return {256, 768};                  // Q6_K: rows of 210 and 630 bytes, aligned to 2
}

class Matmul : public KernelTest, public testing::WithParamInterface<DType> {
 protected:
  void check(Product shape, ProductForm form, std::uint64_t seed) {
    SCOPED_TRACE(std::to_string(shape.columns) + " columns, " + std::to_string(shape.rows) + " rows, " +
                 std::to_string(shape.tokens) + " tokens, form " + std::to_string(static_cast<int>(form)));
    Seeded random(seed);
    const StoredMatrix weights = stored_matrix(GetParam(), shape.columns, shape.rows, random);
    const std::vector<float> x = random.mixed(std::size_t{shape.tokens} * shape.columns);
    std::vector<float> expected(std::size_t{shape.tokens} * shape.rows);
    reference::matvec(weights.view(), x, expected);

    const std::uint32_t x_stride = (shape.columns + 3) / 4 * 4 + 8, y_stride = shape.rows + 3;
    GuardBuffer y = output(std::uint64_t{shape.tokens} * y_stride);
    set_state(0, shape.tokens);
    const DeviceMatrix matrix = place(weights);
    const std::uint64_t rows = place_rows(x, shape.columns, x_stride);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_matmul(kernels, {.weights = matrix,
                                         .x = rows,
                                         .y = y.address(),
                                         .state = state,
                                         .x_stride = x_stride,
                                         .y_stride = y_stride,
                                         .tokens = shape.tokens});
        },
        {&y}, form);
    EXPECT_TRUE(near_enough(rows_of(y, shape.tokens, shape.rows, y_stride), expected, kProduct));
  }
};

TEST_P(Matmul, equals_the_reference_one_invocation_per_row) {
  const auto [narrow, wide] = widths(GetParam());
  std::uint64_t seed = 1;
  for (const Product shape : {Product{narrow, 1, 1},
                              {narrow, 5, 3},
                              {narrow, 16, 8},
                              {narrow, 129, 33},
                              {narrow, 129, 1},
                              {wide, 129, 3},
                              {wide, 16, 1}})
    check(shape, ProductForm::cpu, seed++);
}

TEST_P(Matmul, equals_the_reference_in_the_form_for_gpus) {
  const auto [narrow, wide] = widths(GetParam());
  std::uint64_t seed = 20;
  for (const Product shape : {Product{narrow, 1, 1}, {narrow, 129, 1}, {narrow, 5, 7}, {wide, 16, 8}, {wide, 129, 1}})
    check(shape, ProductForm::gpu, seed++);
}

// A norm on the way in equals a norm of its own before.
TEST_P(Matmul, norms_its_input) {
  std::uint64_t seed = 60;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const Product shape : {Product{widths(GetParam())[0], 129, 1}, {widths(GetParam())[1], 5, 3}}) {
      SCOPED_TRACE(std::to_string(shape.columns) + " columns, form " + std::to_string(static_cast<int>(form)));
      constexpr float kEpsilon = 1e-3f;
      Seeded random(seed++);
      const StoredMatrix weights = stored_matrix(GetParam(), shape.columns, shape.rows, random);
      const std::vector<float> x = random.mixed(std::size_t{shape.tokens} * shape.columns), norm = random.normals(shape.columns);
      std::vector<float> normed(x.size()), expected(std::size_t{shape.tokens} * shape.rows);
      for (std::size_t t = 0; t < shape.tokens; ++t)
        reference::rms_norm(std::span(x).subspan(t * shape.columns, shape.columns), norm, kEpsilon,
                            std::span(normed).subspan(t * shape.columns, shape.columns));
      reference::matvec(weights.view(), normed, expected);

      const std::uint32_t x_stride = (shape.columns + 3) / 4 * 4 + 8, y_stride = shape.rows + 3;
      GuardBuffer y = output(std::uint64_t{shape.tokens} * y_stride);
      set_state(0, shape.tokens);
      const DeviceMatrix matrix = place(weights);
      const std::uint64_t rows = place_rows(x, shape.columns, x_stride), norms = place(norm);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_matmul(kernels, {.weights = matrix,
                                           .x = rows,
                                           .y = y.address(),
                                           .state = state,
                                           .x_stride = x_stride,
                                           .y_stride = y_stride,
                                           .tokens = shape.tokens,
                                           .norm = {.weight = norms, .epsilon = kEpsilon}});
          },
          {&y}, form);
      EXPECT_TRUE(near_enough(rows_of(y, shape.tokens, shape.rows, y_stride), expected, kProduct));
    }
}

INSTANTIATE_TEST_SUITE_P(Types, Matmul, testing::ValuesIn(kTypes), type_name);

class MatmulOfFloats : public Matmul {};

// Routers stay in float however long the prompt.
TEST_P(MatmulOfFloats, of_few_rows_for_a_long_prompt_equals_the_reference_in_the_form_for_gpus) {
  const auto [narrow, wide] = widths(GetParam());
  std::uint64_t seed = 40;
  for (const Product shape : {Product{narrow, 129, 33}, {wide, 16, 9}, {wide, 1, 70}, {260, 19, 21}, {512, 64, 9}})
    check(shape, ProductForm::gpu, seed++);
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulOfFloats, testing::Values(DType::F32), type_name);

class MatmulOfBlocks : public Matmul {};

TEST_P(MatmulOfBlocks, of_many_rows_takes_two_per_subgroup_in_the_form_for_gpus) {
  check({32, 4099, 1}, ProductForm::gpu, 30);
}

TEST_P(MatmulOfBlocks, of_a_single_block_works) {
  check({32, 5, 3}, ProductForm::cpu, 31);
  check({32, 5, 1}, ProductForm::gpu, 32);
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulOfBlocks, testing::Values(DType::F32, DType::Q8_0), type_name);

// Types whose rows eight lanes share on a CPU driver, one token at a time.
class MatmulOfSharedRows : public Matmul {};

TEST_P(MatmulOfSharedRows, takes_long_rows_in_chunks_and_many_in_turns) {
  // Two tiles of 256 columns at once; such chunks in turn; one tile, with as many rows as a lane ever has, and some over.
  std::uint64_t seed = 50;
  for (const Product shape : {Product{512, 21, 1}, {1024, 9, 1}, {256, 531, 1}}) check(shape, ProductForm::cpu, seed++);
  if (traits(GetParam()).block_length == 32) check({288, 17, 1}, ProductForm::cpu, seed);  // a tile of one block behind a full one
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulOfSharedRows, testing::Values(DType::Q8_0, DType::Q4_K, DType::Q5_K, DType::Q6_K), type_name);

class MatmulVariants : public KernelTest {
 protected:
  static constexpr std::uint32_t kColumns = 96, kRows = 37, kStride = 40;
  void SetUp() override {
    KernelTest::SetUp();
    Seeded random(40);
    weights_ = stored_matrix(DType::Q8_0, kColumns, kRows, random);
    x_ = random.normals(32 * kColumns);
    before_ = random.normals(32 * kStride);
  }
  std::vector<float> product(std::uint32_t tokens) const {
    std::vector<float> y(std::size_t{tokens} * kRows);
    reference::matvec(weights_.view(), std::span(x_).first(std::size_t{tokens} * kColumns), y);
    return y;
  }
  StoredMatrix weights_;
  std::vector<float> x_, before_;
};

TEST_F(MatmulVariants, adds_to_what_is_there_when_told_to) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const std::uint32_t tokens : {1u, form == ProductForm::gpu ? 8u : 9u}) {
      std::vector<float> expected = product(tokens);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += before_[i / kRows * kStride + i % kRows];
      GuardBuffer y = output(std::uint64_t{tokens} * kStride);
      y.set_initial<float>(std::span(before_).first(std::size_t{tokens} * kStride));
      set_state(0, tokens);
      const DeviceMatrix matrix = place(weights_);
      const std::uint64_t rows = place_rows(x_, kColumns, kColumns);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_matmul(kernels, {.weights = matrix,
                                           .x = rows,
                                           .y = y.address(),
                                           .state = state,
                                           .x_stride = kColumns,
                                           .y_stride = kStride,
                                           .tokens = tokens,
                                           .accumulate = true});
          },
          {&y}, form);
      const std::vector<float> all = y.values<float>();
      std::vector<float> got;
      for (std::size_t i = 0; i < all.size(); ++i)
        if (i % kStride < kRows) {
          got.push_back(all[i]);
        } else {
          EXPECT_EQ(all[i], before_[i]) << "between the rows";
        }
      EXPECT_TRUE(near_enough(got, expected, kProduct));
    }
}

TEST_F(MatmulVariants, of_one_row_ignores_the_batch) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    GuardBuffer y = output(3 * kStride);
    set_state(5, 17);
    const DeviceMatrix matrix = place(weights_);
    const std::uint64_t rows = place_rows(x_, kColumns, kColumns);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_matmul(kernels, {.weights = matrix,
                                         .x = rows,
                                         .y = y.address(),
                                         .state = state,
                                         .x_stride = kColumns,
                                         .y_stride = kStride,
                                         .tokens = 32,
                                         .one_row = true});
        },
        {&y}, form);
    EXPECT_TRUE(near_enough(rows_of(y, 1, kRows, kStride), product(1), kProduct));
  }
}

TEST_F(MatmulVariants, of_fewer_tokens_than_the_plan_has_room_for_leaves_the_rest_alone) {
  for (const std::uint32_t tokens : {1u, 5u, 8u, 12u}) {
    GuardBuffer y = output(32 * kStride);
    set_state(3, tokens);
    const DeviceMatrix matrix = place(weights_);
    const std::uint64_t rows = place_rows(x_, kColumns, kColumns);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_matmul(kernels, {.weights = matrix,
                                         .x = rows,
                                         .y = y.address(),
                                         .state = state,
                                         .x_stride = kColumns,
                                         .y_stride = kStride,
                                         .tokens = 32});
        },
        {&y}, ProductForm::cpu);
    EXPECT_TRUE(near_enough(rows_of(y, tokens, kRows, kStride), product(tokens), kProduct)) << tokens;
  }
}

class Embed : public KernelTest, public testing::WithParamInterface<DType> {};

TEST_P(Embed, equals_the_reference_to_the_last_bits) {
  constexpr std::uint32_t kVocabulary = 41, kPosition = 7;
  for (const std::uint32_t width : widths(GetParam())) {
    Seeded random(50);
    const StoredMatrix table = stored_matrix(GetParam(), width, kVocabulary, random);
    std::vector<std::int32_t> history(64);
    for (std::int32_t& id : history) id = static_cast<std::int32_t>(random.below(kVocabulary));
    history[kPosition] = kVocabulary - 1;  // the last row, behind which there is only padding
    for (const std::uint32_t tokens : {1u, 11u}) {
      std::vector<float> expected(std::size_t{tokens} * width);
      reference::embed(table.view(), std::span(history).subspan(kPosition, tokens), expected);
      const std::uint32_t stride = (width + 3) / 4 * 4 + 4;
      GuardBuffer x = output(16 * stride);
      set_state(kPosition, tokens);
      const DeviceMatrix matrix = place(table);
      const std::uint64_t ids = place(history);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            return record_embed(
                kernels,
                {.table = matrix, .history = ids, .x = x.address(), .state = state, .stride = stride, .tokens = 16});
          },
          {&x});
      EXPECT_TRUE(near_enough(rows_of(x, tokens, width, stride), expected, {2e-7, 2e-7}));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Embed, testing::ValuesIn(kTypes), type_name);

class Norm : public KernelTest {};

TEST_F(Norm, equals_the_reference_for_widths_of_every_kind) {
  for (const std::uint32_t width : {1u, 5u, 8u, 31u, 172u, 1024u, 5120u})
    for (const auto& [tokens, form] : {std::pair{1u, ProductForm::cpu}, {3u, ProductForm::cpu}, {33u, ProductForm::cpu},
                                       {1u, ProductForm::gpu}, {3u, ProductForm::gpu}, {33u, ProductForm::gpu}}) {
      Seeded random(60 + width);
      // Means differ from token to token, so that one token's taken for another's shows.
      std::vector<float> x = random.mixed(std::size_t{tokens} * width), weight = random.normals(width);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] *= static_cast<float>(1 + i / width);
      std::vector<float> expected(x.size());
      reference::rms_norm(x, weight, 1e-5f, expected);
      const std::uint32_t stride = form == ProductForm::gpu ? (width + 7) / 4 * 4 : width + 3;  // a vector's or any
      GuardBuffer y = output(std::uint64_t{tokens + 2} * stride);
      set_state(0, tokens);
      const std::uint64_t rows = place_rows(x, width, stride), weights = place(weight);
      run(
          [&, count = tokens](KernelRecorder& kernels, std::uint64_t state) {
            return record_rms_norm(kernels, {.weight = weights,
                                             .x = rows,
                                             .y = y.address(),
                                             .state = state,
                                             .width = width,
                                             .stride = stride,
                                             .tokens = count + 2,
                                             .epsilon = 1e-5f});
          },
          {&y}, form);
      EXPECT_TRUE(near_enough(rows_of(y, tokens, width, stride), expected, {1e-6, 1e-6}))
          << width << " wide, " << tokens << ", form " << static_cast<int>(form);
    }
}

// What products in tiles read: beside the floats and alone, and what no half holds as the largest.
TEST_F(Norm, leaves_its_rows_in_halves_where_told_to) {
  constexpr std::uint32_t kTokens = 3, kRoom = 5;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const std::uint32_t width : {172u, 1026u}) {
      Seeded random(width);
      std::vector<float> x = random.normals(std::size_t{kTokens} * width), weight = random.normals(width);
      weight[3] = 1e6f;
      GuardBuffer y = output(std::uint64_t{kRoom} * width), beside = output(std::uint64_t{kRoom} * width / 2), alone = output(std::uint64_t{kRoom} * width / 2);
      set_state(0, kTokens);
      const std::uint64_t rows = place(x), weights = place(weight);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            RmsNormArgs args{.weight = weights, .x = rows, .y = y.address(), .state = state, .halves = beside.address(), .width = width, .stride = width,
                             .tokens = kRoom, .epsilon = 1e-5f};
            FOVEA_TRY(record_rms_norm(kernels, args));
            args.y = 0;
            args.halves = alone.address();
            return record_rms_norm(kernels, args);
          },
          {&y, &beside, &alone}, form);
      const std::vector<float> floats = rows_of(y, kTokens, width, width);
      EXPECT_GT(std::ranges::max(magnitudes(floats)), 65504.0f);
      expect_halves(beside, floats, width, width);
      EXPECT_EQ(alone.contents(), beside.contents());
    }
}

TEST_F(Norm, of_the_last_token_only_goes_to_the_first_row) {
  constexpr std::uint32_t kWidth = 77, kTokens = 6;
  Seeded random(70);
  const std::vector<float> x = random.normals(kTokens * kWidth), weight = random.normals(kWidth);
  std::vector<float> expected(kWidth);
  reference::rms_norm(std::span(x).last(kWidth), weight, 1e-6f, expected);
  GuardBuffer y = output(2 * kWidth);
  set_state(9, kTokens);
  const std::uint64_t rows = place_rows(x, kWidth, kWidth), weights = place(weight);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_rms_norm(kernels, {.weight = weights,
                                         .x = rows,
                                         .y = y.address(),
                                         .state = state,
                                         .width = kWidth,
                                         .stride = kWidth,
                                         .tokens = 8,
                                         .epsilon = 1e-6f,
                                         .last_only = true});
      },
      {&y});
  EXPECT_TRUE(near_enough(rows_of(y, 1, kWidth, kWidth), expected, {5e-7, 1e-6}));
}

TEST_F(Norm, of_zeros_is_zeros_thanks_to_epsilon) {
  constexpr std::uint32_t kWidth = 20;
  GuardBuffer y = output(kWidth);
  set_state(0, 1);
  const std::uint64_t rows = place(std::vector<float>(kWidth, 0.0f)), weights = place(std::vector<float>(kWidth, 3.0f));
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_rms_norm(kernels, {.weight = weights,
                                         .x = rows,
                                         .y = y.address(),
                                         .state = state,
                                         .width = kWidth,
                                         .stride = kWidth,
                                         .tokens = 1,
                                         .epsilon = 1e-6f});
      },
      {&y});
  EXPECT_EQ(y.values<float>(), std::vector<float>(kWidth, 0.0f));
}

}  // namespace
}  // namespace fovea::test
