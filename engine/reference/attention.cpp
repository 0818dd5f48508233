#include "engine/reference/attention.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/tensor/half.hpp"

namespace fovea::reference {

void attention(std::span<const float> query, const KeyValueRows& rows, std::span<float> out, std::span<float> weights) {
  const std::size_t width = query.size();
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  std::vector<double> probability(rows.count);
  for (std::size_t j = 0; j < rows.count; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i)
      sum += static_cast<double>(query[i]) * static_cast<double>(rows.keys[j * rows.stride + i]);
    probability[j] = sum * scale;
  }
  const double highest = *std::ranges::max_element(probability);
  double total = 0;
  for (double& p : probability) total += p = std::exp(p - highest);
  for (double& p : probability) p /= total;

  std::vector<double> mixed(width);
  for (std::size_t j = 0; j < rows.count; ++j)
    for (std::size_t i = 0; i < width; ++i)
      mixed[i] += probability[j] * static_cast<double>(rows.values[j * rows.stride + i]);
  for (std::size_t i = 0; i < width; ++i) out[i] = static_cast<float>(mixed[i]);
  if (!weights.empty())
    for (std::size_t j = 0; j < rows.count; ++j) weights[j] = static_cast<float>(probability[j]);
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
