// y = W x on the CPU: weights decoded exactly, sums in double.
#pragma once

#include <cstdint>
#include <span>

#include "engine/model/model_weights.hpp"

namespace fovea::reference {

struct RowRange {
  std::uint32_t matrix = 0;  // expert
  std::uint32_t first = 0;
  std::uint32_t count = 0;  // 0 = all from `first` on
};

// x: [tokens][columns], y: [tokens][rows of the range]. Each y is one rounding of a double sum to float.
void matvec(const WeightView& weights, std::span<const float> x, std::span<float> y, RowRange range = {});

// One row of a matrix as floats; out.size() = columns.
void decode_row(const WeightView& weights, std::uint32_t matrix, std::uint32_t row, std::span<float> out);

}  // namespace fovea::reference
