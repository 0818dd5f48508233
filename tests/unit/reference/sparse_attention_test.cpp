// Choosing pages and attending to them, against figures worked out by hand, and what has to hold for any keys.
#include "engine/reference/sparse_attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "tests/support/seeded.hpp"

namespace fovea::reference {
namespace {

using test::Seeded;

constexpr std::size_t kWidth = 16, kHeads = 4;

struct Rows {
  Rows(std::size_t count, std::uint64_t seed) {
    Seeded random(seed);
    keys = random.normals(count * stride, 1.5);
    values = random.normals(count * stride);
    queries = random.normals(kHeads * kWidth, 2);
  }
  [[nodiscard]] KeyValueRows up_to(std::size_t count) const { return {keys, values, stride, count}; }
  [[nodiscard]] std::span<const float> query(std::size_t head) const { return std::span(queries).subspan(head * kWidth, kWidth); }
  std::size_t stride = kWidth + 3;
  std::vector<float> keys, values, queries;
};

std::vector<float> dense_weights(std::span<const float> query, const KeyValueRows& rows) {
  std::vector<float> out(query.size()), weights(rows.count);
  attention(query, rows, out, weights);
  return weights;
}

double recall(const PageChoice& choice, std::span<const float> weights, std::size_t page) {
  double sum = 0;
  for (const std::size_t p : choice.pages)
    for (std::size_t j = p * page; j < std::min((p + 1) * page, weights.size()); ++j) sum += static_cast<double>(weights[j]);
  return sum;
}

constexpr SparseRule kSmall{.window = 20, .page = 8, .sinks = 8, .global = 0.25};

TEST(PageSummary, golden_bound) {
  const std::vector<float> keys{1, 0, 2, 3, -1, 1, 0, 5, .5f, -2, 1, -1};
  const KeyValueRows rows{keys, keys, 4, 3};
  const PageSummaries summaries = summarize_pages(rows, 4, 32);
  EXPECT_EQ(summaries.low, (std::vector<float>{-1, -2, 0, -1}));
  EXPECT_EQ(summaries.high, (std::vector<float>{1, 1, 2, 5}));
  const std::vector<float> query{1, -2, .5f, 0};
  EXPECT_DOUBLE_EQ(page_score(query, summaries, 0, PageScorer::quest), 6.0 / 2);  // scores are over sqrt(4)
  EXPECT_NEAR(page_score(query, summaries, 0, PageScorer::mean), (2.0 - 3 + 5) / 3 / 2, 1e-6);
}

// Halves (1, 3), (3, 1) and (-2, 0), (-4, 2): means (2, 2) and (-3, 1), every distance from them 1.
TEST(PageSummary, golden_estimate_by_the_means_of_halves) {
  const std::vector<float> keys{1, 3, 3, 1, -2, 0, -4, 2};
  const PageSummaries summaries = summarize_pages({keys, keys, 2, 4}, 2, 4);
  EXPECT_EQ(summaries.first_half, (std::vector<float>{2, 2}));
  EXPECT_EQ(summaries.second_half, (std::vector<float>{-3, 1}));
  EXPECT_EQ(summaries.spread, std::vector<float>{1});
  const std::vector<float> query{1, 2};
  EXPECT_NEAR(page_score(query, summaries, 0, PageScorer::automatic), std::log((std::exp(6 / std::sqrt(2.0)) + std::exp(-1 / std::sqrt(2.0))) / 2) + 5.0 / 2 / 2, 1e-12);
}

// However large scores are, it is their logarithm that is added up.
TEST(PageSummary, the_estimate_of_a_page_whose_halves_are_of_one_key_each_is_exact) {
  for (const float large : {1.f, 1000.f}) {
    const std::vector<float> keys{large, 0, large, 0, large, 0, 0, -large, 0, -large};
    const PageSummaries summaries = summarize_pages({keys, keys, 2, 5}, 2, 8);
    const std::vector<float> query{3, 2};
    const double first = 3.0 * large / std::sqrt(2.0), second = -2.0 * large / std::sqrt(2.0);
    EXPECT_NEAR(page_score(query, summaries, 0, PageScorer::automatic), first + std::log((3 + 2 * std::exp(second - first)) / 5), 1e-9);
  }
}

TEST(PageSummary, the_bound_is_never_below_a_score_of_the_page) {
  const Rows rows(75, 1);
  const KeyValueRows all = rows.up_to(75);
  const PageSummaries summaries = summarize_pages(all, kWidth, 8);
  ASSERT_EQ(summaries.pages, 10u);
  EXPECT_EQ(summaries.keys.back(), 3u);
  for (std::size_t head = 0; head < kHeads; ++head)
    for (std::size_t j = 0; j < all.count; ++j) {
      double score = 0;
      for (std::size_t i = 0; i < kWidth; ++i)
        score += static_cast<double>(rows.query(head)[i]) * static_cast<double>(rows.keys[j * rows.stride + i]);
      const double bound = page_score(rows.query(head), summaries, j / 8, PageScorer::quest);
      EXPECT_GE(bound, score / 4 - 1e-9);
    }
}

TEST(PageSummary, a_page_of_one_key_is_that_key) {
  const Rows rows(9, 2);
  const PageSummaries summaries = summarize_pages(rows.up_to(9), kWidth, 8);
  for (const PageScorer scorer : {PageScorer::quest, PageScorer::automatic, PageScorer::mean}) {
    double score = 0;
    for (std::size_t i = 0; i < kWidth; ++i)
      score += static_cast<double>(rows.query(0)[i]) * static_cast<double>(rows.keys[8 * rows.stride + i]);
    EXPECT_NEAR(page_score(rows.query(0), summaries, 1, scorer), score / 4, 1e-6);
  }
}

TEST(PageChoice, keeps_sinks_and_window_and_a_quarter_of_the_rest) {
  const Rows rows(203, 3);
  for (const std::size_t count : {203u, 200u, 193u, 80u, 61u}) {
    const PageChoice choice = choose_pages(rows.queries, kWidth, rows.up_to(count), kSmall);
    const std::size_t window_first = (count - 20) / 8;
    EXPECT_EQ(choice.remote, window_first - 1);
    EXPECT_EQ(choice.chosen, (choice.remote + 3) / 4);
    EXPECT_TRUE(std::ranges::is_sorted(choice.pages));
    EXPECT_EQ(std::set(choice.pages.begin(), choice.pages.end()).size(), choice.pages.size());
    EXPECT_EQ(choice.pages.front(), 0u);
    for (std::size_t p = window_first; p <= (count - 1) / 8; ++p) EXPECT_TRUE(std::ranges::binary_search(choice.pages, p));
    EXPECT_EQ(choice.pages.size(), 1 + choice.chosen + (count - 1) / 8 + 1 - window_first);
    EXPECT_NEAR(std::accumulate(choice.mass.begin(), choice.mass.end(), 0.0), 1, 1e-12);
  }
}

TEST(PageChoice, reads_everything_where_that_is_asked_or_little_is_remote) {
  const Rows rows(203, 4);
  SparseRule all = kSmall;
  all.global = 1;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(203), all).pages.size(), 26u);
  for (const std::size_t count : {1u, 8u, 20u, 21u, 44u}) {
    const PageChoice choice = choose_pages(rows.queries, kWidth, rows.up_to(count), kSmall);
    EXPECT_EQ(choice.pages.size(), (count + 7) / 8) << count;
  }
  SparseRule none = kSmall;
  none.global = 0;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(203), none).chosen, 0u);
  SparseRule wide = kSmall;
  wide.window = 1000;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(203), wide).pages.size(), 26u);
}

TEST(PageChoice, later_keys_change_nothing) {
  Rows rows(203, 5);
  const PageChoice before = choose_pages(rows.queries, kWidth, rows.up_to(163), kSmall);
  for (std::size_t i = 163 * rows.stride; i < rows.keys.size(); ++i) rows.keys[i] = 1e4f;
  const PageChoice after = choose_pages(rows.queries, kWidth, rows.up_to(163), kSmall);
  EXPECT_EQ(after.pages, before.pages);
  EXPECT_EQ(after.mass, before.mass);
}

// However little the other heads of the group care for them.
TEST(PageChoice, each_heads_two_best_pages_are_in) {
  const Rows rows(803, 6);
  const PageSummaries summaries = summarize_pages(rows.up_to(803), kWidth, 8);
  std::size_t beyond_mass = 0;  // pages that the mean mass alone would not have chosen
  for (const PageScorer scorer : {PageScorer::quest, PageScorer::automatic, PageScorer::mean}) {
    SparseRule rule = kSmall;
    rule.global = 0.082;  // eight pages: two for each head
    rule.scorer = scorer;
    const PageChoice choice = choose_pages(rows.queries, kWidth, rows.up_to(803), rule);
    ASSERT_EQ(choice.chosen, 8u);
    std::vector<double> masses(choice.mass.begin() + 1, choice.mass.begin() + 97);
    std::ranges::sort(masses, std::greater());
    for (std::size_t head = 0; head < kHeads; ++head) {
      std::vector<std::pair<double, std::size_t>> scores;
      for (std::size_t p = 1; p < 97; ++p) scores.emplace_back(page_score(rows.query(head), summaries, p, scorer), p);
      std::ranges::sort(scores, std::greater());
      for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(std::ranges::binary_search(choice.pages, scores[i].second)) << "head " << head;
        beyond_mass += choice.mass[scores[i].second] < masses[7] ? 1 : 0;
      }
    }
  }
  EXPECT_GT(beyond_mass, 0u) << "a rule that changes nothing proves nothing";
}

TEST(PageChoice, more_pages_never_recall_less) {
  const Rows rows(400, 7);
  for (const PageScorer scorer : {PageScorer::quest, PageScorer::automatic, PageScorer::mean})
    for (std::size_t head = 0; head < kHeads; ++head) {
      const std::vector<float> weights = dense_weights(rows.query(head), rows.up_to(400));
      double last = 0;
      for (const double global : {0.0, 0.1, 0.25, 0.5, 0.9, 1.0}) {
        SparseRule rule = kSmall;
        rule.scorer = scorer;
        rule.global = global;
        const double now = recall(choose_pages(rows.queries, kWidth, rows.up_to(400), rule), weights, rule.page);
        EXPECT_GE(now, last - 1e-6);
        last = now;
      }
      EXPECT_NEAR(last, 1, 1e-5);
    }
}

TEST(PageChoice, of_a_tile_is_made_by_a_few_of_its_rows) {
  const auto sampled = [](std::size_t rows) {
    std::vector<std::size_t> all;
    for (std::size_t s = 0; s < 4; ++s) all.push_back(sampled_row(s, 4, rows));
    return all;
  };
  EXPECT_EQ(sampled(64), (std::vector<std::size_t>{15, 31, 47, 63}));
  EXPECT_EQ(sampled(5), (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_EQ(sampled(1), (std::vector<std::size_t>{0, 0, 0, 0}));

  const Rows rows(403, 11), other(403, 12);
  const SampledRow early{rows.queries, 390}, late{other.queries, 400};
  const std::vector<SampledRow> both{early, late};
  const PageChoice of_early = choose_pages({&early, 1}, kWidth, rows.up_to(400), 387, kSmall);
  const PageChoice of_late = choose_pages({&late, 1}, kWidth, rows.up_to(400), 387, kSmall);
  const PageChoice of_both = choose_pages(both, kWidth, rows.up_to(400), 387, kSmall);
  EXPECT_EQ(of_both.remote, (387u - 20) / 8 - 1) << "behind the window of the tile's first row";
  for (std::size_t p = (387 - 20) / 8; p < 50; ++p) EXPECT_TRUE(std::ranges::binary_search(of_both.pages, p));
  for (std::size_t p = 0; p < 50; ++p) EXPECT_NEAR(of_both.mass[p], (of_early.mass[p] + of_late.mass[p]) / 2, 1e-12);
  EXPECT_EQ(of_early.mass[48], 0) << "its own page and those behind it";
  EXPECT_NE(of_late.mass[48], 0);
  EXPECT_NE(of_early.pages, of_late.pages);
}

TEST(PageChoice, reads_everything_below_a_length) {
  const Rows rows(203, 13);
  SparseRule rule = kSmall;
  rule.dense_below = 203;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(203), rule).pages.size(), 1 + 6 + 203 / 8 + 1 - 22u);
  rule.dense_below = 204;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(203), rule).pages.size(), 26u);
}

TEST(PageChoice, an_adaptive_budget_takes_the_fewest_pages_that_reach_the_mass) {
  const Rows rows(400, 8);
  SparseRule rule = kSmall;
  rule.budget = PageBudget::adaptive;
  rule.least = 0;
  rule.most = 1;
  std::size_t last = 0;
  for (const double mass : {0.3, 0.6, 0.9, 0.99}) {
    rule.mass = mass;
    const PageChoice choice = choose_pages(rows.queries, kWidth, rows.up_to(400), rule);
    double kept = 0;
    for (const std::size_t p : choice.pages) kept += choice.mass[p];
    EXPECT_GE(kept, mass);
    EXPECT_GE(choice.chosen, last);
    last = choice.chosen;
  }
  EXPECT_GT(last, 8u);
  rule.most = 0.2;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(400), rule).chosen, 10u);  // of 46
  rule.mass = 0;
  rule.least = 0.1;
  EXPECT_EQ(choose_pages(rows.queries, kWidth, rows.up_to(400), rule).chosen, 5u);
}

TEST(SparseAttention, over_all_pages_is_dense_attention_to_the_bit) {
  const Rows rows(75, 9);
  std::vector<std::size_t> all(10);
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::vector<float> dense(kWidth), dense_row(75), sparse(kWidth), sparse_row(75);
  attention(rows.query(1), rows.up_to(75), dense, dense_row);
  attention_over_pages(rows.query(1), rows.up_to(75), all, 8, sparse, sparse_row);
  EXPECT_EQ(sparse, dense);
  EXPECT_EQ(sparse_row, dense_row);
}

// Scores 2, 1, 0, -1, of which the first two are kept.
TEST(SparseAttention, golden_softmax) {
  const std::vector<float> keys{2, 1, 0, -1}, values{1, 2, 3, 4}, query{1};
  const KeyValueRows rows{keys, values, 1, 4};
  std::vector<float> out(1), weights(4);
  const std::vector<std::size_t> first{0}, both{0, 1};
  const RowFacts kept = attention_over_pages(query, rows, first, 2, out, weights);
  const RowFacts whole = attention_over_pages(query, rows, both, 2, out);
  const double recalled = std::exp(kept.log_sum_exp - whole.log_sum_exp);
  EXPECT_NEAR(recalled, 0.880797, 1e-6);
  EXPECT_NEAR(-std::log(recalled), 0.126928, 1e-6);
  EXPECT_NEAR(whole.entropy, 0.947537, 1e-6);
  EXPECT_EQ(weights[2], 0);
  EXPECT_NEAR(weights[0] + weights[1], 1, 1e-6);
}

// Where all keys score alike, page means tell all there is: what was left out comes back exactly.
TEST(SparseAttention, a_periphery_gives_even_attention_back) {
  Rows rows(400, 11);
  rows.queries.assign(rows.queries.size(), 0);
  const KeyValueRows seen = rows.up_to(397);  // the last page is not full
  const PageSummaries summaries = summarize_pages(seen, kWidth, 8);
  const std::vector<std::size_t> read{0, 7, 20, 48, 49};
  std::vector<float> dense(kWidth), out(kWidth);
  attention(rows.query(0), seen, dense);
  for (const PageScorer scorer : {PageScorer::automatic, PageScorer::mean}) {
    const RowFacts facts = attention_over_pages(rows.query(0), seen, read, 8, out);
    add_periphery(rows.query(0), summaries, seen.count, read, facts, scorer, out);
    for (std::size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(out[i], dense[i], 1e-6);
  }
}

TEST(SparseAttention, a_periphery_changes_nothing_where_attention_is_peaked_or_all_is_read) {
  Rows rows(400, 12);
  const PageSummaries summaries = summarize_pages(rows.up_to(400), kWidth, 8);
  std::vector<std::size_t> some{0, 3, 48, 49}, all(50);
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::vector<float> before(kWidth);
  for (const auto& [size, read] : {std::pair{50.0f, some}, {0.1f, all}}) {
    for (float& x : rows.queries) x *= size;
    const RowFacts facts = attention_over_pages(rows.query(0), rows.up_to(400), read, 8, before);
    std::vector<float> out = before;
    add_periphery(rows.query(0), summaries, 400, read, facts, PageScorer::automatic, out);
    EXPECT_EQ(out, before);
  }
}

// No page that was not read weighs more than as many keys of the largest score read: with three such pages of 8 keys and one key
// read, 24 of 25 parts.
TEST(SparseAttention, a_periphery_is_held_below_the_best_key_that_was_read) {
  std::vector<float> keys(33, 0.02f), values(33, 1);
  keys[32] = 0;  // the query's own page, the only one read
  values[32] = 0;
  const KeyValueRows rows{keys, values, 1, 33};
  const std::vector<float> query{1};
  const std::vector<std::size_t> read{3, 4};
  std::vector<float> out(1);
  RowFacts facts = attention_over_pages(query, rows, std::vector<std::size_t>{4}, 8, out);
  EXPECT_EQ(facts.largest, 0);
  add_periphery(query, summarize_pages(rows, 1, 8), 33, read, facts, PageScorer::mean, out);
  EXPECT_NEAR(out[0], 24.0 / 25, 1e-6);
}

// KL(sparse | dense) = -ln R, and o - o~ = (1 - R) (mean of what was left out - o~).
TEST(SparseAttention, what_is_lost_follows_from_the_mass_that_is_kept) {
  const Rows rows(400, 10);
  const PageChoice choice = choose_pages(rows.queries, kWidth, rows.up_to(400), kSmall);
  for (std::size_t head = 0; head < kHeads; ++head) {
    const std::vector<float> dense_row = dense_weights(rows.query(head), rows.up_to(400));
    std::vector<float> dense(kWidth), sparse(kWidth), row(400);
    attention(rows.query(head), rows.up_to(400), dense);
    attention_over_pages(rows.query(head), rows.up_to(400), choice.pages, 8, sparse, row);
    const double kept = recall(choice, dense_row, 8);
    ASSERT_LT(kept, 0.999);
    double divergence = 0;
    for (std::size_t j = 0; j < row.size(); ++j)
      if (row[j] > 0) divergence += static_cast<double>(row[j]) * std::log(static_cast<double>(row[j]) / static_cast<double>(dense_row[j]));
    EXPECT_NEAR(divergence, -std::log(kept), 1e-4);
    for (std::size_t i = 0; i < kWidth; ++i) {
      double left_out = 0;
      for (std::size_t j = 0; j < row.size(); ++j)
        if (row[j] == 0) left_out += static_cast<double>(dense_row[j]) * static_cast<double>(rows.values[j * rows.stride + i]);
      const double expected = left_out - (1 - kept) * static_cast<double>(sparse[i]);
      EXPECT_NEAR(static_cast<double>(dense[i]) - static_cast<double>(sparse[i]), expected, 1e-4);
    }
  }
}

TEST(ImportantKeys, are_the_largest_weights_and_of_equals_the_later) {
  const std::vector<float> weights{0.5f, 0.05f, 0.2f, 0.05f, 0.2f, 0};
  EXPECT_EQ(most_important_keys(weights, 0.3), (std::vector<std::size_t>{0, 4}));
  EXPECT_EQ(most_important_keys(weights, 0.5), (std::vector<std::size_t>{0, 2, 4}));
  EXPECT_EQ(most_important_keys(weights, 0.6), (std::vector<std::size_t>{0, 2, 3, 4}));
  EXPECT_EQ(most_important_keys(weights, 0), (std::vector<std::size_t>{0}));
  EXPECT_EQ(most_important_keys(weights, 1).size(), 6u);
  EXPECT_TRUE(most_important_keys({}, 0.3).empty());
}

}  // namespace
}  // namespace fovea::reference
