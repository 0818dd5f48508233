// Encoding of floats into stored blocks on the CPU: the counterpart of dequantize, for weights that are to take less memory than
// their file gives them. Blocks are those of dequantize.cpp; scales are searched so that squared errors are small.
#pragma once

#include <cstddef>
#include <span>

#include "engine/tensor/dtype.hpp"

namespace fovea {

// Whether quantize() makes this type: Q8_0, Q6_K, Q5_K, Q4_K, Q5_0, Q4_0.
[[nodiscard]] bool quantizes_to(DType type);
// Encodes `values` (a multiple of the block length) into `blocks` (row_bytes(type, values.size())). Values that are no numbers are
// taken as 0, infinite ones as the largest half. Does nothing where quantizes_to(type) is false or a size is another.
void quantize(DType type, std::span<const float> values, std::span<std::byte> blocks);

}  // namespace fovea
