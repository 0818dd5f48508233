// Whether pages that a device read are a choice that the reference's rule allows, where scores are off by rounding: the judge of choices
// that are made in other arithmetic. Which pages change places is decided by scores that are nearly equal, and by nothing else.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "engine/reference/sparse_attention.hpp"

namespace fovea::test {

// Scores of a choice made anew: of every asking query the remote pages' scores, and by how much the largest may be off where each
// factor of q.k is off by `relative` of itself: products of absolute values, no mean key being beyond the smallest and the largest,
// and half the estimated variance, which has squares of both.
struct RemoteScores {
  std::size_t first = 0, end = 0;             // remote pages
  std::vector<std::vector<double>> of_query;  // by page - first
  double error = 0;
};
inline RemoteScores remote_scores(std::span<const reference::SampledRow> sampled, std::size_t head_width, reference::KeyValueRows rows,
                                  std::size_t first_count, const reference::SparseRule& rule, double relative) {
  RemoteScores scores;
  scores.end = first_count > rule.window ? (first_count - rule.window) / rule.page : 0;
  scores.first = std::min((rule.sinks + rule.page - 1) / rule.page, scores.end);
  rows.count = (sampled.back().count - 1) / rule.page * rule.page;
  reference::PageSummaries summaries = reference::summarize_pages(rows, head_width, rule.page);
  reference::round_to_halves(summaries);
  const double scale = 1 / std::sqrt(static_cast<double>(head_width));
  for (const reference::SampledRow& row : sampled)
    for (std::size_t at = 0; at < row.queries.size(); at += head_width) {
      const std::span<const float> query = row.queries.subspan(at, head_width);
      std::vector<double>& of_query = scores.of_query.emplace_back();
      for (std::size_t page = scores.first; page < scores.end; ++page) {
        of_query.push_back(reference::page_score(query, summaries, page, rule.scorer));
        double product = 0, squares = 0;
        for (std::size_t i = 0; i < head_width; ++i) {
          const double low = static_cast<double>(summaries.low[page * head_width + i]), high = static_cast<double>(summaries.high[page * head_width + i]);
          const double q = std::abs(static_cast<double>(query[i])) * scale;
          product += q * std::max(std::abs(low), std::abs(high));
          squares += q * q;
        }
        scores.error = std::max(scores.error, relative * (2 * product + 4 * squares * static_cast<double>(summaries.spread[page]) / 2));
      }
    }
  return scores;
}

// `read`: ascending. As many pages as the choice has, all that are never left out, and of the others none that a page left out
// surely outranks. A page's share of the attention is off by the error of its score and by that of the sum
// that it is a share of, so two pages may change places where their shares differ by a factor of exp(4 error) at most.
inline testing::AssertionResult allowed_choice(std::span<const reference::SampledRow> sampled, std::size_t head_width, const reference::KeyValueRows& rows,
                                               std::size_t first_count, const reference::SparseRule& rule, const reference::PageChoice& choice,
                                               std::span<const std::size_t> read, double relative) {
  if (std::ranges::equal(read, choice.pages)) return testing::AssertionSuccess();
  if (read.size() != choice.pages.size()) return testing::AssertionFailure() << read.size() << " pages where " << choice.pages.size() << " are to be read";
  const RemoteScores scores = remote_scores(sampled, head_width, rows, first_count, rule, relative);
  const auto reads = [&](std::size_t page) { return std::ranges::binary_search(read, page); };
  for (const std::size_t page : choice.pages)
    if ((page < scores.first || page >= scores.end) && !reads(page)) return testing::AssertionFailure() << "page " << page << " is always read, and was not";
  const std::size_t best = std::min<std::size_t>(sampled.size() == 1 ? 2 : 1, scores.end - scores.first);
  std::vector<bool> surely(scores.end - scores.first, false), perhaps = surely;
  for (const std::vector<double>& of_query : scores.of_query) {
    std::vector<double> order = of_query;
    std::ranges::sort(order, std::greater<>());
    for (std::size_t i = 0; i < of_query.size(); ++i) {
      if (of_query[i] >= order[best - 1] - 2 * scores.error) perhaps[i] = true;
      if (best == order.size() || of_query[i] > order[best] + 2 * scores.error) surely[i] = true;
    }
  }
  // A page that is surely a query's best outweighs all that are none's, and all of either kind are taken by their mass.
  const double slack = std::exp(4 * scores.error), infinity = std::numeric_limits<double>::infinity();
  double lightest_best = infinity, lightest_other = infinity;  // of the pages read: of those that may be a query's best, and of the others
  for (std::size_t i = 0; i < perhaps.size(); ++i)
    if (const std::size_t page = scores.first + i; reads(page)) {
      double& lightest = perhaps[i] ? lightest_best : lightest_other;
      lightest = std::min(lightest, choice.mass[page]);
    }
  for (std::size_t i = 0; i < surely.size(); ++i) {
    const std::size_t page = scores.first + i;
    if (reads(page)) continue;
    const double least = surely[i] ? (lightest_other < infinity ? 0 : lightest_best) : lightest_other;
    if (choice.mass[page] > least * slack)
      return testing::AssertionFailure() << "page " << page << " of mass " << choice.mass[page] << (surely[i] ? ", a query's best," : "")
                                         << " was not read, a page of mass " << std::min(lightest_best, lightest_other) << " was; scores are off by "
                                         << scores.error << " at most";
  }
  return testing::AssertionSuccess();
}

}  // namespace fovea::test
