#include "engine/kernels/row_streams.hpp"

#include <algorithm>
#include <thread>

namespace fovea {

bool streams_rows(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens) {
  const DType type = weights.type;
  const bool blocks = type == DType::Q8_0 || type == DType::Q4_K || type == DType::Q5_K || type == DType::Q6_K;
  const bool pairs = type == DType::F32 && weights.columns % 2 == 0 && weights.row_bytes == weights.columns * sizeof(float);
  // Subgroups of eight read words from any address, which a GPU need not take.
  const bool reads = kernels.subgroup() > 8 || (kernels.subgroup() == 8 && kernels.facts().cpu);
  return (blocks || pairs) && tokens == 1 && kernels.cpu_form() && reads;
}

std::uint32_t stream_groups(const KernelRecorder& kernels, const DeviceMatrix& weights) {
  constexpr std::uint32_t kTile = 256;  // columns (shaders/include/row_products.glsl)
  const std::uint32_t tiles = (weights.columns + kTile - 1) / kTile, eights = (weights.rows + 7) / 8;
  return kernels.subgroup() == 8 && tiles <= 2 ? std::min(eights, std::max(1u, std::thread::hardware_concurrency())) : 0;
}

ProductShape stream_shape(const KernelRecorder& kernels, std::uint32_t rows) {
  // Rows that share what a lane keeps of the activations, where every core has a few workgroups all the same.
  const std::uint32_t groups = 4 * std::max(1u, std::thread::hardware_concurrency());
  ProductShape shape;
  shape.subgroup = shape.local_size = kernels.subgroup();
  shape.rows = std::clamp(rows / (shape.local_size * groups), 1u, 8u);
  return shape;
}

}  // namespace fovea
