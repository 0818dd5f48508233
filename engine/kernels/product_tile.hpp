// Products of many activation rows in tiles (shaders/linear/product_tile.comp, product_workgroup.comp): which products
// take them, how they are cut, and how their activations become halves.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/buffer.hpp"
#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/half_rows.h"
#include "shaders/interface/product_tile.h"

namespace fovea {

// What multiplies a tile.
enum class TileForm {
  registers,           // no matrix cores
  subgroup_matrices,   // KHR_cooperative_matrix: fragments of 16 x 16 x 16 by subgroups
  workgroup_matrices,  // NV_cooperative_matrix2: one matrix a tile
};

// A workgroup's share of a product. `rows`: of weights that are read together, gate and up rows where both are.
struct TileShape {
  TileForm form = TileForm::registers;
  std::uint32_t rows = 0, tokens = 0;
  std::uint32_t part_rows = 0, part_tokens = 0;  // of a subgroup; workgroup_matrices: 0
  std::uint32_t invocations = 0;
  std::uint32_t depth = 32, buffers = 1;  // columns a step; steps in shared memory at once
  bool in_lanes = false;  // lanes unpack rows of their subgroup's own where they multiply them (product_lanes.comp)
  [[nodiscard]] std::uint32_t shared_bytes() const;
};

// Whether a product for so many tokens runs in tiles: the one place of that rule. On a GPU, for more tokens than the
// forms in registers share a weight among, and for widths that the shaders' steps of 32 columns divide. Tiles round
// weights and activations to halves; weights in float keep to float arithmetic: these are the routers, whose choices
// must not hang on rounding.
[[nodiscard]] bool takes_tiles(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens);

// The shapes that the device runs in its best form, or in `form`, from the largest to the smallest.
[[nodiscard]] std::vector<TileShape> tile_shapes(const KernelRecorder& kernels);
[[nodiscard]] std::vector<TileShape> tile_shapes(const KernelRecorder& kernels, TileForm form);
// Whether the device runs it.
[[nodiscard]] bool runs(const gpu::DeviceFacts& facts, const TileShape& shape);
// A tile whose weights lanes unpack: subgroups of 32 rows for all its tokens, a multiple of 16. Registers or subgroup matrices,
// for types that lanes_unpack names.
[[nodiscard]] TileShape lane_tile(const gpu::DeviceFacts& facts, TileForm form, std::uint32_t rows, std::uint32_t tokens);
[[nodiscard]] bool lanes_unpack(DType type);
// `rows`: of all weights that a tile reads together (gate and up: both). `tokens`: that share the weights.
[[nodiscard]] TileShape dense_tile(const KernelRecorder& kernels, std::uint32_t rows, std::uint32_t tokens);
// The same for all products of a batch over experts, since they share the tile list; by the mean number of tokens. `in_lanes`:
// lanes_unpack the types of all.
[[nodiscard]] TileShape expert_tile(const KernelRecorder& kernels, bool in_lanes, std::uint32_t assignments, std::uint32_t experts);
// Workgroups along `rows` rows of output.
[[nodiscard]] std::uint32_t tile_groups(const TileShape& shape, std::uint32_t rows, bool paired);

// Activation rows to halves for the products below. `tokens`: room of the plan.
[[nodiscard]] Result<void> record_half_rows(KernelRecorder& kernels, std::uint32_t tokens, const shader::HalfRowsPush& push);
// Weights to halves in memory: half (rows, columns) at `y`.
[[nodiscard]] Result<void> record_half_weights(KernelRecorder& kernels, const DeviceMatrix& weights, std::uint64_t y);
// Room that a batch needs for weights as halves: the largest product's `weights`, or two stretches of them in turn, one read
// while the next is written. None where no product unpacks its weights first.
[[nodiscard]] std::uint64_t unpacked_bytes(const gpu::DeviceFacts& facts, std::uint32_t tokens, std::uint64_t weights);
// A dense product in the tiles that suit it. For many tokens, and where there is room, its weights are written as halves
// first, once, instead of unpacked by every tile; many tokens of few rows take tiles whose weights lanes unpack.
[[nodiscard]] Result<void> record_dense_product(KernelRecorder& kernels, DType type, std::uint32_t tokens, const UnpackedRoom& room,
                                                const shader::ProductTilePush& push);
[[nodiscard]] Result<void> record_dense_tiles(KernelRecorder& kernels, const TileShape& shape, DType type,
                                              std::uint32_t tokens, const shader::ProductTilePush& push);
[[nodiscard]] Result<void> record_expert_tiles(KernelRecorder& kernels, const TileShape& shape, DType type,
                                               const gpu::Buffer& counts, std::uint64_t offset,
                                               const shader::ProductTilePush& push);

}  // namespace fovea
