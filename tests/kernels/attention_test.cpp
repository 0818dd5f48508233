// Attention over the paged cache against the reference: prefill, decode, and the exact rows of the trace.
#include "engine/kernels/attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

struct Heads {
  std::uint32_t width, query, kv;
  DType type = DType::F16;  // of the cache
  friend void PrintTo(const Heads& h, std::ostream* out) {
    *out << h.query << " heads of " << h.width << " over " << h.kv;
  }
};

// Keys in all, and how many of them are the batch's own.
struct Keys {
  std::uint32_t all, batch;
};

constexpr Tolerance kAttention{.relative_l2 = 5e-6, .scaled_max = 1e-5};
// Scores in the thousands are rounded to 1e-4, and so are then the weights.
constexpr Tolerance kSharp{.relative_l2 = 1e-4, .scaled_max = 3e-4};

std::string heads_name(const testing::TestParamInfo<Heads>& info) {
  return "width_" + std::to_string(info.param.width) + "_heads_" + std::to_string(info.param.query) + "_" +
         std::to_string(info.param.kv) + "_" + std::string(name(info.param.type));
}

class Attention : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  [[nodiscard]] AttentionShape shape(const PagedCache& cache, std::uint64_t pages, std::uint64_t state,
                                     std::uint32_t tokens) const {
    const Heads heads = GetParam();
    return {.query_heads = heads.query,
            .kv_heads = heads.kv,
            .head_width = heads.width,
            .tokens = tokens,
            .layer_offset = cache.layer_offset(),
            .pages = pages,
            .state = state,
            .kv = heads.type};
  }
  // Queries of `sharpness` make the softmax as peaked.
  void prefill(Keys keys, float sharpness, Tolerance tolerance) {
    const Heads heads = GetParam();
    Seeded random(keys.all * 10 + keys.batch);
    PagedCache cache(device(), heads.kv, heads.width, 0, keys.all, 1, heads.type);
    cache.fill(keys.all, random);
    const std::uint32_t row = heads.query * heads.width, first = keys.all - keys.batch, stride = row + 4;
    const std::vector<float> query = random.normals(std::size_t{keys.batch} * row, sharpness);
    std::vector<float> expected(query.size());
    for (std::uint32_t t = 0; t < keys.batch; ++t)
      for (std::uint32_t h = 0; h < heads.query; ++h) {
        const std::size_t at = std::size_t{t} * row + h * heads.width;
        cache.attend(std::span(query).subspan(at, heads.width), h, heads.query / heads.kv, first + t + 1,
                     std::span(expected).subspan(at, heads.width));
      }
    const std::uint32_t room = keys.batch + 3;
    GuardBuffer y = output(std::uint64_t{room} * stride);
    set_state(first, keys.batch);
    const std::uint64_t pages = place(cache.table()), queries = place(query);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_attention_prefill(
              kernels,
              {.shape = shape(cache, pages, state, room), .query = queries, .y = y.address(), .y_stride = stride});
        },
        {&y}, ProductForm::cpu);  // the form without rounding to halves
    EXPECT_TRUE(near_enough(rows_of(y, keys.batch, row, stride), expected, tolerance))
        << keys.all << " keys, batch " << keys.batch;
  }
  void decode(std::uint32_t keys, float sharpness, Tolerance tolerance) {
    const Heads heads = GetParam();
    Seeded random(keys);
    PagedCache cache(device(), heads.kv, heads.width, 0, keys, 2, heads.type);
    cache.fill(keys, random);
    const std::uint32_t row = heads.query * heads.width, splits = attention_splits(device().facts(), heads.kv);
    const std::vector<float> query = random.normals(row, sharpness);
    std::vector<float> expected(row);
    for (std::uint32_t h = 0; h < heads.query; ++h)
      cache.attend(std::span(query).subspan(h * heads.width, heads.width), h, heads.query / heads.kv, keys,
                   std::span(expected).subspan(h * heads.width, heads.width));
    GuardBuffer y = output(row), values = output(std::uint64_t{row} * splits),
                partial = output(std::uint64_t{heads.query} * splits * 2);
    set_state(keys - 1, 1);
    const std::uint64_t pages = place(cache.table()), queries = place(query);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_attention_decode(kernels, {.shape = shape(cache, pages, state, 1),
                                                   .query = queries,
                                                   .y = y.address(),
                                                   .y_stride = row,
                                                   .values = values.address(),
                                                   .partial = partial.address()});
        },
        {&y, &values, &partial});
    EXPECT_TRUE(near_enough(y.values<float>(), expected, tolerance)) << keys << " keys";
  }
};

TEST_P(Attention, of_a_batch_equals_the_reference) {
  for (const Keys keys : {Keys{1, 1}, {31, 31}, {32, 5}, {33, 33}, {257, 20}, {1000, 9}})
    prefill(keys, 1.5f, kAttention);
}

TEST_P(Attention, of_one_token_equals_the_reference) {
  for (const std::uint32_t keys : {1u, 31u, 32u, 33u, 257u, 1000u}) decode(keys, 1.5f, kAttention);
}

TEST_P(Attention, survives_scores_that_overflow_a_naive_softmax) {
  prefill({70, 9}, 300, kSharp);
  decode(70, 300, kSharp);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Heads{8, 1, 1}, Heads{32, 4, 2}, Heads{64, 8, 2}, Heads{128, 8, 1},
                                         Heads{16, 6, 2}, Heads{64, 4, 4}, Heads{80, 4, 2}, Heads{6, 2, 1}),
                         heads_name);
// Among them heads of less than a block, of blocks and a part, and of a piece that is not full.
INSTANTIATE_TEST_SUITE_P(ShapesInQ8, Attention,
                         testing::Values(Heads{8, 1, 1, DType::Q8_0}, Heads{32, 4, 2, DType::Q8_0},
                                         Heads{64, 8, 2, DType::Q8_0}, Heads{128, 8, 1, DType::Q8_0},
                                         Heads{16, 6, 2, DType::Q8_0}, Heads{64, 4, 4, DType::Q8_0},
                                         Heads{80, 4, 2, DType::Q8_0}, Heads{6, 2, 1, DType::Q8_0},
                                         Heads{100, 2, 2, DType::Q8_0}, Heads{256, 2, 1, DType::Q8_0}),
                         heads_name);

TEST_F(KernelTest, AttentionRefusesACacheOfAnotherType) {
  auto recorder = device().record();
  ASSERT_TRUE(recorder);
  KernelRecorder kernels(device(), *recorder);
  const AttentionShape shape{.query_heads = 1, .kv_heads = 1, .head_width = 32, .kv = DType::Q4_0};
  for (const auto& refused :
       {record_attention_decode(kernels, {.shape = shape}), record_attention_prefill(kernels, {.shape = shape}),
        record_attention_rows(kernels, {.shape = shape}), record_rope_store(kernels, {.shape = shape}),
        record_rope_attention(kernels, {.rope = {.shape = shape}})}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_NE(refused.error().sentence().find("Q4_0"), std::string::npos);
  }
}

class AttentionRows : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  static constexpr std::uint32_t kQueryHeads = 4, kKvHeads = 2, kCapacity = 12, kStride = 64;
};

TEST_P(AttentionRows, are_the_reference_softmax_for_the_heads_asked_for_and_no_longer_than_the_stride) {
  const std::uint32_t width = GetParam().width;
  for (const Keys keys : {Keys{1, 1}, {9, 9}, {40, 12}, {64, 1}, {68, 8}}) {
    Seeded random(keys.all);
    PagedCache cache(device(), kKvHeads, width, 0, keys.all, 3, GetParam().type);
    cache.fill(keys.all, random);
    const std::uint32_t row = kQueryHeads * width, first = keys.all - keys.batch;
    const std::vector<float> query = random.normals(std::size_t{keys.batch} * row, 2);
    const std::vector<std::uint32_t> heads{3, 0, 2};
    GuardBuffer rows = output(heads.size() * kCapacity * kStride / 2);
    constexpr std::uint16_t kUntouched = 0x7E55;
    rows.set_initial<std::uint16_t>(std::vector<std::uint16_t>(heads.size() * kCapacity * kStride, kUntouched));
    set_state(first, keys.batch);
    const std::uint64_t pages = place(cache.table()), queries = place(query), slots = place(heads);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_attention_rows(kernels, {.shape = {.query_heads = kQueryHeads,
                                                           .kv_heads = kKvHeads,
                                                           .head_width = width,
                                                           .tokens = kCapacity,
                                                           .layer_offset = cache.layer_offset(),
                                                           .pages = pages,
                                                           .state = state,
                                                           .kv = GetParam().type},
                                                 .query = queries,
                                                 .heads = slots,
                                                 .rows = rows.address(),
                                                 .slots = static_cast<std::uint32_t>(heads.size()),
                                                 .row_stride = kStride,
                                                 .tokens_capacity = kCapacity});
        },
        {&rows});
    const std::vector<std::uint16_t> got = rows.values<std::uint16_t>();
    for (std::size_t slot = 0; slot < heads.size(); ++slot)
      for (std::uint32_t t = 0; t < kCapacity; ++t) {
        const std::uint32_t count = t < keys.batch && first + t + 1 <= kStride ? first + t + 1 : 0;
        std::vector<float> expected(count), unused(width);
        if (count > 0)
          cache.attend(std::span(query).subspan(std::size_t{t} * row + heads[slot] * width, width), heads[slot],
                       kQueryHeads / kKvHeads, count, unused, expected);
        double sum = 0;
        for (std::uint32_t key = 0; key < kStride; ++key) {
          const std::uint16_t half = got[(slot * kCapacity + t) * kStride + key];
          if (key >= count) {
            ASSERT_EQ(half, kUntouched) << "slot " << slot << ", token " << t << ", key " << key;
            continue;
          }
          // Rounding to half in either direction: 2^-10 of the value, or one step of the smallest halves.
          const double want = static_cast<double>(expected[key]), is = static_cast<double>(half_to_float(half));
          ASSERT_NEAR(is, want, want * 1.0e-3 + 6.1e-8) << "slot " << slot << ", token " << t << ", key " << key;
          sum += is;
        }
        EXPECT_NEAR(sum, count > 0 ? 1.0 : 0.0, 1e-3);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionRows,
                         testing::Values(Heads{32, 4, 2}, Heads{32, 4, 2, DType::Q8_0}, Heads{80, 4, 2, DType::Q8_0},
                                         Heads{6, 4, 2, DType::Q8_0}),
                         heads_name);

}  // namespace
}  // namespace fovea::test
