// Exact decoding of stored blocks to floats on the CPU: the specification that kernels are judged by.
// Block layouts: ggml-quants.h and ggml-common.h (MIT), described per type in dequantize.cpp.
#pragma once

#include <cstddef>
#include <span>

#include "engine/tensor/dtype.hpp"

namespace fovea {

// Decodes `out.size()` elements (a multiple of the block length) from `blocks`.
// `type` must be one that runs; `blocks.size()` must be row_bytes(type, out.size()).
void dequantize(DType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace fovea
