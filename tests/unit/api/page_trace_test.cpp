// What follows from the pages that a choice read and from how dense attention spreads over pages.
#include "engine/api/page_trace.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace fovea {
namespace {

const SparseAttention kRule{.window = 64, .global = 0.5, .sinks = 32, .dense_layers = 1, .dense_below = 0};

// Even weights: a page of `keys` with mass m has p = m / keys everywhere.
PageShare even(float mass, float keys) { return {mass, mass * std::log(mass / keys)}; }

TEST(RemotePages, lie_between_sinks_and_window) {
  EXPECT_EQ(remote_pages(kRule, 63).end, 0u);
  EXPECT_EQ(remote_pages(kRule, 63).first, 0u);
  EXPECT_EQ(remote_pages(kRule, 200).first, 1u);
  EXPECT_EQ(remote_pages(kRule, 200).end, (201u - 64) / 32);
  EXPECT_EQ(remote_pages({.window = 5000}, 4000).end, 0u);
}

TEST(ChosenPages, tell_what_a_page_is) {
  const std::vector<std::uint32_t> bits{0b1110'0101};
  const ChosenPages choice{.first_query = 240, .queries = 16, .first_remote = 1, .end_remote = 5, .mass = 0.9f, .bits = bits};
  EXPECT_EQ(choice.part(0), PagePart::sinks);
  EXPECT_EQ(choice.part(1), PagePart::left_out);
  EXPECT_EQ(choice.part(2), PagePart::chosen);
  EXPECT_EQ(choice.part(5), PagePart::window);
  EXPECT_EQ(choice.pages_read(255), 5u);
  EXPECT_EQ(choice.pages_read(200), 4u);
  EXPECT_FALSE(choice.reads(3));
  EXPECT_FALSE(choice.reads(32)) << "behind what was recorded";
  EXPECT_TRUE(ChosenPages{}.reads(77)) << "without marks everything is read";
  EXPECT_EQ(ChosenPages{}.pages_read(95), 3u);
}

TEST(MeasuredRow, has_recall_oracle_and_entropies) {
  // 5 pages of 32 keys, remote ones 1 to 3; page 2 is read, page 3 would have been better.
  const std::vector<std::uint32_t> bits{0b10101};
  const ChosenPages choice{.first_remote = 1, .end_remote = 4, .bits = bits};
  const std::vector<PageShare> shares{even(0.1f, 32), even(0.0625f, 32), even(0.1f, 32), even(0.5f, 32), even(0.2375f, 32), {},
                                      even(0.2f, 32), even(0.2f, 32),    even(0.2f, 32), even(0.2f, 32), even(0.2f, 32),    {}};
  std::vector<RowMeasure> rows(2);
  measure_row(shares, 6, 159, choice, rows);
  EXPECT_NEAR(rows[0].recall, 0.4375f, 1e-6f);
  EXPECT_NEAR(rows[0].oracle, 0.8375f, 1e-6f);
  EXPECT_NEAR(rows[1].recall, 0.6f, 1e-6f);
  EXPECT_NEAR(rows[1].oracle, 0.6f, 1e-6f);
  EXPECT_NEAR(rows[1].entropy, 1, 1e-6) << "even attention";
  EXPECT_NEAR(rows[1].kept_entropy, 1, 1e-6);
  EXPECT_LT(rows[0].entropy, 0.99f);

  measure_row(shares, 6, 159, ChosenPages{}, rows);
  EXPECT_EQ(rows[0].recall, 1);
  EXPECT_EQ(rows[0].oracle, 1);
  const std::vector<PageShare> first{even(1, 1)};
  std::vector<RowMeasure> only(1);
  measure_row(first, 1, 0, ChosenPages{}, only);
  EXPECT_EQ(only[0].recall, 1);
  EXPECT_EQ(only[0].entropy, 0) << "of one key";
}

TEST(MeasuredRow, takes_of_equal_masses_the_later_page) {
  const std::vector<std::uint32_t> bits{0b1010};
  const std::vector<PageShare> shares{even(0.25f, 32), even(0.25f, 32), even(0.25f, 32), even(0.25f, 32)};
  std::vector<RowMeasure> rows(1);
  measure_row(shares, 4, 127, {.first_remote = 0, .end_remote = 3, .bits = bits}, rows);
  EXPECT_EQ(rows[0].oracle, 0.5f);
}

PageTrace trace_of_two_chunks() {
  PageTrace trace{.policy = kRule, .layers = 2, .query_heads = 4, .kv_heads = 2, .every = 2};
  // A prompt of 20 tokens in tiles of 16, then a decoded token; marks say layer, head and tile in their lower bits.
  PageChoiceChunk prompt{.first_query = 100, .queries = 20, .tile_rows = 16, .words = 2}, token{.first_query = 130, .queries = 1, .tile_rows = 1, .decoded = true, .words = 2};
  for (const std::uint32_t mark : {0x01u, 0x11u, 0x02u, 0x12u}) prompt.choices.insert(prompt.choices.end(), {std::bit_cast<std::uint32_t>(0.5f), mark});
  for (const std::uint32_t mark : {0x03u, 0x13u}) token.choices.insert(token.choices.end(), {std::bit_cast<std::uint32_t>(0.75f), mark});
  trace.choices = {std::make_shared<const PageChoiceChunk>(prompt), std::make_shared<const PageChoiceChunk>(token)};
  return trace;
}

TEST(PageTrace, finds_choices_by_query_and_says_what_it_lacks) {
  const PageTrace trace = trace_of_two_chunks();
  EXPECT_FALSE(trace.choice(1, 0, 99));
  EXPECT_FALSE(trace.choice(1, 0, 120));
  EXPECT_FALSE(trace.choice(1, 0, 131));
  EXPECT_FALSE(trace.choice(2, 0, 100));
  EXPECT_FALSE(trace.choice(1, 2, 100));
  ASSERT_TRUE(trace.choice(1, 0, 100));
  EXPECT_EQ(trace.choice(1, 0, 100)->bits[0], 0x01u);
  EXPECT_EQ(trace.choice(1, 1, 115)->bits[0], 0x11u);
  const ChosenPages last = *trace.choice(1, 1, 119);
  EXPECT_EQ(last.bits[0], 0x12u);
  EXPECT_EQ(last.first_query, 116u);
  EXPECT_EQ(last.queries, 4u);
  EXPECT_EQ(last.mass, 0.5f);
  EXPECT_EQ(trace.choice(1, 1, 130)->mass, 0.75f);
  EXPECT_TRUE(trace.choice(0, 1, 130)->bits.empty()) << "a dense layer reads everything";
}

// Where layers' tiles differ, a chunk has the narrowest, and a wider one's queries are those that share its choice.
TEST(PageTrace, tiles_of_a_prompt_are_as_wide_as_their_layers) {
  SparseAttention rule = kRule;
  rule.dense_layers = 0;
  rule.layer_rows = {8};
  PageTrace trace{.policy = rule, .layers = 2, .query_heads = 1, .kv_heads = 1, .every = 2};
  PageChoiceChunk prompt{.first_query = 200, .queries = 20, .tile_rows = 8, .words = 2}, token{.first_query = 220, .queries = 1, .tile_rows = 1, .decoded = true, .words = 2};
  for (const std::uint32_t mark : {0x01u, 0x11u, 0x02u, 0x11u, 0x03u, 0x12u}) prompt.choices.insert(prompt.choices.end(), {std::bit_cast<std::uint32_t>(0.5f), mark});
  for (const std::uint32_t mark : {0x04u, 0x14u}) token.choices.insert(token.choices.end(), {std::bit_cast<std::uint32_t>(0.75f), mark});
  trace.choices = {std::make_shared<const PageChoiceChunk>(prompt), std::make_shared<const PageChoiceChunk>(token)};
  const ChosenPages narrow = *trace.choice(0, 0, 209), wide = *trace.choice(1, 0, 209), last = *trace.choice(1, 0, 219), one = *trace.choice(1, 0, 220);
  EXPECT_EQ(narrow.bits[0], 0x02u);
  EXPECT_EQ(narrow.first_query, 208u);
  EXPECT_EQ(narrow.queries, 8u);
  EXPECT_EQ(wide.bits[0], 0x11u);
  EXPECT_EQ(wide.first_query, 200u);
  EXPECT_EQ(wide.queries, 16u);
  EXPECT_EQ(wide.end_remote, remote_pages(rule, 200).end);
  EXPECT_EQ(last.bits[0], 0x12u);
  EXPECT_EQ(last.first_query, 216u);
  EXPECT_EQ(last.queries, 4u);
  EXPECT_EQ(one.bits[0], 0x14u);
  EXPECT_EQ(one.queries, 1u);
}

TEST(RecallFigures, are_of_rows_that_left_something_out) {
  const auto row = [](float recall, float entropy, bool whole) {
    MeasuredRow made{.heads = {{.recall = 1, .entropy = 0.5f}, {.recall = 1, .entropy = 0.5f}, {.recall = recall, .oracle = 0.99f, .entropy = entropy},
                               {.recall = recall, .oracle = 0.99f, .entropy = entropy}},
                     .whole = {1, static_cast<std::uint8_t>(whole ? 1 : 0)}};
    return std::make_shared<const MeasuredRow>(made);
  };
  std::vector<std::shared_ptr<const MeasuredRow>> rows{row(1, 0.1f, true)};
  for (int i = 0; i < 20; ++i) rows.push_back(row(i == 7 ? 0.5f : 0.9f, i == 7 ? 0.9f : 0.3f, false));
  const RecallFigures all = recall_figures(rows, 2, 0, 2), dense = recall_figures(rows, 2, 0, 1), head = recall_figures(rows, 2, 1, 2, 1);
  EXPECT_EQ(all.measured, 21u * 4);
  EXPECT_EQ(all.sparse, 20u * 2);
  EXPECT_EQ(all.flat, 2u);
  EXPECT_NEAR(all.flat_recall, 0.5, 1e-6);
  EXPECT_NEAR(all.recall.mean, (19 * 0.9 + 0.5) / 20, 1e-6);
  EXPECT_NEAR(all.recall.p5, 0.5, 1e-6);
  EXPECT_NEAR(all.oracle.p5, 0.99, 1e-6);
  EXPECT_EQ(dense.sparse, 0u);
  EXPECT_NEAR(dense.entropy, 0.5, 1e-6);
  EXPECT_EQ(head.sparse, 20u);
  EXPECT_EQ(recall_figures({}, 2, 0, 2).measured, 0u);
}

}  // namespace
}  // namespace fovea
