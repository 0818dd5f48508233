// Seeded random values that are the same on every machine: the standard's distributions are not.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

namespace fovea::test {

class Seeded {
 public:
  explicit Seeded(std::uint64_t seed) : random_(seed) {}

  std::uint64_t bits() { return random_(); }
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
  double uniform() { return std::ldexp(static_cast<double>(random_() >> 11), -53); }  // [0, 1)
  double normal() {                                                                   // Box and Muller 1958
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  std::vector<float> normals(std::size_t count, double deviation = 1) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(normal() * deviation);
    return values;
  }
  // Mostly normal; sprinkled with zeros of both signs, values 1000 times as large and values as small as 1e-38. No sum
  // of squares or products of a row overflows.
  std::vector<float> mixed(std::size_t count) {
    std::vector<float> values = normals(count);
    for (float& value : values) switch (below(16)) {
        case 0:
          value = 0.0f;
          break;
        case 1:
          value = -0.0f;
          break;
        case 2:
          value *= 1000.0f;
          break;
        case 3:
          value *= 1e-38f;
          break;
        default:
          break;
      }
    return values;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace fovea::test
