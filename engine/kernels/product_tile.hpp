// Products of many activation rows in tiles of shared memory (shaders/linear/product_tile.comp): which products take
// them, and how they are cut.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/buffer.hpp"
#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/product_tile.h"

namespace fovea {

// A workgroup's share of a product, and a subgroup's part of that.
struct TileShape {
  std::uint32_t rows = 0, tokens = 0;
  std::uint32_t part_rows = 0, part_tokens = 0;
  [[nodiscard]] std::uint32_t parts() const { return rows / part_rows * (tokens / part_tokens); }
  // Two buffers of weights and activations, and what a subgroup writes its sums through.
  [[nodiscard]] std::uint32_t shared_bytes() const { return 2 * 80 * (rows + tokens) + parts() * 1024; }
};

// Whether a product for so many tokens runs in tiles: the one place of that rule. On a GPU, for more tokens than the
// forms in registers share a weight among, and for widths that the shader's steps of 32 columns divide. Tiles round
// weights and activations to halves; weights in float keep to float arithmetic: these are the routers, whose choices
// must not hang on rounding.
[[nodiscard]] bool takes_tiles(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens);

// The shapes that the device runs, from the largest to the smallest.
[[nodiscard]] std::vector<TileShape> tile_shapes(const KernelRecorder& kernels);
// `rows`: of all weights that a tile reads together (gate and up: both). `tokens`: that share the weights.
[[nodiscard]] TileShape dense_tile(const KernelRecorder& kernels, std::uint32_t rows, std::uint32_t tokens);
// The same for all products of a batch over experts, since they share the tile list; by the mean number of tokens.
[[nodiscard]] TileShape expert_tile(const KernelRecorder& kernels, std::uint32_t assignments, std::uint32_t experts);
// Workgroups along `rows` rows of output.
[[nodiscard]] std::uint32_t tile_groups(const TileShape& shape, std::uint32_t rows, bool paired);

[[nodiscard]] Result<void> record_dense_tiles(KernelRecorder& kernels, const TileShape& shape, DType type,
                                              std::uint32_t tokens, const shader::ProductTilePush& push);
[[nodiscard]] Result<void> record_expert_tiles(KernelRecorder& kernels, const TileShape& shape, DType type,
                                               const gpu::Buffer& counts, std::uint64_t offset,
                                               const shader::ProductTilePush& push);

}  // namespace fovea
