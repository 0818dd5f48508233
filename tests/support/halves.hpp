// Operands as products in tiles see them: rounded to halves, and what is beyond the largest half taken as that.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "engine/tensor/dequantize.hpp"
#include "engine/tensor/half.hpp"
#include "tests/support/guard_buffer.hpp"
#include "tests/support/stored_weights.hpp"

namespace fovea::test {

inline std::vector<float> in_halves(std::vector<float> values) {
  for (float& value : values) value = half_to_float(float_to_half(std::clamp(value, -65504.0f, 65504.0f)));
  return values;
}

// Whether rows of halves, `stride` apart, are those of `rows`, rounded; everything behind and between them must still be poison.
inline void expect_halves(const GuardBuffer& out, std::span<const float> rows, std::size_t width, std::size_t stride) {
  const std::vector<std::uint16_t> all = out.values<std::uint16_t>();
  const std::vector<float> expected = in_halves({rows.begin(), rows.end()});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t at = i / stride * width + i % stride;
    const bool real = i % stride < width && at < expected.size();
    const std::uint16_t wanted = real ? float_to_half(expected[at]) : static_cast<std::uint16_t>(GuardBuffer::kPoison >> (i % 2 * 16));
    ASSERT_EQ(all[i], wanted) << "element " << i % stride << " of row " << i / stride;
  }
}

inline std::vector<float> magnitudes(std::vector<float> values) {
  for (float& value : values) value = std::abs(value);
  return values;
}

// The same matrix in floats, changed by `change`.
template <class Change>
StoredMatrix changed(const StoredMatrix& matrix, Change change) {
  std::vector<float> values(std::size_t{matrix.columns} * matrix.rows * matrix.matrices);
  dequantize(matrix.type, matrix.bytes, values);
  values = change(std::move(values));
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::F32, matrix.columns, matrix.rows, matrix.matrices, {bytes.begin(), bytes.end()}};
}
inline StoredMatrix in_halves(const StoredMatrix& matrix) {
  return changed(matrix, [](std::vector<float> values) { return in_halves(std::move(values)); });
}
inline StoredMatrix magnitudes(const StoredMatrix& matrix) {
  return changed(matrix, [](std::vector<float> values) { return magnitudes(std::move(values)); });
}

}  // namespace fovea::test
