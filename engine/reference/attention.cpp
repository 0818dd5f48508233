#include "engine/reference/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/tensor/half.hpp"

namespace fovea::reference {

void attention(std::span<const float> query, const KeyValueRows& rows, std::span<float> out, std::span<float> weights) {
  constexpr std::size_t kFirst[] = {0};  // of one page that holds all
  attention_over_pages(query, rows, kFirst, rows.count, out, weights);
}

RowFacts attention_over_pages(std::span<const float> query, const KeyValueRows& rows, std::span<const std::size_t> pages,
                              std::size_t page, std::span<float> out, std::span<float> weights) {
  const std::size_t width = query.size();
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  constexpr double kUnread = -std::numeric_limits<double>::infinity();
  std::vector<double> scores(rows.count, kUnread);
  for (const std::size_t p : pages)
    for (std::size_t j = p * page; j < std::min((p + 1) * page, rows.count); ++j) {
      double sum = 0;
      for (std::size_t i = 0; i < width; ++i)
        sum += static_cast<double>(query[i]) * static_cast<double>(rows.keys[j * rows.stride + i]);
      scores[j] = sum * scale;
    }
  const double highest = *std::ranges::max_element(scores);
  double total = 0;
  for (const double score : scores) total += std::exp(score - highest);

  RowFacts facts{.log_sum_exp = highest + std::log(total), .largest = highest, .entropy = 0};
  std::vector<double> mixed(width);
  for (std::size_t j = 0; j < rows.count; ++j) {
    const double p = std::exp(scores[j] - highest) / total;
    if (p > 0) facts.entropy -= p * std::log(p);
    if (scores[j] != kUnread)
      for (std::size_t i = 0; i < width; ++i) mixed[i] += p * static_cast<double>(rows.values[j * rows.stride + i]);
    if (!weights.empty()) weights[j] = static_cast<float>(p);
  }
  for (std::size_t i = 0; i < width; ++i) out[i] = static_cast<float>(mixed[i]);
  return facts;
}

void round_to_half(std::span<float> values) {
  for (float& value : values) value = half_to_float(float_to_half(value));
}

void round_to_q8_0(std::span<float> values, std::size_t head_width) {
  constexpr std::size_t kBlock = 32;
  for (std::size_t head = 0; head + head_width <= values.size(); head += head_width)
    for (std::size_t first = 0; first < head_width; first += kBlock) {
      const std::span<float> block = values.subspan(head + first, std::min(kBlock, head_width - first));
      float peak = 0;
      for (const float x : block) peak = std::max(peak, std::abs(x));
      const float d = peak / 127, inverse = d > 0 ? 1 / d : 0, kept = half_to_float(float_to_half(d));
      for (float& x : block) x = kept == 0 ? 0 : kept * std::round(x * inverse);
    }
}

}  // namespace fovea::reference
