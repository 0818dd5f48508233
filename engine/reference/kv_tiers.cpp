#include "engine/reference/kv_tiers.hpp"

#include <algorithm>
#include <cmath>

namespace fovea::reference {
namespace {

// The number that is read of x between `low` and `high`.
double coded(double x, double low, double high, bool refined) {
  if (!(high > low)) return low;
  const double code = std::clamp(std::floor(255 * (x - low) / (high - low) + 0.5), 0.0, 255.0);
  return low + (high - low) * (refined ? code : std::floor(code / 16) * 16 + 7.5) / 255;
}

}  // namespace

void round_to_far_keys(std::span<float> keys, std::size_t width, bool refined) {
  for (std::size_t i = 0; i < width; ++i) {
    float low = keys[i], high = low;
    for (std::size_t at = i; at < keys.size(); at += width) {
      low = std::min(low, keys[at]);
      high = std::max(high, keys[at]);
    }
    for (std::size_t at = i; at < keys.size(); at += width) keys[at] = static_cast<float>(coded(keys[at], low, high, refined));
  }
}

void round_to_far_values(std::span<float> values, std::size_t width, bool refined) {
  constexpr std::size_t kBlock = 32;
  for (std::size_t row = 0; row < values.size(); row += width)
    for (std::size_t first = 0; first < width; first += kBlock) {
      const std::span<float> block = values.subspan(row + first, std::min(kBlock, width - first));
      double peak = 0;
      for (const float x : block) peak = std::max(peak, static_cast<double>(std::abs(x)));
      for (float& x : block) x = static_cast<float>(peak > 0 ? coded(static_cast<double>(x), -peak, peak, refined) : 0);
    }
}

void RefinedPages::leave(std::uint32_t page, std::uint32_t far, std::uint32_t hot, std::span<const float> heat) {
  constexpr float kHysteresis = 1.25f;
  if (slots.size() < std::uint64_t{far} * hot / 1'000'000) {
    slots.push_back(page);
    return;
  }
  if (slots.empty()) return;
  const auto coldest = std::ranges::min_element(slots, {}, [&](std::uint32_t slot) { return heat[slot]; });
  if (heat[page] > kHysteresis * heat[*coldest]) *coldest = page;
}

double far_page_sum(std::span<const float> query, std::span<const float> low, std::span<const float> high, std::size_t keys) {
  constexpr double kRangeOfNormals = 4.1;  // expected range of 32 normal numbers, in standard deviations
  const double scale = 1 / std::sqrt(static_cast<double>(query.size()));
  double middle = 0, variance = 0, most = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const double q = static_cast<double>(query[i]) * scale, least = static_cast<double>(low[i]), greatest = static_cast<double>(high[i]);
    middle += q * (least + greatest) / 2;
    variance += std::pow(q * (greatest - least) / kRangeOfNormals, 2);
    most += std::max(q * least, q * greatest);
  }
  return std::min(middle + variance / 2, most) + std::log(static_cast<double>(keys));
}

}  // namespace fovea::reference
