// Colours by perceived lightness, chroma and hue (Björn Ottosson's OKLab, https://bottosson.github.io/posts/oklab).
#pragma once

#include <QColor>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace fovea {

struct Oklab {
  double l = 0, a = 0, b = 0;  // l 0..1
};

[[nodiscard]] inline Oklab oklch(double lightness, double chroma, double hue_degrees) {
  const double hue = hue_degrees * std::numbers::pi / 180;
  return {lightness, chroma * std::cos(hue), chroma * std::sin(hue)};
}

[[nodiscard]] inline double oklab_distance(const Oklab& x, const Oklab& y) {
  return std::sqrt((x.l - y.l) * (x.l - y.l) + (x.a - y.a) * (x.a - y.a) + (x.b - y.b) * (x.b - y.b));
}

[[nodiscard]] inline std::array<double, 3> oklab_to_linear_rgb(const Oklab& c) {
  const double l = std::pow(c.l + 0.3963377774 * c.a + 0.2158037573 * c.b, 3);
  const double m = std::pow(c.l - 0.1055613458 * c.a - 0.0638541728 * c.b, 3);
  const double s = std::pow(c.l - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

[[nodiscard]] inline Oklab linear_rgb_to_oklab(const std::array<double, 3>& c) {
  const double l = std::cbrt(0.4122214708 * c[0] + 0.5363325363 * c[1] + 0.0514459929 * c[2]);
  const double m = std::cbrt(0.2119034982 * c[0] + 0.6806995451 * c[1] + 0.1073969566 * c[2]);
  const double s = std::cbrt(0.0883024619 * c[0] + 0.2817188376 * c[1] + 0.6299787005 * c[2]);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

[[nodiscard]] inline Oklab oklab_of(const QColor& color) {
  const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  return linear_rgb_to_oklab({linear(color.redF()), linear(color.greenF()), linear(color.blueF())});
}

// The nearest colour a screen can show: chroma is taken back until it fits, lightness and hue stay.
[[nodiscard]] inline QColor color_of(Oklab c) {
  std::array<double, 3> rgb = oklab_to_linear_rgb(c);
  const auto fits = [&] {
    return *std::min_element(rgb.begin(), rgb.end()) >= -1e-4 && *std::max_element(rgb.begin(), rgb.end()) <= 1.0001;
  };
  for (int tries = 0; tries < 40 && !fits(); ++tries) {
    c.a *= 0.95;
    c.b *= 0.95;
    rgb = oklab_to_linear_rgb(c);
  }
  const auto encode = [](double v) {
    v = std::clamp(v, 0.0, 1.0);
    return static_cast<float>(v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055);
  };
  return QColor::fromRgbF(encode(rgb[0]), encode(rgb[1]), encode(rgb[2]));
}

}  // namespace fovea
