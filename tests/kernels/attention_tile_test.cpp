// Prompt attention in tiles of shared memory against the reference over operands rounded to halves, as the tiles round
// them: every tile that the device runs, in registers and on matrix cores where it has them; over all keys, and over lists
// of pages.
#include "engine/kernels/attention_tile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "engine/reference/sparse_attention.hpp"
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

class AttentionTiles : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  [[nodiscard]] static AttentionShape shape(Heads heads, std::uint32_t tokens) {
    return {.query_heads = heads.query, .kv_heads = heads.kv, .head_width = heads.width, .tokens = tokens, .kv = heads.type};
  }
  // The tiles of choice; and, where they are to be proved for any shape of heads, blocks of two pages in registers, which
  // leave no tile there, and subgroups that take fewer heads and more queries.
  static std::vector<AttentionTile> tiles(ProductForm form, Heads heads, bool all) {
    auto recorder = device().record();
    if (!recorder) return {};
    const KernelRecorder kernels(device(), *recorder, form);
    std::vector<AttentionTile> chosen = attention_tiles(kernels, shape(heads, 9));
    if (!all) {
      chosen.resize(std::min<std::size_t>(chosen.size(), 1));
      return chosen;
    }
    for (const AttentionMatrix matrix : {AttentionMatrix::khr, AttentionMatrix::nv2, AttentionMatrix::plain})
      for (const AttentionTile tile :
           {AttentionTile{matrix, 2, 64, 1}, AttentionTile{matrix, 6, 32, 2}, AttentionTile{matrix, 12, 64, 1}})
        if (runs_attention_tile(kernels, tile, shape(heads, 9))) chosen.push_back(tile);
    return chosen;
  }
  // Pages before the batch's own that a tile's list leaves out: none, or two of three.
  enum class Lists { none, whole, some };
  // Queries of `sharpness` make the softmax as peaked. Returns what the tile gave.
  std::vector<float> check(const AttentionTile& tile, ProductForm form, Keys keys, float sharpness, Tolerance tolerance, Lists lists = Lists::none, bool in_halves_too = false) {
    SCOPED_TRACE("form " + std::to_string(static_cast<int>(tile.matrix)) + ", " + std::to_string(tile.subgroups) +
                 " subgroups, blocks of " + std::to_string(tile.block_keys) + ", " + std::to_string(tile.heads) + " heads of " + std::to_string(tile.tokens()) + " tokens: " +
                 std::to_string(keys.all) + " keys, batch " + std::to_string(keys.batch) + ", lists " + std::to_string(static_cast<int>(lists)));
    const Heads heads = GetParam();
    Seeded random(keys.all * 10 + keys.batch);
    PagedCache cache(device(), heads.kv, heads.width, 0, keys.all, 1, heads.type);
    cache.fill(keys.all, random);
    const std::vector<float> keys_in_halves = in_halves(cache.keys), values_in_halves = in_halves(cache.values);
    const std::uint32_t row = heads.query * heads.width, first = keys.all - keys.batch, stride = row + 4;
    const std::vector<float> query = random.normals(std::size_t{keys.batch} * row, sharpness);
    // Rounded after scaling by log2 e / sqrt(width), and the reference scales again.
    const float factor = 1.0f / std::sqrt(static_cast<float>(heads.width)) * 1.4426950408889634f;
    std::vector<float> rounded = query;
    for (float& q : rounded) q *= factor;
    rounded = in_halves(rounded);
    for (float& q : rounded) q /= factor;

    const std::uint32_t rows = tile.listed > 0 ? tile.listed : shader::kTileRows;
    // A list for every tile and KV head, in a table with room for more.
    const std::uint32_t tiles = (keys.batch + rows - 1) / rows, room_pages = static_cast<std::uint32_t>(cache.table().size()) + 3;
    std::vector<std::vector<std::size_t>> pages(std::size_t{tiles} * heads.kv);
    std::vector<std::uint64_t> table(pages.size() * room_pages, cache.table().back());
    std::vector<std::uint32_t> listed(pages.size());
    for (std::uint32_t slot = 0; slot < pages.size(); ++slot) {
      const std::uint32_t begin = first + slot / heads.kv * rows, end = std::min(begin + rows, keys.all);
      for (std::uint32_t page = 0; page * shader::kPageKeys < end; ++page)
        if (lists != Lists::some || page >= begin / shader::kPageKeys || random.below(3) == 0) pages[slot].push_back(page);
      for (std::size_t i = 0; i < pages[slot].size(); ++i) table[slot * room_pages + i] = cache.table()[pages[slot][i]];
      listed[slot] = static_cast<std::uint32_t>((pages[slot].size() - 1) * shader::kPageKeys + (end - 1) % shader::kPageKeys + 1);
    }
    std::vector<float> expected(query.size());
    for (std::uint32_t t = 0; t < keys.batch; ++t)
      for (std::uint32_t h = 0; h < heads.query; ++h) {
        const std::uint32_t kv_head = h / (heads.query / heads.kv);
        const std::size_t at = std::size_t{t} * row + h * heads.width, head = std::size_t{kv_head} * heads.width;
        std::vector<std::size_t> seen = pages[t / rows * heads.kv + kv_head];
        std::erase_if(seen, [&](std::size_t page) { return page * shader::kPageKeys > first + t; });
        reference::attention_over_pages(std::span(rounded).subspan(at, heads.width),
                                        {std::span(keys_in_halves).subspan(head), std::span(values_in_halves).subspan(head),
                                         std::size_t{heads.kv} * heads.width, first + t + 1},
                                        seen, shader::kPageKeys, std::span(expected).subspan(at, heads.width));
      }
    const std::uint32_t room = keys.batch + 3;
    GuardBuffer y = output(std::uint64_t{room} * stride);
    set_state(first, keys.batch);
    AttentionShape placed = shape(heads, room);
    placed.layer_offset = cache.layer_offset();
    placed.pages = place(lists == Lists::none ? cache.table() : table);
    if (lists != Lists::none) {
      placed.listed_keys = place(listed);
      placed.table_stride = room_pages;
      placed.tile_rows = rows;
    }
    const std::uint64_t queries = place(query);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          placed.state = state;
          return record_attention_tile(kernels, tile, {.shape = placed, .query = queries, .y = y.address(), .y_stride = stride});
        },
        {&y}, form);
    std::vector<float> got = rows_of(y, keys.batch, row, stride);
    EXPECT_TRUE(near_enough(got, expected, tolerance));
    if (!in_halves_too) return got;
    // The same, rounded, where the product behind it is to read it.
    GuardBuffer halves = output(std::uint64_t{room} * stride / 2);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          placed.state = state;
          return record_attention_tile(kernels, tile, {.shape = placed, .query = queries, .y = halves.address(), .y_stride = stride, .in_halves = true});
        },
        {&halves}, form);
    expect_halves(halves, got, row, stride);
    return got;
  }
  // A CPU driver takes seconds to compile a tile, so it sees all of them for one kind of narrow heads alone.
  static bool sees_all() { return !device().facts().cpu || (GetParam().width == 16 && GetParam().query == 4); }
  void check_all(ProductForm form) {
    const std::vector<AttentionTile> all = tiles(form, GetParam(), sees_all());
    ASSERT_FALSE(all.empty());
    for (const AttentionTile& tile : all) {
      for (const Keys keys : {Keys{9, 9}, {31, 31}, {32, 20}, {65, 65}, {257, 70}, {300, 9}, {131, 130}})
        check(tile, form, keys, 1.5f, kTile);
      check(tile, form, {140, 35}, 300, kSharp);
    }
    if (sees_all()) check(all.front(), form, {31, 20}, 1.5f, kTile, Lists::none, true);
  }
  // Over lists: against the reference, and with all pages listed to the bit what tiles over all keys give.
  void check_lists(ProductForm form) {
    // Fragments of several heads are tried with three of them there, which fill none.
    const bool odd = GetParam().width == 16 && GetParam().query == 6;
    const std::vector<AttentionTile> dense = tiles(form, GetParam(), false);
    ASSERT_FALSE(dense.empty());
    std::vector<AttentionTile> listed;
    for (const AttentionTile& bare : tiles(form, GetParam(), sees_all()))
      for (AttentionShape of_rows = shape(GetParam(), 9); const std::uint32_t rows : {16u, 8u, 4u}) {
        if (rows < 16 && device().facts().cpu && !odd) continue;
        of_rows.tile_rows = rows;
        listed.push_back(over_lists(bare, of_rows));
      }
    for (const AttentionTile& tile : listed) {
      for (const Keys keys : {Keys{9, 9}, {65, 65}, {300, 9}, {400, 70}}) {
        check(tile, form, keys, 1.5f, kTile, Lists::some);
        const std::vector<float> whole = check(tile, form, keys, 1.5f, kTile, Lists::whole);
        if (tile.matrix == dense.front().matrix && tile.block_keys == dense.front().block_keys) {
          EXPECT_TRUE(whole == check(dense.front(), form, keys, 1.5f, kTile));
        }
      }
    }
  }
};

TEST_P(AttentionTiles, equal_the_reference_in_registers) { check_all(ProductForm::gpu_without_matrix_cores); }

TEST_P(AttentionTiles, equal_the_reference_on_matrix_cores) {
  if (!device().facts().cooperative_matrix) GTEST_SKIP() << "this device has no matrix cores";
  check_all(ProductForm::gpu);
}

TEST_P(AttentionTiles, over_lists_equal_the_reference_in_registers) { check_lists(ProductForm::gpu_without_matrix_cores); }

TEST_P(AttentionTiles, over_lists_equal_the_reference_on_matrix_cores) {
  if (!device().facts().cooperative_matrix) GTEST_SKIP() << "this device has no matrix cores";
  check_lists(ProductForm::gpu);
}

std::string heads_name(const testing::TestParamInfo<Heads>& info) {
  return "width_" + std::to_string(info.param.width) + "_heads_" + std::to_string(info.param.query) + "_" +
         std::to_string(info.param.kv) + "_" + std::string(name(info.param.type));
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTiles,
                         testing::Values(Heads{16, 6, 2}, Heads{16, 4, 1}, Heads{64, 8, 2}, Heads{80, 4, 4}, Heads{96, 8, 1},
                                         Heads{128, 4, 1}, Heads{16, 8, 1, DType::Q8_0}, Heads{80, 6, 2, DType::Q8_0},
                                         Heads{128, 4, 1, DType::Q8_0}),
                         heads_name);

class AttentionTileChoice : public KernelTest {};

TEST_F(AttentionTileChoice, leaves_cpu_drivers_few_tokens_and_widths_that_no_fragment_divides_to_the_other_form) {
  auto recorder = device().record();
  ASSERT_TRUE(recorder);
  const KernelRecorder cpu(device(), *recorder, ProductForm::cpu);
  const KernelRecorder plain(device(), *recorder, ProductForm::gpu_without_matrix_cores);
  const AttentionShape shape{.query_heads = 8, .kv_heads = 2, .head_width = 64, .tokens = 100};
  EXPECT_TRUE(attention_tiles(cpu, shape).empty());
  EXPECT_EQ(attention_tile(cpu, shape).subgroups, 0u);
  AttentionShape odd = shape;
  odd.head_width = 72;
  EXPECT_TRUE(attention_tiles(plain, odd).empty());
  AttentionShape few = shape;
  few.tokens = 8;
  EXPECT_EQ(attention_tile(plain, few).subgroups, 0u);
  few.tokens = 9;
  EXPECT_GT(attention_tile(plain, few).subgroups, 0u);
  odd.head_width = 1024;  // more than shared memory holds
  EXPECT_EQ(attention_tile(plain, odd).subgroups, 0u);
}

// Whatever the prompt's length, lists and all keys take the same kind of fragments and of blocks, on which the bits depend.
TEST_F(AttentionTileChoice, takes_the_same_kind_over_lists) {
  auto recorder = device().record();
  ASSERT_TRUE(recorder);
  for (const ProductForm form : {ProductForm::gpu, ProductForm::gpu_without_matrix_cores})
    for (const std::uint32_t width : {64u, 72u, 128u})
      for (const std::uint32_t group : {1u, 3u, 4u, 8u, 16u})
        for (const auto& [tokens, rows] : {std::pair{2u, 16u}, {8u, 8u}, {9u, 16u}, {512u, 16u}, {512u, 8u}, {512u, 4u}, {4096u, 16u}}) {
          const KernelRecorder kernels(device(), *recorder, form);
          AttentionShape shape{.query_heads = 2 * group, .kv_heads = 2, .head_width = width, .tokens = tokens};
          const AttentionTile dense = attention_tile(kernels, shape);
          shape.listed_keys = 1;
          shape.tile_rows = rows;
          const AttentionTile listed = attention_tile(kernels, shape);
          ASSERT_EQ(listed.subgroups > 0, dense.subgroups > 0);
          if (dense.subgroups == 0) continue;
          EXPECT_TRUE(listed.matrix == dense.matrix && listed.block_keys == dense.block_keys);
          EXPECT_TRUE(runs_attention_tile(kernels, listed, shape));
          EXPECT_EQ(listed.tokens(), rows);
          EXPECT_EQ(group % listed.heads, 0u);
        }
}

TEST_F(AttentionTileChoice, cuts_a_short_prompt_smaller_than_a_long_one) {
  auto recorder = device().record();
  ASSERT_TRUE(recorder);
  const KernelRecorder plain(device(), *recorder, ProductForm::gpu_without_matrix_cores);
  AttentionShape shape{.query_heads = 8, .kv_heads = 2, .head_width = 64, .tokens = 32};
  const AttentionTile few = attention_tile(plain, shape);
  shape.tokens = 4096;
  const AttentionTile many = attention_tile(plain, shape);
  EXPECT_LT(few.subgroups, many.subgroups);
  EXPECT_GT(few.subgroups, 0u);
  EXPECT_EQ(many.heads, 4u);  // all that share a KV head
}

}  // namespace
}  // namespace fovea::test
