#include "engine/reference/sparse_attention.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/tensor/half.hpp"

namespace fovea::reference {
namespace {

double log_sum_exp(std::span<const double> values) {
  const double highest = *std::ranges::max_element(values);
  double sum = 0;
  for (const double value : values) sum += std::exp(value - highest);
  return highest + std::log(sum);
}

// A share of some, in millionths and rounded up.
std::size_t share_of(std::size_t count, double part) {
  constexpr std::size_t kParts = 1'000'000;
  return std::min(count, (count * static_cast<std::size_t>(std::llround(part * kParts)) + kParts - 1) / kParts);
}

// Pages by falling mass, of equal ones the later first.
std::vector<std::size_t> by_mass(std::span<const double> mass, std::size_t first, std::size_t end) {
  std::vector<std::size_t> order(end - first);
  std::iota(order.begin(), order.end(), first);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return mass[a] != mass[b] ? mass[a] > mass[b] : a > b; });
  return order;
}

// The nearest half that is not above x.
float half_below(float x) {
  std::uint16_t bits = float_to_half(x);
  if (half_to_float(bits) > x) bits = bits == 0 ? 0x8001 : static_cast<std::uint16_t>((bits & 0x8000) != 0 ? bits + 1 : bits - 1);
  return half_to_float(bits);
}

}  // namespace

void round_to_halves(PageSummaries& summaries) {
  for (float& low : summaries.low) low = half_below(low);
  for (float& high : summaries.high) high = -half_below(-high);
  for (std::vector<float>* means : {&summaries.mean, &summaries.first_half, &summaries.second_half, &summaries.mean_value}) round_to_half(*means);
}

PageSummaries summarize_pages(const KeyValueRows& rows, std::size_t head_width, std::size_t page) {
  PageSummaries summaries{.head_width = head_width, .pages = (rows.count + page - 1) / page, .low = {}, .high = {}, .mean = {}, .first_half = {}, .second_half = {}, .mean_value = {}, .spread = {}, .keys = {}};
  for (std::size_t p = 0; p < summaries.pages; ++p) {
    const std::size_t first = p * page, end = std::min(first + page, rows.count), second = first + (end - first + 1) / 2;
    const auto key_at = [&](std::size_t j, std::size_t i) { return static_cast<double>(rows.keys[j * rows.stride + i]); };
    const auto mean_of = [&](std::size_t begin, std::size_t last, std::size_t i) {
      double sum = 0;
      for (std::size_t j = begin; j < last; ++j) sum += key_at(j, i);
      return last > begin ? sum / static_cast<double>(last - begin) : 0;
    };
    double squares = 0;
    summaries.keys.push_back(end - first);
    for (std::size_t i = 0; i < head_width; ++i) {
      const double first_mean = mean_of(first, second, i), second_mean = mean_of(second, end, i);
      float low = rows.keys[first * rows.stride + i], high = low;
      for (std::size_t j = first; j < end; ++j) {
        const float key = rows.keys[j * rows.stride + i];
        low = std::min(low, key);
        high = std::max(high, key);
        const double distance = key_at(j, i) - (j < second ? first_mean : second_mean);
        squares += distance * distance;
      }
      summaries.low.push_back(low);
      summaries.high.push_back(high);
      summaries.mean.push_back(static_cast<float>(mean_of(first, end, i)));
      summaries.first_half.push_back(static_cast<float>(first_mean));
      summaries.second_half.push_back(static_cast<float>(second_mean));
      double values = 0;
      for (std::size_t j = first; j < end; ++j) values += static_cast<double>(rows.values[j * rows.stride + i]);
      summaries.mean_value.push_back(static_cast<float>(values / static_cast<double>(end - first)));
    }
    summaries.spread.push_back(static_cast<float>(squares / static_cast<double>((end - first) * head_width)));
  }
  return summaries;
}

double page_score(std::span<const float> query, const PageSummaries& summaries, std::size_t page, PageScorer scorer) {
  const std::size_t width = summaries.head_width;
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  double bound = 0, mean = 0, first = 0, second = 0, length = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const double q = static_cast<double>(query[i]) * scale, low = static_cast<double>(summaries.low[page * width + i]),
                 high = static_cast<double>(summaries.high[page * width + i]);
    bound += std::max(q * low, q * high);
    mean += q * static_cast<double>(summaries.mean[page * width + i]);
    first += q * static_cast<double>(summaries.first_half[page * width + i]);
    second += q * static_cast<double>(summaries.second_half[page * width + i]);
    length += q * q;
  }
  const auto keys = static_cast<double>(summaries.keys[page]), of_second = static_cast<double>(summaries.keys[page] / 2) / keys;
  const double highest = of_second > 0 ? std::max(first, second) : first;
  const auto part = [highest](double share, double score) { return share > 0 ? share * std::exp(score - highest) : 0; };
  switch (scorer) {
    case PageScorer::quest: return bound;
    case PageScorer::automatic:
      return highest + std::log(part(1 - of_second, first) + part(of_second, second)) + length * static_cast<double>(summaries.spread[page]) / 2;
    case PageScorer::mean: return mean;
  }
  return bound;
}

void add_periphery(std::span<const float> query, const PageSummaries& summaries, std::size_t keys, std::span<const std::size_t> read,
                   const RowFacts& facts, PageScorer scorer, std::span<float> out) {
  constexpr double kFrom = 0.35, kFull = 0.6;
  if (summaries.pages == 0) return;
  const std::size_t width = summaries.head_width, page = summaries.keys.front(), full = (keys - 1) / page;
  if (full == 0) return;
  const double count = static_cast<double>(page);
  std::vector<double> scores(full), brought(width);
  for (std::size_t b = 0; b < full; ++b) scores[b] = page_score(query, summaries, b, scorer);
  const double all = log_sum_exp(scores), scale = 1 / std::sqrt(static_cast<double>(width));
  const auto uneven = [&](std::size_t b) {
    if (scorer != PageScorer::automatic) return 0.0;
    double apart = 0, length = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const double q = static_cast<double>(query[i]) * scale;
      apart += q * (static_cast<double>(summaries.first_half[b * width + i]) - static_cast<double>(summaries.second_half[b * width + i]));
      length += q * q;
    }
    const double less = 1 / (1 + std::exp(std::abs(apart))), halves = less > 0 ? -less * std::log(less) - (1 - less) * std::log1p(-less) : 0;
    return std::min(length * static_cast<double>(summaries.spread[b]) / 2 + std::log(2.0) - halves, std::log(count));
  };
  double entropy = 0, weights = 0;
  for (std::size_t b = 0; b < full; ++b) {
    const double share = std::exp(scores[b] - all);
    if (share > 0) entropy -= share * (std::log(share / count) + uneven(b));
    if (std::ranges::binary_search(read, b)) continue;
    const double weight = count * std::exp(std::min(scores[b] - facts.largest, 0.0));
    weights += weight;
    for (std::size_t i = 0; i < width; ++i) brought[i] += weight * static_cast<double>(summaries.mean_value[b * width + i]);
  }
  const double ramp = std::clamp((entropy / std::log(static_cast<double>(keys)) - kFrom) / (kFull - kFrom), 0.0, 1.0);
  if (ramp * weights <= 0) return;
  const double sum = std::exp(facts.log_sum_exp - facts.largest);
  for (std::size_t i = 0; i < width; ++i) out[i] = static_cast<float>((sum * static_cast<double>(out[i]) + ramp * brought[i]) / (sum + ramp * weights));
}

double PageChoice::kept() const {
  double sum = 0;
  for (const std::size_t p : pages) sum += mass[p];
  return sum;
}

std::size_t sampled_row(std::size_t sample, std::size_t samples, std::size_t rows) {
  return ((sample + 1) * rows + samples - 1) / samples - 1;
}

PageChoice choose_pages(std::span<const SampledRow> sampled, std::size_t head_width, const KeyValueRows& rows,
                        std::size_t first_count, const SparseRule& rule) {
  const std::size_t pages = (rows.count + rule.page - 1) / rule.page;
  PageChoice choice;
  choice.mass.assign(pages, 0);
  std::vector<double> rank(pages, 0);
  const std::size_t window_first = first_count > rule.window ? (first_count - rule.window) / rule.page : 0;
  const std::size_t first = std::min((rule.sinks + rule.page - 1) / rule.page, window_first);
  choice.remote = window_first - first;
  const std::size_t heads = sampled.front().queries.size() / head_width, asking = heads * sampled.size();

  KeyValueRows full = rows;
  full.count = (sampled.back().count - 1) / rule.page * rule.page;
  PageSummaries summaries = summarize_pages(full, head_width, rule.page);
  round_to_halves(summaries);
  for (const SampledRow& row : sampled) {
    const std::size_t estimated = (row.count - 1) / rule.page;  // pages before the row's own
    if (estimated == 0) continue;
    for (std::size_t head = 0; head < heads; ++head) {
      std::vector<double> scores(estimated);
      for (std::size_t p = 0; p < estimated; ++p)
        scores[p] = page_score(row.queries.subspan(head * head_width, head_width), summaries, p, rule.scorer);
      const double total = log_sum_exp(scores);  // all are full: the logarithm of their keys changes nothing
      for (std::size_t p = 0; p < estimated; ++p) choice.mass[p] += std::exp(scores[p] - total) / static_cast<double>(asking);
      const std::vector<std::size_t> order = by_mass(scores, first, window_first);
      for (std::size_t i = 0; i < std::min<std::size_t>(sampled.size() == 1 ? 2 : 1, order.size()); ++i) rank[order[i]] = 2;
    }
  }

  for (const double mass : choice.mass) choice.entropy -= mass > 0 ? mass * std::log(mass / static_cast<double>(rule.page)) : 0;
  choice.entropy /= std::log(static_cast<double>(rows.count));
  for (const std::size_t p : rule.kept)
    if (p >= first && p < window_first) rank[p] = 2;
  const auto forced = static_cast<std::size_t>(std::ranges::count(rank.begin() + static_cast<std::ptrdiff_t>(first), rank.begin() + static_cast<std::ptrdiff_t>(window_first), 2.0));

  // Each head's best come first, then the group's.
  for (std::size_t p = 0; p < pages; ++p) rank[p] += choice.mass[p];
  const std::vector<std::size_t> order = by_mass(rank, first, window_first);
  const auto share = [&](double part) { return share_of(choice.remote, part > 0 ? part * (1 + (rule.weight - 1) * std::min(1.0, (1 / part - 1) / 3)) : 0.0); };
  const std::size_t wide = choice.entropy > rule.flat ? share_of(choice.remote, rule.wide) : 0, at_least = rule.kept.empty() ? 0 : forced;
  choice.chosen = std::max({share(rule.global), wide, at_least});
  if (choice.remote <= 2 || first_count < rule.dense_below) {
    choice.chosen = choice.remote;
  } else if (rule.budget == PageBudget::adaptive) {
    double kept = 1;
    for (const std::size_t p : order) kept -= choice.mass[p];
    choice.chosen = 0;
    const std::size_t most = std::max({share(rule.most), wide, at_least}), least = std::max(std::min(share(rule.least), most), at_least);
    while (choice.chosen < most && (choice.chosen < least || kept < rule.mass))
      kept += choice.mass[order[choice.chosen++]];
  }
  for (std::size_t p = 0; p < first; ++p) choice.pages.push_back(p);
  choice.pages.insert(choice.pages.end(), order.begin(), order.begin() + static_cast<std::ptrdiff_t>(choice.chosen));
  for (std::size_t p = window_first; p < pages; ++p) choice.pages.push_back(p);
  std::ranges::sort(choice.pages);
  return choice;
}

PageChoice choose_pages(std::span<const float> queries, std::size_t head_width, const KeyValueRows& rows, const SparseRule& rule) {
  const SampledRow row{queries, rows.count};
  return choose_pages({&row, 1}, head_width, rows, rows.count, rule);
}

std::vector<PageShare> page_shares(std::span<const float> weights, std::size_t page) {
  std::vector<PageShare> shares((weights.size() + page - 1) / page);
  for (std::size_t key = 0; key < weights.size(); ++key) {
    const auto p = static_cast<double>(weights[key]);
    shares[key / page].mass += p;
    if (p > 0) shares[key / page].log_mass += p * std::log(p);
  }
  return shares;
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
  order.resize(std::max(share_of(weights.size(), keep), std::min<std::size_t>(1, weights.size())));
  std::ranges::sort(order);
  return order;
}

}  // namespace fovea::reference
