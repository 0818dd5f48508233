// Random weight matrices in any stored form: random codes under sane scales, so that products stay finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "engine/model/model_weights.hpp"
#include "engine/tensor/dtype.hpp"
#include "engine/tensor/half.hpp"
#include "tests/support/seeded.hpp"

namespace fovea::test {

// `elements` values of about `deviation`; every block has a scale of its own, half of them negative, so that a scale
// taken from the wrong block shows.
inline std::vector<std::byte> stored_values(DType type, std::uint64_t elements, Seeded& random, double deviation = 1) {
  std::vector<std::byte> bytes(row_bytes(type, elements));
  const auto put16 = [&](std::size_t at, std::uint16_t value) { std::memcpy(bytes.data() + at, &value, 2); };
  if (type == DType::F32 || type == DType::F16 || type == DType::BF16) {
    for (std::size_t i = 0; i < elements; ++i) {
      const float value = static_cast<float>(random.normal() * deviation);
      if (type == DType::F32)
        std::memcpy(bytes.data() + 4 * i, &value, 4);
      else
        put16(2 * i, type == DType::F16 ? float_to_half(value) : float_to_bfloat16(value));
    }
    return bytes;
  }
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.bits());
  const std::size_t block = traits(type).block_bytes;
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    const auto scale = [&](double of) {  // `of`: root mean square of the codes that it multiplies
      const double sign = random.below(2) != 0 ? 1 : -1;
      return float_to_half(static_cast<float>(sign * (0.5 + random.uniform()) * deviation / of));
    };
    switch (type) {
      case DType::Q8_0:
        put16(at, scale(74));
        break;
      case DType::Q4_0:
        put16(at, scale(4.6));
        break;
      case DType::Q5_0:
        put16(at, scale(9.2));
        break;
      case DType::Q4_K:
        put16(at, scale(8.8 * 37)), put16(at + 2, scale(37));
        break;  // 6-bit scales and minima
      case DType::Q5_K:
        put16(at, scale(18 * 37)), put16(at + 2, scale(37));
        break;
      case DType::Q6_K:
        put16(at + 208, scale(18.5 * 74));
        break;  // signed 8-bit scales
      default:
        break;
    }
  }
  return bytes;
}

// A matrix, or several one after another as experts are, with the view that the reference reads it through.
struct StoredMatrix {
  DType type = DType::F32;
  std::uint32_t columns = 0, rows = 0, matrices = 1;
  std::vector<std::byte> bytes;

  [[nodiscard]] WeightView view() const { return {type, columns, rows, matrices, bytes, nullptr}; }
};

// Rows of unit deviation give outputs of about the size of the inputs.
inline StoredMatrix stored_matrix(DType type, std::uint32_t columns, std::uint32_t rows, Seeded& random,
                                  std::uint32_t matrices = 1) {
  const double deviation = 1 / std::sqrt(static_cast<double>(columns));
  return {type, columns, rows, matrices,
          stored_values(type, std::uint64_t{columns} * rows * matrices, random, deviation)};
}

}  // namespace fovea::test
