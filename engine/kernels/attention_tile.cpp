#include "engine/kernels/attention_tile.hpp"

#include <array>

#include "shaders/interface/kv_page.h"

namespace fovea {
namespace {

using Matrix = AttentionMatrix;

// Of each kind from the largest, which is the fastest where there are workgroups enough (on an H200, 4,096 tokens, 32
// heads of 128: 209, 156 and 16 TFLOP/s): keys and values brought to shared memory serve more queries, and several
// subgroups hide one another's waiting. Longer blocks pay where the shared memory is not also needed for weights.
constexpr std::array kTiles{
    AttentionTile{.matrix = Matrix::nv2, .subgroups = 8, .block_keys = 64},
    AttentionTile{.matrix = Matrix::nv2, .subgroups = 4, .block_keys = 64},
    AttentionTile{.matrix = Matrix::khr, .subgroups = 8, .block_keys = 32},
    AttentionTile{.matrix = Matrix::khr, .subgroups = 4, .block_keys = 32},
    AttentionTile{.matrix = Matrix::plain, .subgroups = 4, .block_keys = 32},
    AttentionTile{.matrix = Matrix::plain, .subgroups = 2, .block_keys = 32},
};
// Tiles round to halves, as those of products do, and so few tokens keep to float arithmetic there too (takes_tiles).
constexpr std::uint32_t kMostInFloat = 8;
constexpr std::uint32_t kGroupsWanted = 96;  // workgroups that leave no large GPU half idle

}  // namespace

bool runs_attention_matrix(const KernelRecorder& kernels, Matrix matrix) {
  const gpu::DeviceFacts& facts = kernels.facts();
  const bool cores = kernels.matrix_cores() && facts.subgroup >= 16;
  switch (matrix) {
    case Matrix::khr: return cores;
    case Matrix::nv2: return cores && facts.cooperative_matrix_2;
    case Matrix::plain: return !cores;
  }
  return false;
}

std::uint32_t AttentionTile::shared_bytes(std::uint32_t head_width) const {
  const std::uint32_t row = head_width * 2 + 16, keys_and_values = 2 * block_keys * row;
  switch (matrix) {
    case Matrix::nv2: return keys_and_values + subgroups * 1024;
    case Matrix::khr: return keys_and_values + subgroups * (1280 + 64 + 16 * (block_keys * 2 + 16));
    case Matrix::plain: break;
  }
  return keys_and_values + subgroups * 16 * (row + block_keys * 2 + 4);
}

bool runs_attention_tile(const KernelRecorder& kernels, const AttentionTile& tile, const AttentionShape& shape) {
  const gpu::DeviceFacts& facts = kernels.facts();
  return !kernels.cpu_form() && runs_attention_matrix(kernels, tile.matrix) && facts.subgroup >= 8 && facts.subgroup <= 64 &&
         shape.head_width % 16 == 0 && shape.query_heads / shape.kv_heads % tile.heads == 0 &&
         (tile.listed > 0 ? tile.subgroups * tile.fragment_heads() >= tile.heads : tile.subgroups % tile.heads == 0) && tile.block_keys % shader::kPageKeys == 0 &&
         tile.shared_bytes(shape.head_width) <= facts.shared_memory_bytes &&
         tile.subgroups <= facts.max_workgroup_subgroups && tile.subgroups * facts.subgroup <= facts.max_workgroup_invocations;
}

AttentionTile with_heads(AttentionTile tile, const AttentionShape& shape) {
  tile.heads = 8;
  while (shape.query_heads / shape.kv_heads % tile.heads != 0 || tile.subgroups % tile.heads != 0) tile.heads /= 2;
  return tile;
}

AttentionTile over_lists(AttentionTile tile, const AttentionShape& shape) {
  tile.listed = shape.tile_rows;
  tile.heads = tile.subgroups * tile.fragment_heads();
  while (shape.query_heads / shape.kv_heads % tile.heads != 0) --tile.heads;
  return tile;
}

std::vector<AttentionTile> attention_tiles(const KernelRecorder& kernels, const AttentionShape& shape) {
  std::vector<AttentionTile> tiles;
  for (const AttentionTile& tile : kTiles)
    if (const AttentionTile of_heads = with_heads(tile, shape); runs_attention_tile(kernels, of_heads, shape))
      tiles.push_back(of_heads);
  return tiles;
}

AttentionTile attention_tile(const KernelRecorder& kernels, const AttentionShape& shape) {
  AttentionTile chosen;
  if (shape.tokens <= kMostInFloat) return chosen;
  for (const AttentionTile& tile : attention_tiles(kernels, shape)) {
    if (chosen.subgroups > 0 && tile.matrix != chosen.matrix) break;
    if (shape.listed_keys != 0) {  // the most heads, then the fewest subgroups
      if (const AttentionTile listed = over_lists(tile, shape); listed.heads >= chosen.heads) chosen = listed;
      continue;
    }
    chosen = tile;
    const std::uint32_t groups = shape.query_heads / tile.heads * ((shape.tokens + tile.tokens() - 1) / tile.tokens());
    if (groups >= kGroupsWanted) break;
  }
  return chosen;
}

}  // namespace fovea
