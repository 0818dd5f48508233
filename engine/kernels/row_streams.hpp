// One token's products on a CPU driver: eight lanes share a row (shaders/include/row_products.glsl).
#pragma once

#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

// Whether a product of `tokens` rows of activations with these weights takes that form.
[[nodiscard]] bool streams_rows(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens);
// Workgroups among which its rows are dealt, where lanes keep all columns of the activations: as many as there are cores, since what a
// workgroup costs and what it loads first is then paid once for each; 0: of other rows, whose shape is stream_shape.
[[nodiscard]] std::uint32_t stream_groups(const KernelRecorder& kernels, const DeviceMatrix& weights);
// Its shape; `rows` of it are rows of weights for each lane.
[[nodiscard]] ProductShape stream_shape(const KernelRecorder& kernels, std::uint32_t rows);

}  // namespace fovea
