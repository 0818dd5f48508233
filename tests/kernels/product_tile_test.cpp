// Products in tiles of shared memory against the reference over operands rounded to halves, as the tiles round them:
// every shape that the device runs, in registers and on matrix cores where it has them.
#include "engine/kernels/product_tile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "engine/kernels/linear.hpp"
#include "engine/reference/matvec.hpp"
#include "tests/support/halves.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr std::array kTypes{DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0,
                            DType::Q5_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};

std::string type_name(const testing::TestParamInfo<DType>& info) { return std::string(name(info.param)); }

// Float sums of exact products; beside that a weight that float and double arithmetic round to different halves now
// and then, which moves one product by 2^-10 of itself.
constexpr Tolerance kTile{.relative_l2 = 3e-5, .scaled_max = 3e-5};
// Against operands that are not rounded: either factor of a product is off by 2^-11 of itself at most, so a sum by 2^-10
// of the sum of magnitudes; the rest is for second order and for weights so small that halves have fewer bits for them.
constexpr float kHalfError = 1.01f / 1024;
constexpr float kSmallest = 1e-6f;

struct Product {
  std::uint32_t columns, rows, tokens;
};

class ProductTile : public KernelTest, public testing::WithParamInterface<DType> {
 protected:
  // `shape`: which of the device's, or what the recorder chooses where it is negative.
  void check(Product size, ProductForm form, int shape, std::uint64_t seed, bool accumulate = false) {
    SCOPED_TRACE(std::to_string(size.columns) + " columns, " + std::to_string(size.rows) + " rows, " +
                 std::to_string(size.tokens) + " tokens, shape " + std::to_string(shape));
    Seeded random(seed);
    const StoredMatrix weights = stored_matrix(GetParam(), size.columns, size.rows, random);
    const std::vector<float> x = random.normals(std::size_t{size.tokens} * size.columns);
    const std::uint32_t x_stride = size.columns + 8, y_stride = size.rows + 3, room = size.tokens + 3;
    const std::vector<float> before = random.normals(std::size_t{room} * y_stride);
    std::vector<float> expected(std::size_t{size.tokens} * size.rows);
    std::vector<float> plain(expected.size()), magnitude(expected.size());
    reference::matvec(in_halves(weights).view(), in_halves(x), expected);
    reference::matvec(weights.view(), x, plain);
    reference::matvec(magnitudes(weights).view(), magnitudes(x), magnitude);

    GuardBuffer y = output(before.size());
    if (accumulate) y.set_initial<float>(before);
    set_state(5, size.tokens);
    const DeviceMatrix matrix = place(weights);
    const std::uint64_t rows = place_rows(x, size.columns, x_stride);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          const MatmulArgs args{.weights = matrix, .x = rows, .y = y.address(), .state = state, .x_stride = x_stride,
                                .y_stride = y_stride, .tokens = room, .accumulate = accumulate};
          if (shape < 0) return record_matmul(kernels, args);
          return record_dense_tiles(kernels, tile_shapes(kernels).at(static_cast<std::size_t>(shape)), matrix.type, room,
                                    {.weights = args.weights.address, .x = args.x, .y = args.y, .state = state,
                                     .columns = size.columns, .rows = size.rows, .row_bytes = matrix.row_bytes,
                                     .x_stride = x_stride, .y_stride = y_stride, .x_share = 1,
                                     .accumulate = accumulate ? 1u : 0u});
        },
        {&y}, form);
    if (!accumulate) {
      const std::vector<float> got = rows_of(y, size.tokens, size.rows, y_stride);
      EXPECT_TRUE(near_enough(got, expected, kTile));
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_LE(std::abs(got[i] - plain[i]), kHalfError * magnitude[i] + kSmallest) << "at " << i;
      return;
    }
    const std::vector<float> all = y.values<float>();
    std::vector<float> got;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (i / y_stride < size.tokens && i % y_stride < size.rows)
        got.push_back(all[i] - before[i]);
      else
        ASSERT_EQ(all[i], before[i]) << "outside the rows of the batch, at " << i;
    EXPECT_TRUE(near_enough(got, expected, kTile));
  }

  std::size_t shape_count(ProductForm form) {
    auto recorder = device().record();
    return tile_shapes(KernelRecorder(device(), *recorder, form)).size();
  }

  // Few tiles and odd ends of every shape.
  void check_shapes(ProductForm form) {
    const bool super = traits(GetParam()).block_length > 32;
    const std::uint32_t narrow = super ? 256 : 32, wide = super ? 768 : 160;
    const std::size_t shapes = shape_count(form);
    ASSERT_GT(shapes, 0u);
    std::uint64_t seed = 1;
    for (int shape = 0; shape < static_cast<int>(shapes); ++shape) {
      check({narrow, 1, 9}, form, shape, seed++);
      check({wide, 83, 33}, form, shape, seed++);
      check({wide, 200, 130}, form, shape, seed++);
    }
    check({wide, 129, 40}, form, -1, seed++, true);
  }
};

TEST_P(ProductTile, equals_the_reference_in_registers) { check_shapes(ProductForm::gpu_without_matrix_cores); }

TEST_P(ProductTile, equals_the_reference_on_matrix_cores) {
  if (!device().facts().cooperative_matrix) GTEST_SKIP() << "this device has no matrix cores";
  check_shapes(ProductForm::gpu);
  check({2048, 4100, 1030}, ProductForm::gpu, -1, 99);
}

INSTANTIATE_TEST_SUITE_P(Types, ProductTile, testing::ValuesIn(kTypes), type_name);

class TileRules : public KernelTest {
 protected:
  static constexpr std::array kForms{ProductForm::gpu, ProductForm::gpu_without_matrix_cores};
};

TEST_F(TileRules, activations_beyond_the_largest_half_are_taken_as_that) {
  constexpr std::uint32_t kColumns = 32, kTokens = 9;
  for (const ProductForm form : kForms) {
    Seeded random(7);
    const StoredMatrix weights = stored_matrix(DType::Q8_0, kColumns, 5, random);
    std::vector<float> x = random.normals(kTokens * kColumns), expected(kTokens * 5);
    x[3] = 1e6f, x[kColumns + 4] = -3e38f, x[2 * kColumns + 1] = 65519.0f, x[2 * kColumns + 2] = 1e-30f;
    reference::matvec(in_halves(weights).view(), in_halves(x), expected);
    GuardBuffer y = output(kTokens * 5);
    set_state(0, kTokens);
    const DeviceMatrix matrix = place(weights);
    const std::uint64_t rows = place(x);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_matmul(kernels, {.weights = matrix, .x = rows, .y = y.address(), .state = state,
                                         .x_stride = kColumns, .y_stride = 5, .tokens = kTokens});
        },
        {&y}, form);
    EXPECT_TRUE(near_enough(y.values<float>(), expected, kTile));
  }
}

// Routers are stored in floats: their products keep to float arithmetic whatever the batch.
TEST_F(TileRules, float_weights_and_odd_widths_are_not_rounded) {
  for (const ProductForm form : kForms)
    for (const auto& [type, columns] : {std::pair{DType::F32, 256u}, {DType::F16, 172u}}) {
      Seeded random(8);
      const StoredMatrix weights = stored_matrix(type, columns, 70, random);
      const std::vector<float> x = random.mixed(std::size_t{33} * columns);
      std::vector<float> expected(std::size_t{33} * 70);
      reference::matvec(weights.view(), x, expected);
      GuardBuffer y = output(33 * 70);
      set_state(0, 33);
      const DeviceMatrix matrix = place(weights);
      const std::uint64_t rows = place(x);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            EXPECT_FALSE(takes_tiles(kernels, matrix, 33));
            return record_matmul(kernels, {.weights = matrix, .x = rows, .y = y.address(), .state = state,
                                           .x_stride = columns, .y_stride = 70, .tokens = 33});
          },
          {&y}, form);
      EXPECT_TRUE(near_enough(y.values<float>(), expected, {5e-6, 5e-6}));
    }
}

// A tile at least half full of tokens, and as many tiles as fill a GPU where the product is large enough for them.
TEST_F(TileRules, tiles_grow_with_the_product) {
  auto recorder = device().record();
  ASSERT_TRUE(recorder);
  for (const ProductForm form : kForms) {
    const KernelRecorder kernels(device(), *recorder, form);
    const std::vector<TileShape> shapes = tile_shapes(kernels);
    ASSERT_FALSE(shapes.empty());
    EXPECT_EQ(dense_tile(kernels, 1u << 20, 512).tokens, shapes.front().tokens);
    EXPECT_EQ(dense_tile(kernels, 64, 9).tokens, shapes.back().tokens);
    EXPECT_EQ(expert_tile(kernels, 4096, 128).tokens, 64u);
    EXPECT_EQ(expert_tile(kernels, 1024, 128).tokens, 32u);
    EXPECT_EQ(expert_tile(kernels, 16384, 128).tokens, shapes.front().tokens);
    for (const TileShape& shape : shapes) EXPECT_LE(shape.shared_bytes(), device().facts().shared_memory_bytes);
  }
}

}  // namespace
}  // namespace fovea::test
