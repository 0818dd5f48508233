#include "engine/reference/kv_tiers.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace fovea::reference {
namespace {

constexpr std::size_t kUnit = 8, kMostUnits = 32, kBlock = 32;
constexpr double kSlope = 2.0 / 3;

struct Range {
  double low = 0, high = 0;
};

// Units whose keys keep all bits: three eighths of them, those with the largest sum of squared ranges; of equal ones the first.
std::vector<bool> wide_units(std::span<const Range> channels) {
  const std::size_t all = (channels.size() + kUnit - 1) / kUnit, ranked = std::min(all, kMostUnits), count = (3 * ranked + 4) / 8;
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t unit = 0; unit < ranked; ++unit) {
    double sum = 0;
    for (std::size_t i = unit * kUnit; i < std::min((unit + 1) * kUnit, channels.size()); ++i) sum += std::pow(channels[i].high - channels[i].low, 2);
    order.emplace_back(-sum, unit);
  }
  std::ranges::sort(order);
  std::vector<bool> wide(all, false);
  for (std::size_t n = 0; n < count; ++n) wide[order[n].second] = true;
  return wide;
}

// What is read of a key between `low` and `high`.
double coded_key(double x, const Range& range, bool wide) {
  const double width = range.high - range.low;
  if (!(width > 0)) return range.low;
  const double code = std::clamp(std::floor(240 * (x - range.low) / width + 8.5), 0.0, 255.0);
  return range.low + width * (wide ? code - 8 : std::floor(code / 16) * 16) / 240;
}

// What is read of a value over its peak.
double coded_value(double y, bool refined) {
  double t = y;
  for (int i = 0; i < 50; ++i) t -= (t * (kSlope + (1 - kSlope) * t * t) - y) / (kSlope + 3 * (1 - kSlope) * t * t);
  const double code = std::clamp(std::floor(127.5 * t + 128), 0.0, 255.0);
  t = ((refined ? code : std::floor(code / 16) * 16 + 7.5) - 127.5) / 127.5;
  return t * (kSlope + (1 - kSlope) * t * t);
}

}  // namespace

void round_to_far_keys(std::span<float> keys, std::size_t width) {
  std::vector<Range> ranges(width);
  for (std::size_t i = 0; i < width; ++i) {
    ranges[i] = {static_cast<double>(keys[i]), static_cast<double>(keys[i])};
    for (std::size_t at = i; at < keys.size(); at += width) {
      ranges[i].low = std::min(ranges[i].low, static_cast<double>(keys[at]));
      ranges[i].high = std::max(ranges[i].high, static_cast<double>(keys[at]));
    }
  }
  const std::vector<bool> wide = wide_units(ranges);
  for (std::size_t at = 0; at < keys.size(); ++at)
    keys[at] = static_cast<float>(coded_key(static_cast<double>(keys[at]), ranges[at % width], wide[at % width / kUnit]));
}

void round_to_far_values(std::span<float> values, std::size_t width, bool refined) {
  for (std::size_t row = 0; row < values.size(); row += width)
    for (std::size_t first = 0; first < width; first += kBlock) {
      const std::span<float> block = values.subspan(row + first, std::min(kBlock, width - first));
      double peak = 0;
      for (const float x : block) peak = std::max(peak, static_cast<double>(std::abs(x)));
      for (float& x : block) x = static_cast<float>(peak > 0 ? peak * coded_value(static_cast<double>(x) / peak, refined) : 0);
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
