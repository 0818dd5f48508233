// Prompt attention in tiles of shared memory against the reference over operands rounded to halves, as the tiles round
// them: every tile that the device runs, in registers and on matrix cores where it has them.
#include "engine/kernels/attention_tile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "tests/kernels/paged_cache.hpp"
#include "tests/support/halves.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

struct Heads {
  std::uint32_t width, query, kv;
  DType type = DType::F16;  // of the cache
  friend void PrintTo(const Heads& h, std::ostream* out) { *out << h.query << " heads of " << h.width << " over " << h.kv; }
};

// Keys in all, and how many of them are the batch's own.
struct Keys {
  std::uint32_t all, batch;
};

// Weights are rounded to halves, each off by 2^-11 of itself at most, so a sum by 2^-11 of the largest value; their own
// sum is not rounded. The rest is for sums in float.
constexpr Tolerance kTile{.relative_l2 = 1.0 / 2048, .scaled_max = 1.01 / 2048};
// Scores in the thousands: float sums of products that large are off by 2^-22 of them on some matrix cores.
constexpr Tolerance kSharp{.relative_l2 = 2e-3, .scaled_max = 4e-3};

class AttentionTiles : public KernelTest, public testing::WithParamInterface<std::tuple<Heads, std::uint32_t>> {
 protected:
  static std::vector<AttentionTile> tiles(ProductForm form, const AttentionShape& shape) {
    auto recorder = device().record();
    return recorder ? attention_tiles(KernelRecorder(device(), *recorder, form), shape) : std::vector<AttentionTile>{};
  }
  [[nodiscard]] static AttentionShape shape(Heads heads, std::uint32_t tokens) {
    return {.query_heads = heads.query, .kv_heads = heads.kv, .head_width = heads.width, .tokens = tokens, .kv = heads.type};
  }
  // Queries of `sharpness` make the softmax as peaked.
  void check(const AttentionTile& tile, ProductForm form, Heads heads, Keys keys, float sharpness, Tolerance tolerance) {
    SCOPED_TRACE("form " + std::to_string(static_cast<int>(tile.matrix)) + ", " + std::to_string(tile.subgroups) + " x " +
                 std::to_string(tile.row_fragments) + ", blocks of " + std::to_string(tile.block_keys) + ", " +
                 std::to_string(tile.heads) + " heads, queries " + (tile.queries_stay ? "stay" : "in registers") + ": " +
                 std::to_string(keys.all) + " keys, batch " + std::to_string(keys.batch));
    Seeded random(keys.all * 10 + keys.batch);
    PagedCache cache(device(), heads.kv, heads.width, 0, keys.all, 1, heads.type);
    cache.fill(keys.all, random);
    const std::vector<float> keys_in_halves = in_halves(cache.keys), values_in_halves = in_halves(cache.values);
    const std::uint32_t row = heads.query * heads.width, first = keys.all - keys.batch, stride = row + 4;
    const std::vector<float> query = random.normals(std::size_t{keys.batch} * row, sharpness);
    // Scaled by scale * log2 e and rounded.
    const float factor = 1.0f / std::sqrt(static_cast<float>(heads.width)) * 1.4426950408889634f;
    std::vector<float> rounded = query;
    for (float& q : rounded) q *= factor;
    rounded = in_halves(rounded);
    for (float& q : rounded) q /= factor;
    std::vector<float> expected(query.size());
    for (std::uint32_t t = 0; t < keys.batch; ++t)
      for (std::uint32_t h = 0; h < heads.query; ++h) {
        const std::size_t at = std::size_t{t} * row + h * heads.width, head = std::size_t{h / (heads.query / heads.kv)} * heads.width;
        reference::attention(std::span(rounded).subspan(at, heads.width),
                             {std::span(keys_in_halves).subspan(head), std::span(values_in_halves).subspan(head),
                              std::size_t{heads.kv} * heads.width, first + t + 1},
                             std::span(expected).subspan(at, heads.width));
      }
    const std::uint32_t room = keys.batch + 3;
    GuardBuffer y = output(std::uint64_t{room} * stride);
    set_state(first, keys.batch);
    const std::uint64_t pages = place(cache.table()), queries = place(query);
    AttentionShape placed = shape(heads, room);
    placed.layer_offset = cache.layer_offset();
    placed.pages = pages;
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          placed.state = state;
          return record_attention_tile(kernels, tile, {.shape = placed, .query = queries, .y = y.address(), .y_stride = stride});
        },
        {&y}, form);
    EXPECT_TRUE(near_enough(rows_of(y, keys.batch, row, stride), expected, tolerance));
  }
  void check_all(ProductForm form) {
    const auto [heads, index] = GetParam();
    const std::vector<AttentionTile> all = tiles(form, shape(heads, 9));
    if (index >= all.size()) GTEST_SKIP() << "there are " << all.size() << " tiles";
    for (const Keys keys : {Keys{9, 9}, {31, 31}, {32, 20}, {65, 65}, {257, 70}, {300, 9}, {131, 130}})
      check(all[index], form, heads, keys, 1.5f, kTile);
    check(all[index], form, heads, {140, 35}, 300, kSharp);
  }
};

TEST_P(AttentionTiles, equal_the_reference_in_registers) { check_all(ProductForm::gpu_without_matrix_cores); }

TEST_P(AttentionTiles, equal_the_reference_on_matrix_cores) {
  if (!device().facts().cooperative_matrix) GTEST_SKIP() << "this device has no matrix cores";
  check_all(ProductForm::gpu);
}

constexpr std::array kHeads{Heads{16, 6, 2},
                            Heads{64, 8, 2},
                            Heads{80, 4, 4},
                            Heads{96, 8, 1},
                            Heads{128, 4, 1},
                            Heads{64, 8, 1, DType::Q8_0},
                            Heads{80, 4, 2, DType::Q8_0},
                            Heads{128, 2, 2, DType::Q8_0}};

std::string case_name(const testing::TestParamInfo<std::tuple<Heads, std::uint32_t>>& info) {
  const auto& [heads, tile] = info.param;
  return "width_" + std::to_string(heads.width) + "_heads_" + std::to_string(heads.query) + "_" + std::to_string(heads.kv) +
         "_" + std::string(name(heads.type)) + "_tile_" + std::to_string(tile);
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTiles, testing::Combine(testing::ValuesIn(kHeads), testing::Range(0u, 48u)), case_name);

}  // namespace
}  // namespace fovea::test
