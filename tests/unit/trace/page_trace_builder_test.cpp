// Choices of steps become chunks that are found again; measured rows are the ones that the step's positions ask for.
#include "engine/trace/page_trace_builder.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

namespace fovea {
namespace {

constexpr std::uint32_t kLayers = 3, kKvHeads = 2, kQueryHeads = 4, kPages = 40;
const SparseAttention kRule{.window = 32, .sinks = 0, .dense_layers = 1, .dense_below = 0};

// A step whose every choice reads the last page and page (query's tile + layer + head) % 8.
struct Step {
  std::vector<std::uint32_t> choices;
  std::vector<PageShare> shares;
  PageViews views;
  Step(std::uint32_t first, std::uint32_t tokens, std::uint32_t plan_tokens, std::uint32_t every) {
    const std::uint32_t tile_rows = plan_tokens == 1 ? 1 : 16, tiles = (plan_tokens + tile_rows - 1) / tile_rows, words = 3;
    const std::uint32_t page = (first + tokens - 1) / 32;
    for (std::uint32_t layer = 1; layer < kLayers; ++layer)
      for (std::uint32_t tile = 0; tile < tiles; ++tile)
        for (std::uint32_t head = 0; head < kKvHeads; ++head) {
          std::vector<std::uint32_t> marks(words, 0);
          marks[0] = std::bit_cast<std::uint32_t>(0.25f);
          for (const std::uint32_t read : {mark(first + tile * tile_rows, layer, head), page}) marks[1 + read / 32] |= 1u << (read % 32);
          choices.insert(choices.end(), marks.begin(), marks.end());
        }
    const std::uint32_t rows = (plan_tokens + every - 1) / every;
    shares.resize(std::size_t{kLayers} * rows * kQueryHeads * kPages);
    for (std::size_t i = 0; i < shares.size(); ++i) shares[i] = {i % kPages == 0 ? 0.5f : i % kPages == page ? 0.5f : 0, -0.1f};
    views = {.choices = choices, .tiles = tiles, .tile_rows = tile_rows, .choice_words = words, .decoded = plan_tokens == 1, .shares = shares, .rows = rows, .pages = kPages, .every = every};
  }
  static std::uint32_t mark(std::uint32_t first, std::uint32_t layer, std::uint32_t head) { return (first / 16 + layer + head) % 8; }
};

TEST(PageTraceBuilder, choices_of_prompts_and_tokens_are_found_again) {
  PageTraceBuilder builder({.policy = kRule, .layers = kLayers, .query_heads = kQueryHeads, .kv_heads = kKvHeads});
  EXPECT_EQ(builder.snapshot(), nullptr);
  builder.add(Step(960, 50, 64, 100).views, 960, 50);
  for (std::uint32_t position = 1010; position < 1080; ++position) builder.add(Step(position, 1, 1, 100).views, position, 1);
  const auto trace = builder.snapshot();
  ASSERT_NE(trace, nullptr);
  EXPECT_LT(trace->choices.size(), 12u) << "decoded tokens share chunks";
  for (std::uint32_t query = 960; query < 1080; ++query)
    for (std::uint32_t layer = 1; layer < kLayers; ++layer)
      for (std::uint32_t head = 0; head < kKvHeads; ++head) {
        const auto choice = trace->choice(layer, head, query);
        ASSERT_TRUE(choice) << query;
        const std::uint32_t first = query < 1010 ? 960 + (query - 960) / 16 * 16 : query;
        EXPECT_EQ(choice->first_query, first);
        EXPECT_EQ(choice->mass, 0.25f);
        EXPECT_TRUE(choice->reads(Step::mark(first, layer, head))) << query;
        EXPECT_EQ(choice->pages_read(query >= 1010 ? query : 1009), 2u) << query;
      }
  EXPECT_FALSE(trace->choice(1, 0, 1080));
}

TEST(PageTraceBuilder, measures_the_rows_that_are_there) {
  PageTraceBuilder builder({.policy = kRule, .layers = kLayers, .query_heads = kQueryHeads, .kv_heads = kKvHeads});
  builder.add(Step(960, 50, 64, 20).views, 960, 50);  // (q + 1) % 20 == 0: 979, 999
  builder.add(Step(1010, 1, 1, 20).views, 1010, 1);
  builder.add(Step(1019, 1, 1, 20).views, 1019, 1);
  builder.add(Step(1039, 1, 1, 20).views, 1039, 0);  // drawn past a stop
  const auto trace = builder.snapshot();
  ASSERT_EQ(trace->rows.size(), 3u);
  EXPECT_EQ(trace->rows[0]->query, 979u);
  EXPECT_EQ(trace->rows[1]->query, 999u);
  EXPECT_EQ(trace->rows[2]->query, 1019u);
  EXPECT_EQ(trace->row(980), nullptr);
  ASSERT_NE(trace->measure(2, 3, 1019), nullptr);
  EXPECT_EQ(trace->measure(0, 0, 1019)->recall, 1) << "a dense layer";
  EXPECT_EQ(trace->rows[2]->whole, (std::vector<std::uint8_t>{1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(trace->measure(kLayers, 0, 1019), nullptr);
}

TEST(PageTraceBuilder, what_is_beyond_the_budget_is_not_recorded) {
  PageTraceBuilder builder({.policy = kRule, .layers = kLayers, .query_heads = kQueryHeads, .kv_heads = kKvHeads, .budget_bytes = 2000});
  EXPECT_TRUE(builder.add(Step(960, 50, 64, 20).views, 960, 50));
  std::uint32_t first = 0;  // that was left out
  for (std::uint32_t position = 1010; position < 1040; ++position)
    if (!builder.add(Step(position, 1, 1, 20).views, position, 1) && first == 0) first = position;
  ASSERT_GT(first, 1010u);
  const auto trace = builder.snapshot();
  EXPECT_TRUE(trace->choice(1, 0, first - 1));
  for (std::uint32_t query = first; query < 1040; ++query) EXPECT_FALSE(trace->choice(1, 0, query));
}

TEST(PageTraceBuilder, dense_runs_are_measured_too) {
  PageTraceBuilder builder({.layers = kLayers, .query_heads = kQueryHeads, .kv_heads = kKvHeads});
  const Step step(960, 50, 64, 20);
  PageViews views = step.views;
  views.choices = {};
  builder.add(views, 960, 50);
  EXPECT_EQ(builder.snapshot()->measure(2, 3, 979)->recall, 1);
  EXPECT_TRUE(builder.snapshot()->choice(2, 1, 979)->bits.empty());
}

}  // namespace
}  // namespace fovea
