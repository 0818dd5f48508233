// Norm, rotation, KV write and attention of one token in one step: to the bit what the steps apart write to the cache
// and hand to the trace, and the reference's attention over that.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/decoder/device_weights.hpp"
#include "engine/kernels/attention_tile.hpp"
#include "engine/kernels/dot.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr Tolerance kAttention{.relative_l2 = 5e-6, .scaled_max = 1e-5};
// Queries and weights are rounded to halves, each off by 2^-11 of itself at most.
constexpr Tolerance kAsMatrices{.relative_l2 = 2e-3, .scaled_max = 4e-3};

struct Case {
  const char* name;
  std::uint32_t query_heads, kv_heads, head_width, rope_width;
  RopeLayout layout;
  QkNorm norm;
  DType kv = DType::F16;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

class RopeAttention : public KernelTest, public testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    const Case c = GetParam();
    const std::uint32_t query_width = c.query_heads * c.head_width, kv_width = c.kv_heads * c.head_width;
    Seeded random(c.head_width);
    ModelConfig config;
    config.query_heads = c.query_heads;
    config.kv_heads = c.kv_heads;
    config.head_width = c.head_width;
    config.rope_width = c.rope_width;
    config.rope_base = 10000.0f;
    if (IsSkipped()) return;
    const bool whole = c.norm == QkNorm::full_width;
    rope_.qkv = place(random.normals(query_width + 2 * kv_width, 1.5));
    rope_.qkv_stride = query_width + 2 * kv_width;
    rope_.query_norm = c.norm == QkNorm::none ? 0 : place(random.normals(whole ? query_width : c.head_width));
    rope_.key_norm = c.norm == QkNorm::none ? 0 : place(random.normals(whole ? kv_width : c.head_width));
    rope_.turns = place(rope_turns(config));
    rope_.rope_width = c.rope_width;
    rope_.halves = c.layout == RopeLayout::halves;
    rope_.norm = static_cast<std::uint32_t>(c.norm);
    rope_.epsilon = 1e-6f;
  }

  void check(std::uint32_t position, std::uint32_t splits, std::uint32_t heads = 0, std::uint32_t least_pages = 0,
             std::optional<bool> early = std::nullopt, std::optional<RopeAttentionTile> tile = std::nullopt, ProductForm form = ProductForm::gpu) {
    SCOPED_TRACE("position " + std::to_string(position) + ", splits " + std::to_string(splits));
    const Case c = GetParam();
    const std::uint32_t row = c.query_heads * c.head_width, group = c.query_heads / c.kv_heads;
    const Tolerance& tolerance = tile ? kAsMatrices : kAttention;
    PagedCache cache = filled(position), twin_cache = filled(position);
    set_state(position, 1);
    const std::uint64_t pages = place(cache.table()), twin_pages = place(twin_cache.table());

    const std::uint32_t padded_row = c.query_heads * ((c.head_width + 7) / 8 * 8);
    GuardBuffer query = output(row), y = output(row), values = output(std::uint64_t{padded_row} * splits),
                partial = output(std::uint64_t{c.query_heads} * splits * 2), arrived = output(c.query_heads);
    arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>(c.query_heads, 0));
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          EXPECT_TRUE(takes_rope_attention(kernels, shape(cache, pages, state)));
          RopeStoreArgs rope = rope_;
          rope.shape = shape(cache, pages, state);
          rope.query = query.address();
          return record_rope_attention(kernels, {.rope = rope,
                                                 .y = y.address(),
                                                 .values = values.address(),
                                                 .partial = partial.address(),
                                                 .arrived = arrived.address(),
                                                 .splits = splits,
                                                 .heads = heads,
                                                 .least_pages = least_pages,
                                                 .early = early,
                                                 .tile = tile});
        },
        {&query, &y, &values, &partial, &arrived, &cache.memory()},
        tile && tile->matrix == AttentionMatrix::plain ? ProductForm::gpu_without_matrix_cores : form);
    EXPECT_TRUE(std::ranges::all_of(arrived.values<std::uint32_t>(), [](std::uint32_t count) { return count == 0; }));

    const std::uint32_t twin_splits = attention_splits(device().facts(), c.kv_heads);
    GuardBuffer twin_query = output(row), twin_y = output(row), twin_values = output(std::uint64_t{row} * twin_splits),
                twin_partial = output(std::uint64_t{c.query_heads} * twin_splits * 2);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          RopeStoreArgs rope = rope_;
          rope.shape = shape(twin_cache, twin_pages, state);
          rope.query = twin_query.address();
          FOVEA_TRY(record_rope_store(kernels, rope));
          kernels.plan().barrier();
          return record_attention_decode(kernels, {.shape = rope.shape,
                                                   .query = rope.query,
                                                   .y = twin_y.address(),
                                                   .y_stride = row,
                                                   .values = twin_values.address(),
                                                   .partial = twin_partial.address()});
        },
        {&twin_query, &twin_y, &twin_values, &twin_partial, &twin_cache.memory()});

    EXPECT_TRUE(query.contents() == twin_query.contents()) << "queries of the trace";
    EXPECT_TRUE(cache.memory().contents() == twin_cache.memory().contents()) << "keys and values in the cache";
    EXPECT_TRUE(near_enough(y.values<float>(), twin_y.values<float>(), tolerance));

    // The newest key and value are those of the cache, rounded as they are.
    for (std::uint32_t head = 0; head < c.kv_heads; ++head)
      for (const bool value : {false, true}) {
        const std::vector<float> newest = cache.stored(value, head, position);
        std::vector<float>& all = value ? cache.values : cache.keys;
        all.insert(all.end(), newest.begin(), newest.end());
      }
    const std::vector<float> queries = query.values<float>();
    std::vector<float> expected(row);
    for (std::uint32_t h = 0; h < c.query_heads; ++h)
      cache.attend(std::span(queries).subspan(h * c.head_width, c.head_width), h, group, position + 1,
                   std::span(expected).subspan(h * c.head_width, c.head_width));
    EXPECT_TRUE(near_enough(y.values<float>(), expected, tolerance));
  }

  // Over lists of pages, which differ by KV head: of all pages the bits of attention without lists, of some the reference's over these.
  void check_lists(std::uint32_t position, std::uint32_t splits, std::uint32_t least_pages, const RopeAttentionTile& tile) {
    const Case c = GetParam();
    const std::uint32_t row = c.query_heads * c.head_width, pages = position / shader::kPageKeys + 1, stride = pages + 2, end = position % shader::kPageKeys + 1;
    enum class Read { everything, all_listed, some_listed };
    std::vector<std::vector<std::byte>> outputs;
    for (const Read read : {Read::everything, Read::all_listed, Read::some_listed}) {
      PagedCache cache = filled(position);
      set_state(position, 1);
      std::vector<std::vector<std::uint32_t>> chosen(c.kv_heads);
      std::vector<std::uint64_t> lists(std::size_t{c.kv_heads} * stride, cache.table().back());
      std::vector<std::uint32_t> keys;
      for (std::uint32_t head = 0; head < c.kv_heads; ++head) {
        for (std::uint32_t page = 0; page < pages; ++page)
          if (read != Read::some_listed || page + 1 == pages || (page * 7 + head * 3) % 5 < 3) {
            lists[head * stride + chosen[head].size()] = cache.table()[page];
            chosen[head].push_back(page);
          }
        keys.push_back(static_cast<std::uint32_t>(chosen[head].size() - 1) * shader::kPageKeys + end);
      }
      const std::uint64_t table = place(read == Read::everything ? cache.table() : lists), listed = place(keys);
      GuardBuffer query = output(row), y = output(row), values = output(std::uint64_t{row} * splits), partial = output(std::uint64_t{c.query_heads} * splits * 2),
                  arrived = output(c.query_heads);
      arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>(c.query_heads, 0));
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            RopeStoreArgs rope = rope_;
            rope.shape = shape(cache, table, state);
            rope.query = query.address();
            if (read != Read::everything) {
              rope.shape.listed_keys = listed;
              rope.shape.table_stride = stride;
            }
            return record_rope_attention(kernels, {.rope = rope, .y = y.address(), .values = values.address(), .partial = partial.address(), .arrived = arrived.address(),
                                                   .splits = splits, .least_pages = least_pages, .tile = tile});
          },
          {&query, &y, &values, &partial, &arrived, &cache.memory()}, tile.matrix == AttentionMatrix::plain ? ProductForm::gpu_without_matrix_cores : ProductForm::gpu);
      outputs.push_back(y.contents());
      if (read != Read::some_listed) continue;
      PagedCache compact = filled(position);
      const std::vector<float> queries = query.values<float>();
      std::vector<float> expected(row);
      for (std::uint32_t h = 0; h < c.query_heads; ++h) {
        const std::uint32_t head = h / (c.query_heads / c.kv_heads);
        for (std::uint32_t n = 0; n < keys[head]; ++n) {
          const std::uint32_t from = chosen[head][n / shader::kPageKeys] * shader::kPageKeys + n % shader::kPageKeys;
          for (const bool value : {false, true}) {
            const std::vector<float>& all = value ? cache.values : cache.keys;
            std::vector<float>& some = value ? compact.values : compact.keys;
            const std::size_t at = std::size_t{from} * c.kv_heads * c.head_width + head * c.head_width, to = std::size_t{n} * c.kv_heads * c.head_width + head * c.head_width;
            const std::vector<float> newest = from == position ? cache.stored(value, head, position) : std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(at), all.begin() + static_cast<std::ptrdiff_t>(at + c.head_width));
            some.resize(std::max(some.size(), to + c.head_width));
            std::ranges::copy(newest, some.begin() + static_cast<std::ptrdiff_t>(to));
          }
        }
        compact.attend(std::span(queries).subspan(h * c.head_width, c.head_width), h, c.query_heads / c.kv_heads, keys[head],
                       std::span(expected).subspan(h * c.head_width, c.head_width));
      }
      EXPECT_TRUE(near_enough(y.values<float>(), expected, kAsMatrices)) << "over some pages";
    }
    EXPECT_TRUE(outputs[0] == outputs[1]) << "over a list of all pages";
  }

  // To the bit what a step of its own makes of the output.
  void check_rounded(std::uint32_t position) {
    const Case c = GetParam();
    const std::uint32_t row = c.query_heads * c.head_width, splits = 4;
    std::vector<std::vector<std::byte>> outputs;
    for (const bool rounded : {false, true}) {
      PagedCache cache = filled(position);
      set_state(position, 1);
      const std::uint64_t pages = place(cache.table());
      GuardBuffer y = output(row), words = output(q8_words(row)), values = output(std::uint64_t{row} * splits),
                  partial = output(std::uint64_t{c.query_heads} * splits * 2), arrived = output(c.query_heads);
      arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>(c.query_heads, 0));
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            RopeStoreArgs rope = rope_;
            rope.shape = shape(cache, pages, state);
            FOVEA_TRY(record_rope_attention(kernels, {.rope = rope,
                                                      .y = rounded ? words.address() : y.address(),
                                                      .rounded = rounded,
                                                      .values = values.address(),
                                                      .partial = partial.address(),
                                                      .arrived = arrived.address(),
                                                      .splits = splits}));
            if (rounded) return {};
            kernels.plan().barrier();
            return record_quantize(kernels, {.x = y.address(), .q8 = words.address(), .width = row, .x_stride = row, .q8_stride = q8_words(row)});
          },
          {&y, &words, &values, &partial, &arrived, &cache.memory()}, ProductForm::gpu);
      outputs.push_back(words.contents());
    }
    EXPECT_TRUE(outputs[0] == outputs[1]);
  }

  // Nobody asks for the queries.
  void check_untold(std::uint32_t position) {
    const Case c = GetParam();
    const std::uint32_t row = c.query_heads * c.head_width;
    std::vector<std::vector<std::byte>> outputs;
    for (const bool told : {true, false}) {
      PagedCache cache = filled(position);
      set_state(position, 1);
      const std::uint64_t pages = place(cache.table());
      constexpr std::uint32_t kSplits = 4;
      GuardBuffer query = output(row), y = output(row), values = output(std::uint64_t{c.query_heads} * ((c.head_width + 7) / 8 * 8) * kSplits),
                  partial = output(std::uint64_t{c.query_heads} * kSplits * 2), arrived = output(c.query_heads);
      arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>(c.query_heads, 0));
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            RopeStoreArgs rope = rope_;
            rope.shape = shape(cache, pages, state);
            rope.query = told ? query.address() : 0;
            return record_rope_attention(kernels, {.rope = rope,
                                                   .y = y.address(),
                                                   .values = values.address(),
                                                   .partial = partial.address(),
                                                   .arrived = arrived.address(),
                                                   .splits = kSplits});
          },
          {&query, &y, &values, &partial, &arrived, &cache.memory()}, ProductForm::gpu);
      outputs.push_back(y.contents());
      if (!told) {
        EXPECT_TRUE(std::ranges::all_of(query.values<float>(), GuardBuffer::is_poison));
      }
    }
    EXPECT_TRUE(outputs[0] == outputs[1]);
  }

  // How splits are put together hangs on the width and the number of heads, not on norm and rotation.
  static bool sees_many_splits() { return !device().facts().cpu || GetParam().norm == QkNorm::none; }

  bool runs(const RopeAttentionTile& tile, ProductForm form) {
    const Case c = GetParam();
    auto recorder = device().record();
    return recorder.has_value() && runs_rope_attention_tile(KernelRecorder(device(), *recorder, form), tile,
                                    {.query_heads = c.query_heads, .kv_heads = c.kv_heads, .head_width = c.head_width, .kv = c.kv}, 4);
  }

 private:
  [[nodiscard]] PagedCache filled(std::uint32_t position) const {
    const Case c = GetParam();
    Seeded random(position + 7);
    PagedCache cache(device(), c.kv_heads, c.head_width, 0, position + 1, 5, c.kv);
    cache.fill(position, random);
    return cache;
  }
  [[nodiscard]] static AttentionShape shape(const PagedCache& cache, std::uint64_t pages, std::uint64_t state) {
    const Case c = GetParam();
    return {.query_heads = c.query_heads,
            .kv_heads = c.kv_heads,
            .head_width = c.head_width,
            .tokens = 1,
            .layer_offset = cache.layer_offset(),
            .pages = pages,
            .state = state,
            .kv = c.kv};
  }
  RopeStoreArgs rope_;
};

TEST_P(RopeAttention, equals_its_twin_and_the_reference) {
  for (const std::uint32_t position : {0u, 1u, 31u, 32u, 127u, 128u, 333u})
    for (const std::uint32_t splits : {1u, 4u})
      if (splits == 4 || sees_many_splits()) check(position, splits);
}

// Among them more splits than have keys, a last one that holds the newest position only, and several pages each.
TEST_P(RopeAttention, equals_its_twin_and_the_reference_in_many_splits) {
  if (!sees_many_splits()) GTEST_SKIP() << "other cases see it, of each width and cache: a CPU driver compiles every number of splits";
  check(600, 64);
  check(1024, 8);
  check(1023, 8);
  check(1600, device().facts().cpu ? 8 : 5);
}

// Among them splits without keys and a last one that holds the newest position only.
TEST_P(RopeAttention, of_eight_lanes_on_a_cpu_driver_equals_its_twin_and_the_reference) {
  if (!device().facts().cpu || device().facts().subgroup != 8 || GetParam().head_width % 32 != 0 || GetParam().kv != DType::F16)
    GTEST_SKIP() << "steps stay apart here";
  for (const std::uint32_t position : {0u, 32u, 333u})
    for (const std::uint32_t splits : {1u, 4u}) check(position, splits, 0, 0, std::nullopt, std::nullopt, ProductForm::cpu);
}

TEST_P(RopeAttention, takes_all_query_heads_of_a_kv_head_in_one_workgroup_or_one_in_each_and_values_early_or_late) {
  const std::uint32_t group = GetParam().query_heads / GetParam().kv_heads;
  if (device().facts().cpu && group == 1 && GetParam().head_width > 8) GTEST_SKIP() << "seen with heads that share and with narrow ones";
  if (device().facts().cpu) {  // takes a second and more to compile one of them: the other that is ever chosen is what all other cases see
    check(400, 4, group, 1, false);
    return;
  }
  for (const std::uint32_t heads : {1u, group})
    for (const bool early : {false, true}) check(400, 4, heads, early ? 1 : 4, early);
}

// Splits of one page and of several, subgroups without keys, a last step of one key.
TEST_P(RopeAttention, as_matrices_nearly_equals_its_twin_and_the_reference) {
  const Case c = GetParam();
  if (device().facts().cpu && c.query_heads == 3 && c.kv == DType::F16 && c.head_width % 16 == 0)
    GTEST_SKIP() << "cases of more heads see these widths: a CPU driver compiles each for seven seconds";
  std::size_t ran = 0;
  // There a case has one workgroup and one division of keys, and cases differ in them.
  const bool one = device().facts().cpu, widest = one && c.kv_heads == 2 && c.head_width == 64;
  const std::uint32_t splits = one && c.head_width == 80 ? 3 : 4, least = one && c.head_width == 128 ? 4 : 1;
  for (const AttentionMatrix matrix : {AttentionMatrix::nv2, AttentionMatrix::plain}) {
    const RopeAttentionTile tile{matrix, widest ? 8u : 4u}, wide{matrix, 8};
    const ProductForm form = matrix == AttentionMatrix::plain ? ProductForm::gpu_without_matrix_cores : ProductForm::gpu;
    if (!runs(tile, form)) continue;
    SCOPED_TRACE(matrix == AttentionMatrix::plain ? "in registers" : "on matrix cores");
    ++ran;
    for (const std::uint32_t position : {0u, 333u}) check(position, splits, 0, least, std::nullopt, tile);
    check_lists(333, splits, least, tile);
    if (one)
      check(640, splits, 0, least, std::nullopt, tile);
    else
      check(640, 3, 0, 4, std::nullopt, runs(wide, form) ? wide : tile);
  }
  if (c.kv != DType::F16 || c.head_width % 16 != 0) {
    EXPECT_EQ(ran, 0u);
    GTEST_SKIP() << "not as matrices";
  }
}

TEST_P(RopeAttention, leaves_its_output_in_8_bits_when_told_to) {
  if (GetParam().head_width % 32 != 0 || !device().facts().integer_dot) GTEST_SKIP() << "no whole blocks, or nobody to read them";
  if (device().facts().cpu && (GetParam().kv != DType::F16 || GetParam().query_heads == 3)) GTEST_SKIP() << "seen with other caches of this width";
  for (const std::uint32_t position : {5u, 300u}) check_rounded(position);
}

TEST_P(RopeAttention, leaves_no_queries_where_nobody_asks) { check_untold(200); }

INSTANTIATE_TEST_SUITE_P(
    Cases, RopeAttention,
    testing::Values(Case{"neighbours", 8, 2, 64, 64, RopeLayout::neighbours, QkNorm::none},
                    Case{"halves_one_kv_head", 4, 1, 128, 128, RopeLayout::halves, QkNorm::per_head},
                    Case{"group_of_eight", 8, 1, 32, 32, RopeLayout::halves, QkNorm::per_head},
                    Case{"all_heads_normed", 3, 3, 64, 64, RopeLayout::halves, QkNorm::full_width},
                    Case{"all_heads_normed_grouped", 6, 2, 80, 80, RopeLayout::halves, QkNorm::full_width},
                    Case{"partial_neighbours", 3, 1, 32, 20, RopeLayout::neighbours, QkNorm::none},
                    Case{"partial_halves_of_a_wide_head", 2, 1, 256, 64, RopeLayout::halves, QkNorm::per_head},
                    Case{"small", 4, 4, 8, 8, RopeLayout::neighbours, QkNorm::none},
                    Case{"no_whole_piece", 4, 2, 6, 6, RopeLayout::neighbours, QkNorm::per_head},
                    Case{"part_of_a_piece", 3, 1, 100, 50, RopeLayout::halves, QkNorm::none},
                    Case{"q8_0_neighbours", 8, 2, 64, 64, RopeLayout::neighbours, QkNorm::none, DType::Q8_0},
                    Case{"q8_0_halves_one_kv_head", 3, 1, 128, 128, RopeLayout::halves, QkNorm::per_head, DType::Q8_0},
                    Case{"q8_0_all_heads_normed", 2, 2, 128, 128, RopeLayout::halves, QkNorm::full_width, DType::Q8_0},
                    Case{"q8_0_blocks_and_a_half", 4, 2, 80, 32, RopeLayout::halves, QkNorm::full_width, DType::Q8_0},
                    Case{"q8_0_part_of_a_piece", 3, 3, 100, 100, RopeLayout::neighbours, QkNorm::none, DType::Q8_0},
                    Case{"q8_0_wide", 2, 1, 256, 256, RopeLayout::halves, QkNorm::none, DType::Q8_0},
                    Case{"q8_0_small", 4, 4, 8, 8, RopeLayout::neighbours, QkNorm::per_head, DType::Q8_0},
                    Case{"q8_0_six_wide", 4, 2, 6, 4, RopeLayout::halves, QkNorm::none, DType::Q8_0}),
    [](const auto& entry) { return std::string(entry.param.name); });

// Steps follow one another by counts where that was measured to gain, at any depth: where query heads share keys.
class ChainedSteps : public KernelTest {};
TEST_F(ChainedSteps, gain_where_query_heads_share_a_kv_head) {
  auto recorder = device().record();
  ASSERT_TRUE(recorder);
  const KernelRecorder kernels(device(), *recorder, ProductForm::gpu);
  const auto gains = [&](std::uint32_t query_heads, std::uint32_t kv_heads) {
    return gains_by_chained_steps(kernels, {.query_heads = query_heads, .kv_heads = kv_heads, .head_width = 128, .tokens = 1});
  };
  EXPECT_TRUE(gains(32, 4)) << "qwen3-30b-a3b";
  EXPECT_TRUE(gains(32, 8)) << "llama-8b";
  EXPECT_FALSE(gains(16, 16)) << "olmoe-1b-7b";
  EXPECT_FALSE(gains(16, 8)) << "not measured";
}

// Splits of a few pages: over few keys a GPU has as many as find some, and none that only waits.
TEST(AttentionSplits, are_fewer_over_few_keys) {
  const gpu::DeviceFacts gpu{}, cpu{.cpu = true};
  EXPECT_EQ(rope_attention_splits(gpu, 4, true), 64u);
  EXPECT_EQ(rope_attention_splits(gpu, 4, false), 16u) << "2,048 keys in splits of four pages";
  EXPECT_EQ(rope_attention_splits(gpu, 32, false), 8u) << "no more than of many keys";
  EXPECT_EQ(rope_attention_splits(cpu, 1, false), attention_splits(cpu, 1));
}

}  // namespace
}  // namespace fovea::test
