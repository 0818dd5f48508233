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

}  // namespace fovea::reference
