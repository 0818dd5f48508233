// Attention over the keys of the largest weights, against the reference.
#include "engine/kernels/attention_top.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/reference/sparse_attention.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr Tolerance kAttention{.relative_l2 = 5e-6, .scaled_max = 1e-5};

struct Heads {
  std::uint32_t width, query, kv;
  DType type = DType::F16;
};

class AttentionTop : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  // `tokens` queries behind `position` keys, in a plan with room for more. alike: all keys are the same.
  void attend(std::uint32_t position, std::uint32_t tokens, std::uint32_t keep, bool alike = false) {
    SCOPED_TRACE(std::to_string(position) + " + " + std::to_string(tokens) + ", keep " + std::to_string(keep));
    const Heads heads = GetParam();
    const std::uint32_t count = position + tokens, room = tokens == 1 ? 1 : tokens + 5, context = count + 40, row = heads.query * heads.width, stride = row + 3;
    Seeded random(count);
    PagedCache cache(device(), heads.kv, heads.width, 0, count, 3, heads.type);
    cache.fill(count, random);
    // Keys that no query tells apart.
    const std::vector<float> query = alike ? std::vector<float>(std::size_t{tokens} * row, 0) : random.normals(std::size_t{tokens} * row, 2);
    GuardBuffer y = output(std::uint64_t{room} * stride), scores(device(), attention_top_bytes(heads.query, context, room));
    set_state(position, tokens);
    const std::uint64_t table = place(cache.table()), queries = place(query);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_attention_top(kernels, {.shape = {.query_heads = heads.query, .kv_heads = heads.kv, .head_width = heads.width, .tokens = room,
                                                          .layer_offset = cache.layer_offset(), .pages = table, .state = state, .kv = heads.type},
                                                .query = queries, .y = y.address(), .scores = scores.address(), .y_stride = stride, .keys = context, .keep = keep});
        },
        {&y, &scores});
    std::vector<float> expected(std::size_t{tokens} * row);
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t head = 0; head < heads.query; ++head) {
        const std::size_t at = std::size_t{t} * row + std::size_t{head} * heads.width, of_head = std::size_t{head} / (heads.query / heads.kv) * heads.width;
        const reference::KeyValueRows rows{std::span(cache.keys).subspan(of_head), std::span(cache.values).subspan(of_head), std::size_t{heads.kv} * heads.width,
                                           position + t + 1};
        const std::span<const float> asks = std::span(query).subspan(at, heads.width);
        const std::span<float> out = std::span(expected).subspan(at, heads.width);
        std::vector<float> weights(rows.count);
        reference::attention(asks, rows, out, weights);
        reference::attention_over_pages(asks, rows, reference::most_important_keys(weights, keep / 1e6), 1, out);
      }
    EXPECT_TRUE(near_enough(rows_of(y, tokens, row, stride), expected, kAttention));
  }
};

TEST_P(AttentionTop, equals_the_reference) {
  for (const std::uint32_t keep : {300'000u, 70'000u, 1u}) {
    attend(0, 1, keep);
    attend(9, 1, keep);
    attend(999, 1, keep);
    attend(0, 40, keep);
    attend(300, 33, keep);
  }
}

TEST_P(AttentionTop, of_all_keys_is_attention) { attend(97, 6, 1'000'000); }

TEST_P(AttentionTop, keeps_the_later_of_equal_keys) { attend(61, 3, 250'000, true); }

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTop,
                         testing::Values(Heads{64, 4, 2}, Heads{6, 2, 1}, Heads{80, 3, 3, DType::Q8_0}, Heads{100, 4, 1, DType::Q8_0}),
                         [](const auto& shape) { return "width_" + std::to_string(shape.param.width) + "_" + std::string(name(shape.param.type)); });

}  // namespace
}  // namespace fovea::test
