// One token's products on a CPU driver: eight lanes share a row (shaders/include/row_products.glsl).
#pragma once

#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

// Whether a product of `tokens` rows of activations with these weights takes that form.
[[nodiscard]] bool streams_rows(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens);
// Its shape; `rows` of it are rows of weights for each lane.
[[nodiscard]] ProductShape stream_shape(const KernelRecorder& kernels, std::uint32_t rows);

}  // namespace fovea
