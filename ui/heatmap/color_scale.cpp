#include "ui/heatmap/color_scale.hpp"

#include <QFloat16>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ui/theme/oklab.hpp"

namespace fovea {

namespace {

struct Stop {
  double lightness, chroma, hue;
};

// Violet, blue, teal, green, yellow: brightness rises all the way.
constexpr std::array<Stop, 6> kDarkStops{
    {{0.24, 0.06, 305}, {0.40, 0.12, 285}, {0.55, 0.11, 235}, {0.68, 0.11, 185}, {0.83, 0.16, 135}, {0.95, 0.16, 105}}};
// White over sky blue to deep indigo: saturation rises as brightness falls.
constexpr std::array<Stop, 5> kLightStops{
    {{0.975, 0.012, 215}, {0.86, 0.08, 220}, {0.70, 0.13, 240}, {0.53, 0.18, 262}, {0.34, 0.17, 285}}};

template <std::size_t N>
Oklab along(const std::array<Stop, N>& stops, double t) {
  const double at = t * (N - 1);
  const std::size_t i = std::min<std::size_t>(static_cast<std::size_t>(at), N - 2);
  const double f = at - static_cast<double>(i);
  const auto mix = [f](double a, double b) { return a + (b - a) * f; };
  const Stop &a = stops[i], &b = stops[i + 1];
  return oklch(mix(a.lightness, b.lightness), mix(a.chroma, b.chroma), mix(a.hue, b.hue));
}

// Samples the curve as the screen shows it, then walks it in steps of equal OKLab distance.
template <std::size_t N>
std::array<QRgb, 256> even_table(const std::array<Stop, N>& stops) {
  constexpr int kSamples = 4096;
  std::vector<QColor> colors;
  std::vector<double> travelled{0};
  for (int i = 0; i <= kSamples; ++i) {
    colors.push_back(color_of(along(stops, static_cast<double>(i) / kSamples)));
    if (i > 0) travelled.push_back(travelled.back() + oklab_distance(oklab_of(colors[i]), oklab_of(colors[i - 1])));
  }
  std::array<QRgb, 256> table{};
  for (int i = 0; i < 256; ++i) {
    const auto found = std::lower_bound(travelled.begin(), travelled.end(), travelled.back() * i / 255.0);
    const auto index = std::min<std::ptrdiff_t>(found - travelled.begin(), kSamples);
    table[static_cast<std::size_t>(i)] = colors[static_cast<std::size_t>(index)].rgb();
  }
  return table;
}

}  // namespace

const std::array<QRgb, 256>& color_table(bool dark) {
  static const std::array<QRgb, 256> tables[] = {even_table(kLightStops), even_table(kDarkStops)};
  return tables[dark ? 1 : 0];
}

float ColorScale::position(float weight) const {
  float from = low, to = high;
  if (logarithmic) {
    from = std::log10(std::max(low, kFloor));
    to = std::log10(std::max(high, kFloor));
    weight = weight > 0 ? std::log10(weight) : from;
  }
  if (!(to > from)) return weight >= to ? 1.f : 0.f;
  return std::clamp((weight - from) / (to - from), 0.f, 1.f);
}

float ColorScale::weight_at(float position) const {
  if (!logarithmic) return low + (high - low) * position;
  const float from = std::log10(std::max(low, kFloor)), to = std::log10(std::max(high, kFloor));
  return std::pow(10.f, from + (to - from) * position);
}

QRgb ColorScale::color(float weight) const {
  const auto index = static_cast<std::size_t>(std::lround(position(weight) * 255));
  return color_table(dark)[index];
}

std::vector<QRgb> half_colors(const ColorScale& scale) {
  std::vector<QRgb> colors(kHalfOne + 1u);
  for (std::uint16_t bits = 0; bits <= kHalfOne; ++bits) colors[bits] = scale.color(weight_of_half(bits));
  return colors;
}

float weight_of_half(std::uint16_t bits) { return static_cast<float>(std::bit_cast<qfloat16>(bits)); }

std::uint16_t half_of_weight(float weight) { return std::bit_cast<std::uint16_t>(qfloat16(weight)); }

}  // namespace fovea
