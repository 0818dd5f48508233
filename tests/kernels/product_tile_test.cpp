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
#include "engine/reference/expert_ffn.hpp"
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
  // `shape`: nullptr for what the recorder chooses.
  void check(Product size, ProductForm form, const TileShape* shape, std::uint64_t seed, bool accumulate = false) {
    SCOPED_TRACE(std::to_string(size.columns) + " columns, " + std::to_string(size.rows) + " rows, " +
                 std::to_string(size.tokens) + " tokens, " +
                 (shape == nullptr ? "chosen" : std::to_string(shape->rows) + " x " + std::to_string(shape->tokens)));
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

    GuardBuffer y = output(before.size()), halves = output(std::uint64_t{room} * size.columns / 2);
    if (accumulate) y.set_initial<float>(before);
    set_state(5, size.tokens);
    const DeviceMatrix matrix = place(weights);
    const std::uint64_t rows = place_rows(x, size.columns, x_stride);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          FOVEA_TRY(record_half_rows(kernels, room, {.x = rows, .y = halves.address(), .state = state, .columns = size.columns,
                                                     .x_stride = x_stride}));
          kernels.plan().barrier();
          const MatmulArgs args{.weights = matrix, .x = rows, .y = y.address(), .state = state, .x_stride = x_stride,
                                .y_stride = y_stride, .tokens = room, .accumulate = accumulate, .halves = halves.address()};
          if (shape == nullptr) return record_matmul(kernels, args);
          return record_dense_tiles(kernels, *shape, matrix.type, room,
                                    {.weights = args.weights.address, .x = args.halves, .y = args.y, .state = state,
                                     .columns = size.columns, .rows = size.rows, .row_bytes = matrix.row_bytes,
                                     .y_stride = y_stride, .slots = 1,
                                     .accumulate = accumulate ? 1u : 0u});
        },
        {&y, &halves}, form);
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

  // Few tiles and odd ends of every shape of a form.
  void check_shapes(ProductForm form, TileForm tiles) {
    const bool super = traits(GetParam()).block_length > 32;
    const std::uint32_t narrow = super ? 256 : 32, wide = super ? 768 : 160;
    auto recorder = device().record();
    const std::vector<TileShape> shapes = tile_shapes(KernelRecorder(device(), *recorder, form), tiles);
    ASSERT_FALSE(shapes.empty());
    std::uint64_t seed = 1;
    for (const TileShape& shape : shapes) {
      // Unpacking is the same in all of them, and each is seconds of compiling to a CPU driver: it sees one of each kind of blocks in all.
      if (device().facts().cpu && &shape != &shapes.back() && GetParam() != DType::F16 && GetParam() != DType::Q6_K) continue;
      check({narrow, 1, 9}, form, &shape, seed++);
      check({wide, 83, 33}, form, &shape, seed++);
      check({wide, 200, 130}, form, &shape, seed++);
      check({wide, 129, 40}, form, &shape, seed++, true);
    }
    check({wide, 129, 40}, form, nullptr, seed++, true);
  }
};

TEST_P(ProductTile, equals_the_reference_in_registers) {
  check_shapes(ProductForm::gpu_without_matrix_cores, TileForm::registers);
}

TEST_P(ProductTile, equals_the_reference_by_matrices_of_subgroups) {
  if (!device().facts().cooperative_matrix) GTEST_SKIP() << "this device has no matrix cores";
  check_shapes(ProductForm::gpu, TileForm::subgroup_matrices);
}

TEST_P(ProductTile, equals_the_reference_by_matrices_of_workgroups) {
  if (device().facts().workgroup_matrices.empty()) GTEST_SKIP() << "this device multiplies no matrices of workgroups";
  check_shapes(ProductForm::gpu, TileForm::workgroup_matrices);
  check({2048, 4100, 1030}, ProductForm::gpu, nullptr, 99);
}

TEST_P(ProductTile, weights_in_halves_equal_the_reference) {
  Seeded random(5);
  const StoredMatrix weights = stored_matrix(GetParam(), traits(GetParam()).block_length > 32 ? 512 : 96, 37, random);
  GuardBuffer y = output(std::uint64_t{weights.columns} * weights.rows / 2 + 4);
  const DeviceMatrix matrix = place(weights);
  run([&](KernelRecorder& kernels, std::uint64_t) { return record_half_weights(kernels, matrix, y.address()); }, {&y});
  const StoredMatrix halves = in_halves(weights);
  std::vector<float> expected(std::size_t{weights.columns} * weights.rows), got;
  dequantize(halves.type, halves.bytes, expected);
  for (const std::uint16_t half : y.values<std::uint16_t>()) got.push_back(half_to_float(half));
  got.resize(expected.size());
  // A number that float and double arithmetic round to different halves is off by 2^-10.
  EXPECT_TRUE(near_enough(got, expected, {.relative_l2 = 5e-5, .scaled_max = 1e-3}));
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
    GuardBuffer y = output(kTokens * 5), halves = output(kTokens * kColumns / 2);
    set_state(0, kTokens);
    const DeviceMatrix matrix = place(weights);
    const std::uint64_t rows = place(x);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          FOVEA_TRY(record_half_rows(kernels, kTokens, {.x = rows, .y = halves.address(), .state = state, .columns = kColumns,
                                                        .x_stride = kColumns}));
          kernels.plan().barrier();
          return record_matmul(kernels, {.weights = matrix, .y = y.address(), .state = state, .y_stride = 5,
                                         .tokens = kTokens, .halves = halves.address()});
        },
        {&y, &halves}, form);
    EXPECT_TRUE(near_enough(y.values<float>(), expected, kTile));
  }
}

// Whole, and in stretches that take turns in the scratch.
TEST_F(TileRules, weights_unpacked_first_give_the_same_product) {
  const std::uint32_t columns = 96, rows = 2070, tokens = 1030;
  Seeded random(6);
  const StoredMatrix weights = stored_matrix(DType::Q5_0, columns, rows, random), ups = stored_matrix(DType::Q5_0, columns, rows, random);
  const std::vector<float> x = random.normals(std::size_t{tokens} * columns);
  std::vector<float> expected(std::size_t{tokens} * rows), gate(expected.size()), up(expected.size());
  reference::matvec(in_halves(weights).view(), in_halves(x), expected);
  reference::matvec(in_halves(ups).view(), in_halves(x), up);
  reference::swiglu(expected, up, gate);
  for (const std::uint64_t stretch : {rows, 1024u}) {
    SCOPED_TRACE(stretch);
    GuardBuffer y = output(expected.size()), halves = output(std::uint64_t{tokens} * columns / 2), act = output(expected.size());
    GuardBuffer room = output(stretch * columns * 2);
    set_state(0, tokens);
    const DeviceMatrix matrix = place(weights), up_matrix = place(ups);
    const std::uint64_t rows_of_x = place(x);
    const UnpackedRoom unpacked{.address = room.address(), .bytes = room.bytes()};
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          FOVEA_TRY(record_half_rows(kernels, tokens, {.x = rows_of_x, .y = halves.address(), .state = state, .columns = columns,
                                                       .x_stride = columns}));
          kernels.plan().barrier();
          FOVEA_TRY(record_matmul(kernels, {.weights = matrix, .y = y.address(), .state = state, .y_stride = rows, .tokens = tokens,
                                            .unpacked = unpacked, .halves = halves.address()}));
          return record_dense_product(kernels, matrix.type, tokens, unpacked,
                                      {.weights = matrix.address, .up = up_matrix.address, .x = halves.address(), .y = act.address(),
                                       .state = state, .columns = columns, .rows = rows, .row_bytes = matrix.row_bytes,
                                       .y_stride = rows, .slots = 1});
        },
        {&y, &halves, &act, &room}, ProductForm::gpu);
    EXPECT_TRUE(near_enough(y.values<float>(), expected, kTile));
    std::vector<float> got;
    for (const std::uint16_t half : act.values<std::uint16_t>()) got.push_back(half_to_float(half));
    got.resize(gate.size());
    EXPECT_TRUE(near_enough(got, in_halves(gate), {.relative_l2 = 2e-4, .scaled_max = 5e-4}));
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
    EXPECT_EQ(expert_tile(kernels, false, 4096, 128).tokens, 64u);
    EXPECT_EQ(expert_tile(kernels, false, 4096, 128).rows, 64u);
    EXPECT_EQ(expert_tile(kernels, false, 1024, 128).tokens, 32u);
    const auto most = std::ranges::find_if(shapes, [](const TileShape& shape) { return shape.tokens <= 128; });
    for (const std::uint32_t assignments : {8192u, 16384u}) EXPECT_EQ(expert_tile(kernels, false, assignments, 128).tokens, most->tokens);
    // Experts of 24 to 256 tokens: lanes, where the device's fragments are known.
    for (const auto& [assignments, in_lanes] : {std::pair{2944u, false}, {3072u, true}, {32768u, true}, {32896u, false}})
      EXPECT_EQ(expert_tile(kernels, true, assignments, 128).in_lanes, in_lanes && kernels.fills_fragments());
    for (const TileShape& shape : shapes) EXPECT_TRUE(runs(device().facts(), shape));
  }
}

}  // namespace
}  // namespace fovea::test
