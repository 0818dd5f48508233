// Prompt attention in tiles of shared memory (shaders/attention/attention_tile.comp): which shapes take them, and how the
// queries are cut.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/kernels/attention.hpp"
#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

// What multiplies a tile's fragments (shaders/include/attention_fragments.glsl).
enum class AttentionMatrix : std::uint8_t { khr, nv2, plain };

// A workgroup's share of the queries, in fragments of 16.
struct AttentionTile {
  AttentionMatrix matrix = AttentionMatrix::plain;
  std::uint32_t subgroups = 0, row_fragments = 1;  // fragments of a subgroup
  std::uint32_t block_keys = 32;
  bool queries_stay = true;  // in shared memory, else in registers
  std::uint32_t heads = 1;   // query heads of one KV head whose queries of the same tokens are taken together

  [[nodiscard]] std::uint32_t fragments() const { return subgroups * row_fragments; }
  [[nodiscard]] std::uint32_t tokens() const { return 16 * fragments() / heads; }
  [[nodiscard]] std::uint32_t shared_bytes(std::uint32_t head_width) const;
};

// The tiles that the device runs in the recorder's form. None: the shape, or the form for CPU drivers, takes
// attention_prefill.
[[nodiscard]] std::vector<AttentionTile> attention_tiles(const KernelRecorder& kernels, const AttentionShape& shape);
// Of these the one to take for the shape's number of tokens; `subgroups` 0: none.
[[nodiscard]] AttentionTile attention_tile(const KernelRecorder& kernels, const AttentionShape& shape);
// Queries and rows of y start at multiples of 16 bytes.
[[nodiscard]] Result<void> record_attention_tile(KernelRecorder& kernels, const AttentionTile& tile, const AttentionArgs& args);

}  // namespace fovea
