#include "engine/kernels/attention_tile.hpp"

#include <array>
#include <span>

#include "shaders/interface/kv_page.h"

namespace fovea {
namespace {

using Matrix = AttentionMatrix;

constexpr std::array kMatrixCoreTiles{
    AttentionTile{.subgroups = 4, .row_fragments = 1, .block_keys = 64, .queries_stay = false},
    AttentionTile{.subgroups = 4, .row_fragments = 1, .block_keys = 32, .queries_stay = false},
    AttentionTile{.subgroups = 4, .row_fragments = 1, .block_keys = 32, .queries_stay = true},
    AttentionTile{.subgroups = 8, .row_fragments = 1, .block_keys = 64, .queries_stay = false},
    AttentionTile{.subgroups = 8, .row_fragments = 1, .block_keys = 32, .queries_stay = false},
    AttentionTile{.subgroups = 4, .row_fragments = 2, .block_keys = 32, .queries_stay = false},
    AttentionTile{.subgroups = 2, .row_fragments = 2, .block_keys = 32, .queries_stay = false},
    AttentionTile{.subgroups = 2, .row_fragments = 2, .block_keys = 32, .queries_stay = true},
};
constexpr std::array kPlainTiles{
    AttentionTile{.subgroups = 4, .row_fragments = 1, .block_keys = 32},
    AttentionTile{.subgroups = 2, .row_fragments = 2, .block_keys = 32},
    AttentionTile{.subgroups = 2, .row_fragments = 1, .block_keys = 64},
    AttentionTile{.subgroups = 2, .row_fragments = 1, .block_keys = 32},
};

bool fits(const gpu::DeviceFacts& facts, const AttentionTile& tile, std::uint32_t head_width) {
  return tile.shared_bytes(head_width) <= facts.shared_memory_bytes && tile.subgroups <= facts.max_workgroup_subgroups &&
         tile.subgroups * facts.subgroup <= facts.max_workgroup_invocations;
}

}  // namespace

std::uint32_t AttentionTile::shared_bytes(std::uint32_t head_width) const {
  const std::uint32_t row = head_width * 2 + 16, rows = 2 * block_keys + (queries_stay ? 16 * fragments() : 0);
  const std::uint32_t stage = matrix == Matrix::plain ? 0 : subgroups * 1280;
  const std::uint32_t weights = matrix == Matrix::nv2   ? 0
                                : matrix == Matrix::khr ? fragments() * 16 * (block_keys * 2 + 16) + subgroups * 64
                                                        : fragments() * 16 * (block_keys * 2 + 4);
  return rows * row + stage + weights;
}

std::vector<AttentionTile> attention_tiles(const KernelRecorder& kernels, const AttentionShape& shape) {
  const gpu::DeviceFacts& facts = kernels.facts();
  std::vector<AttentionTile> tiles;
  if (kernels.cpu_form() || shape.head_width % 16 != 0 || facts.subgroup < 8 || facts.subgroup > 64) return tiles;
  const bool cores = kernels.matrix_cores() && facts.subgroup >= 16;
  const std::uint32_t group = shape.query_heads / shape.kv_heads;
  const auto add = [&](std::span<const AttentionTile> from, Matrix matrix) {
    for (AttentionTile tile : from)
      for (tile.heads = 8; tile.heads > 0; tile.heads /= 2) {
        tile.matrix = matrix;
        if (group % tile.heads == 0 && tile.fragments() % tile.heads == 0 && fits(facts, tile, shape.head_width))
          tiles.push_back(tile);
      }
  };
  if (cores && facts.cooperative_matrix_2) add(kMatrixCoreTiles, Matrix::nv2);
  if (cores) add(kMatrixCoreTiles, Matrix::khr);
  if (!cores) add(kPlainTiles, Matrix::plain);
  return tiles;
}

AttentionTile attention_tile(const KernelRecorder& kernels, const AttentionShape& shape) {
  const std::vector<AttentionTile> tiles = attention_tiles(kernels, shape);
  return tiles.empty() ? AttentionTile{} : tiles.front();
}

}  // namespace fovea
