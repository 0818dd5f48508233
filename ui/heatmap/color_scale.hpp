// From a weight to a colour: perceptually even maps for both themes, linear or logarithmic, over a chosen range.
#pragma once

#include <QRgb>
#include <array>
#include <cstdint>
#include <vector>

namespace fovea {

// Equal steps in the table look equally far apart: dark to bright on dark ground, light to saturated on light ground.
[[nodiscard]] const std::array<QRgb, 256>& color_table(bool dark);

struct ColorScale {
  bool logarithmic = true;
  float low = 1e-3f, high = 1;
  bool dark = false;

  static constexpr float kFloor = 1e-6f;  // the least weight that a logarithmic scale shows apart from zero

  [[nodiscard]] float position(float weight) const;  // 0..1 within the range, clamped
  [[nodiscard]] float weight_at(float position) const;
  [[nodiscard]] QRgb color(float weight) const;
  friend bool operator==(const ColorScale&, const ColorScale&) = default;
};

// Bit patterns of the halves 0..1: non-negative halves order like their bits.
inline constexpr std::uint16_t kHalfOne = 0x3c00;

// The colour of every half from 0 to 1, by its bits.
[[nodiscard]] std::vector<QRgb> half_colors(const ColorScale& scale);
[[nodiscard]] float weight_of_half(std::uint16_t bits);
[[nodiscard]] std::uint16_t half_of_weight(float weight);

}  // namespace fovea
