// Prompt attention in tiles of shared memory (shaders/attention/attention_tile.comp): which shapes take them, and how the
// queries are cut.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/kernels/attention.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/sparse_attention.h"

namespace fovea {

// What multiplies a tile's fragments (shaders/include/attention_fragments.glsl).
enum class AttentionMatrix : std::uint8_t { khr, nv2, plain };

// A workgroup's share of the queries: a fragment of 16 for each subgroup.
struct AttentionTile {
  AttentionMatrix matrix = AttentionMatrix::plain;
  std::uint32_t subgroups = 0;
  std::uint32_t block_keys = 0;
  std::uint32_t heads = 1;  // query heads of one KV head whose queries of the same tokens are taken together
  // Tokens that share a list of pages, 16 or a power of two below, by which keys then come: a fragment holds them of 16 / listed heads; subgroups
  // beyond the heads bring keys. 0: all keys.
  std::uint32_t listed = 0;

  [[nodiscard]] std::uint32_t tokens() const { return listed > 0 ? listed : 16 * subgroups / heads; }
  [[nodiscard]] std::uint32_t fragment_heads() const { return listed > 0 ? 16 / listed : 1; }
  [[nodiscard]] std::uint32_t shared_bytes(std::uint32_t head_width) const;
};

// Whether the device runs it in the recorder's form, for heads of this shape.
[[nodiscard]] bool runs_attention_tile(const KernelRecorder& kernels, const AttentionTile& tile, const AttentionShape& shape);
// The same tile over as many heads at once as the shape allows, so that few tokens fill it.
[[nodiscard]] AttentionTile with_heads(AttentionTile tile, const AttentionShape& shape);
// Whether the device has the matrices in the recorder's form.
[[nodiscard]] bool runs_attention_matrix(const KernelRecorder& kernels, AttentionMatrix matrix);
// The tiles of choice that the device runs in the recorder's form: the fastest kind of fragments first, of a kind the
// largest. None: the shape, or the form for CPU drivers, takes attention_prefill.
[[nodiscard]] std::vector<AttentionTile> attention_tiles(const KernelRecorder& kernels, const AttentionShape& shape);
// The same tile over lists of pages.
[[nodiscard]] AttentionTile over_lists(AttentionTile tile, const AttentionShape& shape);
// The one to take for the shape's number of tokens and kind of keys; `subgroups` 0: none, also for 8 tokens and fewer, which
// a GPU multiplies in float. Of all pages in order, lists give the same bits: a query's sums depend on the kind of fragments
// and the keys of a block alone, and those are the same.
[[nodiscard]] AttentionTile attention_tile(const KernelRecorder& kernels, const AttentionShape& shape);
// Queries and rows of y start at multiples of 16 bytes.
[[nodiscard]] Result<void> record_attention_tile(KernelRecorder& kernels, const AttentionTile& tile, const AttentionArgs& args);

}  // namespace fovea
