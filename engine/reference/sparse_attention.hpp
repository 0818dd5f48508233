// Sparse attention by pages: which pages of keys a token's queries read, and attention over those alone. A page is a
// stretch of consecutive positions; the last may be short. Kept are the first pages (sinks), those of the local window,
// and of the others, the remote ones, as many as the budget allows, those of the largest estimated attention mass.
// One choice serves all query heads that share a KV head, and in a prompt a tile of consecutive queries, by a few of them.
// The page of a query's own position is read and not estimated: on the device its newest key is written while pages are
// chosen, and all others are full.
//
// The upper bound is that of Quest (Tang et al., 2024, arXiv 2406.10774); that choices are shared within a group and
// each head's best pages forced in follows NSA (Yuan et al., 2025, arXiv 2502.11089).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/reference/attention.hpp"

namespace fovea::reference {

enum class PageScorer {
  quest,      // the largest score that the page's bounds allow
  automatic,  // of the mean keys of the page's halves and how far keys spread around them: log of the mean of exp
  mean,       // of the mean key
};

enum class PageBudget {
  strict,    // `global` of the remote pages, rounded up
  adaptive,  // the fewest pages whose estimated mass, with all that is kept anyway, reaches `mass`
};

struct SparseRule {
  std::size_t window = 512;  // positions up to the query's own; widened to a page border, so that no page is half remote
  std::size_t page = 32;     // positions
  std::size_t sinks = 32;    // first positions, widened likewise
  double global = 0.25;      // share of the remote pages, 0 to 1
  PageScorer scorer = PageScorer::automatic;
  PageBudget budget = PageBudget::strict;
  std::size_t dense_below = 0;        // keys of the (first) query below which all pages are read
  double mass = 0.95;                 // adaptive only
  double least = 0.08, most = 0.40;   // adaptive only: share of the remote pages that are read at any rate, and at most
  double weight = 1;                  // of this head's budget, at most 4: a share s becomes s (1 + (weight - 1) min(1, (1/s - 1) / 3))
  double flat = 1, wide = 0;          // a choice with a larger estimated entropy over ln(keys) may read the share `wide`
  std::vector<std::size_t> kept = {}; // pages that are always read, too
};

// Smallest, largest and mean key and mean value of every page, and the mean keys of its first and second half (the first has the odd key more),
// by channel: (pages, head_width). The second half of a page of one key is nothing.
struct PageSummaries {
  std::size_t head_width = 0, pages = 0;
  std::vector<float> low, high, mean, first_half, second_half, mean_value;
  std::vector<float> spread;      // of each page: the mean over keys and channels of the squared distance from the own half's mean
  std::vector<std::size_t> keys;  // of each page
};
[[nodiscard]] PageSummaries summarize_pages(const KeyValueRows& rows, std::size_t head_width, std::size_t page);

// As the device keeps them: the smallest keys rounded down, the largest up, means to the nearest half.
void round_to_halves(PageSummaries& summaries);

// What page `page` is thought to score for a query, in units of q.k / sqrt(head_width): the largest score for `quest`,
// the logarithm of the mean of exp(score) for the others. `automatic` takes the mean of both halves' exponentials, each half's
// scores being normal about that of its mean key with the variance that keys have that spread alike in all channels:
//   log(sum over halves of n_h / n exp(q.m_h / sqrt(d))) + |q|^2 / d * spread / 2.
[[nodiscard]] double page_score(std::span<const float> query, const PageSummaries& summaries, std::size_t page, PageScorer scorer);

// What a query sees of the pages that it does not read, brought into its attention over those that it reads (`read`, ascending; `out`
// and `facts` are what attention_over_pages gave): as if page b of n keys had n keys of the score s_b that it is thought to have, at
// most the largest score read, and of its mean value v_b. With the read scores' sum of exponentials l relative to the largest, m,
//   out = (l out + r sum_b w_b v_b) / (l + r sum_b w_b), w_b = n exp(min(s_b - m, 0)),
// where r grows from 0 to 1 as the estimated entropy of the row goes from 0.35 to 0.6 of ln(keys): that of the shares P_b of all pages,
// in proportion to n exp(s_b), and within them, sum_b P_b (ln n - ln P_b - u_b), where u_b is what uneven shares of the page's keys
// cost: of `automatic`, with scores normal about those of the halves' means with variance v, v / 2 + ln 2 - H(halves), at most ln n. A choice of few pages holds what peaked attention wants, and estimates of the rest would only blur it. The page of the
// query's own position and those behind it are not estimated. Scorers automatic and mean. The three zones follow RetroInfer (Chen et al.,
// 2025, arXiv 2505.02922). `summaries`: of the full pages, or more.
void add_periphery(std::span<const float> query, const PageSummaries& summaries, std::size_t keys, std::span<const std::size_t> read,
                   const RowFacts& facts, PageScorer scorer, std::span<float> out);

struct PageChoice {
  std::vector<std::size_t> pages;  // read, ascending
  std::size_t remote = 0, chosen = 0;  // pages that were to be chosen from, and that were
  std::vector<double> mass;        // estimated share of the attention of every page, mean over heads (and rows)
  double entropy = 0;              // of it, keys of a page alike, over ln(keys)
  [[nodiscard]] double kept() const;  // mass of the pages read
};

// One of the queries that a choice is made by: (heads of the group, head_width), and how many keys it sees.
struct SampledRow {
  std::span<const float> queries;
  std::size_t count = 0;
};
// A choice for queries that see `first_count` to rows.count keys. Remote is what all of them have behind their windows.
// Where that is no longer than two pages, or the first sees fewer than `dense_below` keys, all pages are read. A share is
// taken in millionths (a weight is, too) and rounded up to whole pages. Pages that are kept come first, like the best. Of a single row each head's two best remote pages come first, of
// several rows each head's best in each row.
[[nodiscard]] PageChoice choose_pages(std::span<const SampledRow> sampled, std::size_t head_width, const KeyValueRows& rows,
                                      std::size_t first_count, const SparseRule& rule);
// For the token at position rows.count - 1 alone.
[[nodiscard]] PageChoice choose_pages(std::span<const float> queries, std::size_t head_width, const KeyValueRows& rows,
                                      const SparseRule& rule);
// Which of a tile's `rows` queries the choice is made by: `samples` of them, evenly spread, the last one among them.
[[nodiscard]] std::size_t sampled_row(std::size_t sample, std::size_t samples, std::size_t rows);

// How a row of attention weights spreads over pages: the sum of the weights p of each, and that of p ln p.
struct PageShare {
  double mass = 0, log_mass = 0;
};
[[nodiscard]] std::vector<PageShare> page_shares(std::span<const float> weights, std::size_t page);

// The keys of a row that the share `keep` (in millionths, rounded up, one at least) leaves, by the importance p (1 - ln p) of their
// attention weights p; ascending. The importance grows with p, so within a row these are the largest weights; of equal
// ones the later key.
[[nodiscard]] std::vector<std::size_t> most_important_keys(std::span<const float> weights, double keep);

}  // namespace fovea::reference
