// Products whose weights lanes unpack (shaders/linear/product_lanes.comp) against the reference over operands rounded to halves:
// dense, and over experts with none, one, few and many tokens. In registers everywhere, on matrix cores where the device has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/kernels/product_tile.hpp"
#include "engine/reference/expert_ffn.hpp"
#include "engine/reference/matvec.hpp"
#include "shaders/interface/moe.h"
#include "tests/support/halves.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

// As in product_tile_test.cpp and experts_test.cpp.
constexpr Tolerance kTile{.relative_l2 = 3e-5, .scaled_max = 3e-5};
constexpr Tolerance kRounded{.relative_l2 = 2e-4, .scaled_max = 5e-4};

class ProductLanes : public KernelTest, public testing::WithParamInterface<DType> {
 protected:
  struct Trial {
    ProductForm form;
    TileShape shape;
  };
  static std::vector<Trial> trials() {
    std::vector<Trial> trials{{ProductForm::gpu_without_matrix_cores, lane_tile(device().facts(), TileForm::registers, 64, 32)}};
    if (device().facts().cooperative_matrix && device().facts().subgroup == 32)
      for (const auto& [rows, tokens] : {std::pair{256u, 64u}, {256u, 48u}, {128u, 64u}})
        trials.push_back({ProductForm::gpu, lane_tile(device().facts(), TileForm::subgroup_matrices, rows, tokens)});
    for (const Trial& trial : trials) EXPECT_TRUE(runs(device().facts(), trial.shape));
    return trials;
  }
};

// Odd rows and tokens, columns that end in the middle of no step; sums that are added to what is there.
TEST_P(ProductLanes, dense_products_equal_the_reference) {
  for (const Trial& trial : trials())
    for (const auto& [columns, rows, tokens, accumulate] : {std::tuple{256u, 1u, 9u, false}, {768u, 131u, 45u, true}}) {
      SCOPED_TRACE(std::to_string(trial.shape.tokens) + " tokens a tile, " + std::to_string(rows) + " rows");
      Seeded random(rows);
      const StoredMatrix weights = stored_matrix(GetParam(), columns, rows, random);
      const std::vector<float> x = random.normals(std::size_t{tokens} * columns);
      const std::uint32_t y_stride = rows + 3, room = tokens + 3;
      std::vector<float> expected(std::size_t{tokens} * rows);
      reference::matvec(in_halves(weights).view(), in_halves(x), expected);
      const std::vector<float> before = random.normals(std::size_t{room} * y_stride);
      GuardBuffer y = output(before.size()), halves = output(std::uint64_t{room} * columns / 2);
      y.set_initial<float>(before);
      set_state(5, tokens);
      const DeviceMatrix matrix = place(weights);
      const std::uint64_t rows_of_x = place(x);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            FOVEA_TRY(record_half_rows(kernels, room, {.x = rows_of_x, .y = halves.address(), .state = state, .columns = columns, .x_stride = columns}));
            kernels.plan().barrier();
            return record_dense_tiles(kernels, trial.shape, matrix.type, room,
                                      {.weights = matrix.address, .x = halves.address(), .y = y.address(), .state = state, .columns = columns, .rows = rows,
                                       .row_bytes = matrix.row_bytes, .y_stride = y_stride, .slots = 1, .accumulate = accumulate ? 1u : 0u});
          },
          {&y, &halves}, trial.form);
      const std::vector<float> all = y.values<float>();
      std::vector<float> got;
      for (std::size_t i = 0; i < all.size(); ++i)
        if (i / y_stride < tokens && i % y_stride < rows)
          got.push_back(accumulate ? all[i] - before[i] : all[i]);
        else
          ASSERT_EQ(all[i], before[i]) << "outside the rows of the batch, at " << i;
      EXPECT_TRUE(near_enough(got, expected, kTile));
    }
}

// Gate and up with SwiGLU to halves in the order of the assignments by expert, and products that go to the assignments' rows.
// Tiles of one token, of few (whose products are cut in half), full ones, and the last of an expert with more.
TEST_P(ProductLanes, experts_with_any_number_of_tokens_equal_the_reference) {
  constexpr std::array kCounts{0u, 1u, 17u, 33u, 0u, 5u};  // of an expert
  constexpr std::uint32_t kColumns = 256, kRows = 75, kSlots = 4;
  for (const Trial& trial : trials()) {
    SCOPED_TRACE(std::to_string(trial.shape.tokens) + " tokens a tile");
    Seeded random(3);
    const StoredMatrix gate = stored_matrix(GetParam(), kColumns, kRows, random, kCounts.size()), up = stored_matrix(GetParam(), kColumns, kRows, random, kCounts.size());
    std::vector<shader::ExpertTile> tiles;
    std::uint32_t assignments = 0;
    for (std::uint32_t expert = 0; expert < kCounts.size(); ++expert) {
      for (std::uint32_t at = 0; at < kCounts[expert]; at += trial.shape.tokens)
        tiles.push_back({expert, assignments + at, std::min(trial.shape.tokens, kCounts[expert] - at)});
      assignments += kCounts[expert];
    }
    std::vector<std::uint32_t> sorted(assignments);
    for (std::uint32_t i = 0; i < assignments; ++i) sorted[i] = (i * 5 + 2) % assignments;  // 56 assignments: a permutation
    const std::vector<float> x = random.normals(std::size_t{assignments} * kColumns);
    const std::vector<float> rounded = in_halves(x);
    std::vector<float> expected_act(std::size_t{assignments} * kRows), expected_down(expected_act.size());
    const StoredMatrix gate_halves = in_halves(gate), up_halves = in_halves(up);
    std::vector<float> g(kRows), u(kRows);
    for (const shader::ExpertTile& tile : tiles)
      for (std::uint32_t i = tile.first; i < tile.first + tile.count; ++i) {
        // Of gate and up the row of the assignment's token, of the product that goes to the assignments' rows its own.
        const auto row_of = [&](std::uint32_t at) { return std::span(rounded).subspan(std::size_t{at} * kColumns, kColumns); };
        reference::matvec(gate_halves.view(), row_of(i), g, {.matrix = tile.expert});
        std::ranges::copy(g, expected_down.begin() + std::size_t{sorted[i]} * kRows);
        reference::matvec(gate_halves.view(), row_of(sorted[i] / kSlots), g, {.matrix = tile.expert});
        reference::matvec(up_halves.view(), row_of(sorted[i] / kSlots), u, {.matrix = tile.expert});
        reference::swiglu(g, u, g);
        std::ranges::copy(g, expected_act.begin() + std::size_t{i} * kRows);
      }

    const std::uint32_t stride = kRows + 5;
    GuardBuffer act = output(std::uint64_t{assignments} * stride / 2), down = output(std::uint64_t{assignments} * stride), halves = output(std::uint64_t{assignments} * kColumns / 2);
    set_state(0, assignments);
    const DeviceMatrix gates = place(gate), ups = place(up);
    const auto count = static_cast<std::uint32_t>(tiles.size());
    const std::vector<std::uint32_t> groups{tile_groups(trial.shape, kRows, true), count, 1, tile_groups(trial.shape, kRows, false), count, 1};
    auto counts = device().create_buffer(24, gpu::MemoryUse::upload);
    ASSERT_TRUE(counts && device().upload(*counts, 0, std::as_bytes(std::span(groups))));
    shader::ProductTilePush push{.weights = gates.address, .up = ups.address, .x = halves.address(), .y = act.address(), .tiles = place(tiles), .sorted = place(sorted),
                                 .columns = kColumns, .rows = kRows, .row_bytes = gates.row_bytes, .expert_bytes_low = gates.matrix_bytes_low(),
                                 .expert_bytes_high = gates.matrix_bytes_high(), .y_stride = stride, .slots = kSlots};
    const std::uint64_t rows_of_x = place(x);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          FOVEA_TRY(record_half_rows(kernels, assignments, {.x = rows_of_x, .y = halves.address(), .state = state, .columns = kColumns, .x_stride = kColumns}));
          kernels.plan().barrier();
          push.state = state;
          FOVEA_TRY(record_expert_tiles(kernels, trial.shape, gates.type, *counts, 0, push));
          shader::ProductTilePush single = push;
          single.up = 0;
          single.y = down.address();
          return record_expert_tiles(kernels, trial.shape, gates.type, *counts, 12, single);
        },
        {&act, &down, &halves}, trial.form);
    EXPECT_TRUE(near_enough(rows_of(down, assignments, kRows, stride), expected_down, kTile));
    std::vector<float> got;
    const std::vector<std::uint16_t> all = act.values<std::uint16_t>();
    for (std::size_t i = 0; i < all.size(); ++i)
      if (i % stride < kRows)
        got.push_back(half_to_float(all[i]));
      else
        ASSERT_EQ(all[i], GuardBuffer::kPoison >> (i % 2 * 16) & 0xFFFFu) << "between rows, at " << i;
    EXPECT_TRUE(near_enough(got, in_halves(expected_act), kRounded));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ProductLanes, testing::Values(DType::Q4_K, DType::Q6_K), [](const auto& entry) { return std::string(name(entry.param)); });

}  // namespace
}  // namespace fovea::test
