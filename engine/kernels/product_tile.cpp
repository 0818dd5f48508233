#include "engine/kernels/product_tile.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace fovea {
namespace {

struct TileSize {
  std::uint32_t rows, tokens;
};
// From the largest to the smallest: the larger a tile, the more often each weight and activation in it is used. Matrix
// cores need large ones, so that unpacking weights keeps up with them; in registers a lane's sums are the bound.
constexpr std::array kMatrixCoreTiles{TileSize{128, 128}, TileSize{128, 64}, TileSize{64, 64}, TileSize{64, 32}};
constexpr std::array kPlainTiles{TileSize{64, 64}, TileSize{64, 32}};

constexpr std::uint32_t kTilesWanted = 96;  // workgroups that leave no large GPU half idle

// Parts as small as leave every invocation at least one piece of weights and of activations to bring (the shader's
// WEIGHT_PIECES and TOKEN_PIECES). A part has two fragments of rows at least: one of gate, one of up.
TileShape shape_of(TileSize size, std::uint32_t subgroup) {
  TileShape shape{.rows = size.rows, .tokens = size.tokens, .part_rows = 32, .part_tokens = 16};
  const std::uint32_t most = std::min(size.rows * 2, size.tokens * 4);
  while (shape.parts() * subgroup > most)
    if (shape.part_tokens < shape.part_rows && shape.part_tokens < shape.tokens)
      shape.part_tokens *= 2;
    else
      shape.part_rows *= 2;
  return shape;
}

ShaderId shader_of(const KernelRecorder& kernels, DType type) {
  const ShaderId first = kernels.matrix_cores() ? ShaderId::product_tile_KHR_F16 : ShaderId::product_tile_PLAIN_F16;
  return shader_for(first, type, DType::F16);
}

std::vector<std::uint32_t> constants(const KernelRecorder& kernels, const TileShape& shape, bool grouped, bool paired) {
  const std::uint32_t lanes = kernels.subgroup();
  return {shape.parts() * lanes, lanes, shape.rows, shape.tokens, shape.part_rows, shape.part_tokens,
          grouped ? 1u : 0u, paired ? 1u : 0u};
}

}  // namespace

bool takes_tiles(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens) {
  return !kernels.cpu_form() && tokens > 8 && weights.type != DType::F32 && weights.columns % 32 == 0 &&
         !tile_shapes(kernels).empty();
}

std::vector<TileShape> tile_shapes(const KernelRecorder& kernels) {
  const gpu::DeviceFacts& facts = kernels.facts();
  std::vector<TileShape> shapes;
  if (facts.subgroup < 4 || facts.subgroup > 64) return shapes;
  std::span<const TileSize> sizes = kPlainTiles;
  if (kernels.matrix_cores()) sizes = kMatrixCoreTiles;
  for (const TileSize size : sizes) {
    const TileShape shape = shape_of(size, facts.subgroup);
    if (shape.shared_bytes() <= facts.shared_memory_bytes &&
        shape.parts() * facts.subgroup <= facts.max_workgroup_invocations && shape.parts() <= facts.max_workgroup_subgroups)
      shapes.push_back(shape);
  }
  return shapes;
}

TileShape dense_tile(const KernelRecorder& kernels, std::uint32_t rows, std::uint32_t tokens) {
  const std::vector<TileShape> shapes = tile_shapes(kernels);
  for (const TileShape& shape : shapes) {
    const std::uint32_t tiles = (rows + shape.rows - 1) / shape.rows * ((tokens + shape.tokens - 1) / shape.tokens);
    if (tokens > shape.tokens / 2 && tiles >= kTilesWanted) return shape;
  }
  return shapes.back();
}

TileShape expert_tile(const KernelRecorder& kernels, std::uint32_t assignments, std::uint32_t experts) {
  // Experts differ: a tile of about the mean to twice it is full often enough and unpacks weights seldom twice.
  const std::uint32_t mean = assignments / experts, most = mean >= 96 ? 128 : mean >= 24 ? 64 : 32;
  const std::vector<TileShape> shapes = tile_shapes(kernels);
  for (const TileShape& shape : shapes)
    if (shape.tokens <= most) return shape;
  return shapes.back();
}

std::uint32_t tile_groups(const TileShape& shape, std::uint32_t rows, bool paired) {
  const std::uint32_t outputs = paired ? shape.rows / 2 : shape.rows;
  return (rows + outputs - 1) / outputs;
}

Result<void> record_dense_tiles(KernelRecorder& kernels, const TileShape& shape, DType type, std::uint32_t tokens,
                                const shader::ProductTilePush& push) {
  const bool paired = push.up != 0;
  return kernels.dispatch(shader_of(kernels, type), constants(kernels, shape, false, paired), push,
                          (tokens + shape.tokens - 1) / shape.tokens, tile_groups(shape, push.rows, paired));
}

Result<void> record_expert_tiles(KernelRecorder& kernels, const TileShape& shape, DType type, const gpu::Buffer& counts,
                                 std::uint64_t offset, const shader::ProductTilePush& push) {
  return kernels.dispatch_indirect(shader_of(kernels, type), constants(kernels, shape, true, push.up != 0), push, counts,
                                   offset);
}

}  // namespace fovea
