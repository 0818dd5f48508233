#include "engine/reference/sparse_attention.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea::reference {
namespace {

// Expected range of n draws of a normal distribution, in standard deviations: turns a page's range into a deviation.
double normal_range(std::size_t n) {
  // Tippett 1925: 2, 4, 8, 16, 32, 64 draws; between them by the logarithm of n.
  constexpr double kRange[] = {1.128, 2.059, 2.847, 3.532, 4.086, 4.639};
  if (n < 2) return 1;
  const double at = std::log2(static_cast<double>(n)) - 1;
  const auto below = static_cast<std::size_t>(std::min(at, 4.0));
  return kRange[below] + (at - static_cast<double>(below)) * (kRange[below + 1] - kRange[below]);
}

double log_sum_exp(std::span<const double> values) {
  const double highest = *std::ranges::max_element(values);
  double sum = 0;
  for (const double value : values) sum += std::exp(value - highest);
  return highest + std::log(sum);
}

// Pages by falling mass, of equal ones the later first.
std::vector<std::size_t> by_mass(std::span<const double> mass, std::size_t first, std::size_t end) {
  std::vector<std::size_t> order(end - first);
  std::iota(order.begin(), order.end(), first);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return mass[a] != mass[b] ? mass[a] > mass[b] : a > b; });
  return order;
}

}  // namespace

PageSummaries summarize_pages(const KeyValueRows& rows, std::size_t head_width, std::size_t page) {
  PageSummaries summaries{.head_width = head_width, .pages = (rows.count + page - 1) / page, .low = {}, .high = {}, .mean = {}, .keys = {}};
  for (std::size_t p = 0; p < summaries.pages; ++p) {
    const std::size_t first = p * page, end = std::min(first + page, rows.count);
    summaries.keys.push_back(end - first);
    for (std::size_t i = 0; i < head_width; ++i) {
      float low = rows.keys[first * rows.stride + i], high = low;
      double sum = 0;
      for (std::size_t j = first; j < end; ++j) {
        const float key = rows.keys[j * rows.stride + i];
        low = std::min(low, key);
        high = std::max(high, key);
        sum += static_cast<double>(key);
      }
      summaries.low.push_back(low);
      summaries.high.push_back(high);
      summaries.mean.push_back(static_cast<float>(sum / static_cast<double>(end - first)));
    }
  }
  return summaries;
}

double page_score(std::span<const float> query, const PageSummaries& summaries, std::size_t page, PageScorer scorer) {
  const std::size_t width = summaries.head_width;
  const double scale = 1.0 / std::sqrt(static_cast<double>(width)), range = normal_range(summaries.keys[page]);
  double bound = 0, middle = 0, variance = 0, mean = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const double q = static_cast<double>(query[i]) * scale, low = static_cast<double>(summaries.low[page * width + i]),
                 high = static_cast<double>(summaries.high[page * width + i]);
    bound += std::max(q * low, q * high);
    middle += q * (low + high) / 2;
    variance += q * q * (high - low) * (high - low) / (range * range);
    mean += q * static_cast<double>(summaries.mean[page * width + i]);
  }
  switch (scorer) {
    case PageScorer::quest: return bound;
    case PageScorer::automatic: return std::min(bound, middle + variance / 2);
    case PageScorer::mean: return mean;
  }
  return bound;
}

PageChoice choose_pages(std::span<const float> queries, std::size_t head_width, const KeyValueRows& rows, const SparseRule& rule) {
  const PageSummaries summaries = summarize_pages(rows, head_width, rule.page);
  const std::size_t heads = queries.size() / head_width, pages = summaries.pages;
  PageChoice choice;
  choice.mass.assign(pages, 0);
  std::vector<std::size_t> best;  // each head's own two best remote pages
  const std::size_t window_first = rows.count > rule.window ? (rows.count - rule.window) / rule.page : 0;
  const std::size_t first = std::min((rule.sinks + rule.page - 1) / rule.page, window_first);
  choice.remote = window_first - first;
  for (std::size_t head = 0; head < heads; ++head) {
    const std::span<const float> query = queries.subspan(head * head_width, head_width);
    std::vector<double> scores(pages);
    for (std::size_t p = 0; p < pages; ++p)
      scores[p] = page_score(query, summaries, p, rule.scorer) + std::log(static_cast<double>(summaries.keys[p]));
    const double total = log_sum_exp(scores);
    for (std::size_t p = 0; p < pages; ++p) choice.mass[p] += std::exp(scores[p] - total) / static_cast<double>(heads);
    const std::vector<std::size_t> order = by_mass(scores, first, window_first);
    best.insert(best.end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, order.size())));
  }

  // Each head's best come first, then the group's.
  std::vector<double> rank = choice.mass;
  for (const std::size_t p : best) rank[p] += 2;  // above every mass
  const std::vector<std::size_t> order = by_mass(rank, first, window_first);
  const auto share = [&](double part) {
    return std::min(choice.remote, static_cast<std::size_t>(std::ceil(part * static_cast<double>(choice.remote))));
  };
  choice.chosen = share(rule.global);
  if (choice.remote <= 2) {
    choice.chosen = choice.remote;
  } else if (rule.budget == PageBudget::adaptive) {
    double kept = 1;
    for (const std::size_t p : order) kept -= choice.mass[p];
    choice.chosen = 0;
    while (choice.chosen < share(rule.most) && (choice.chosen < share(rule.least) || kept < rule.mass))
      kept += choice.mass[order[choice.chosen++]];
  }
  for (std::size_t p = 0; p < first; ++p) choice.pages.push_back(p);
  choice.pages.insert(choice.pages.end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(choice.chosen));
  for (std::size_t p = window_first; p < pages; ++p) choice.pages.push_back(p);
  std::ranges::sort(choice.pages);
  return choice;
}

std::vector<std::size_t> most_important_keys(std::span<const float> weights, double keep) {
  const auto importance = [](float weight) {
    const auto p = static_cast<double>(weight);
    return p > 0 ? p * (1 - std::log(p)) : 0;
  };
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    const double of_a = importance(weights[a]), of_b = importance(weights[b]);
    return of_a != of_b ? of_a > of_b : a > b;
  });
  const auto kept = static_cast<std::size_t>(std::ceil(keep * static_cast<double>(weights.size())));
  order.resize(std::clamp<std::size_t>(kept, std::min<std::size_t>(1, weights.size()), weights.size()));
  std::ranges::sort(order);
  return order;
}

}  // namespace fovea::reference
