// Attention kernels: rotary positions and the KV write, prefill and decode attention, exact rows for the trace. Each comes
// for every kind of cache; another type is an error (ErrorCode::unsupported).
#pragma once

#include <optional>

#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/attention.h"
#include "shaders/interface/sparse_attention.h"

namespace fovea {
enum class AttentionMatrix : std::uint8_t;  // engine/kernels/attention_tile.hpp

// Shape of a layer's attention and where its operands are.
struct AttentionShape {
  std::uint32_t query_heads = 0, kv_heads = 0, head_width = 0;
  std::uint32_t tokens = 1;        // room of the plan
  std::uint32_t layer_offset = 0;  // bytes in a page
  std::uint64_t pages = 0;         // page table
  // Attention alone: uint (slots), the keys in each list of pages where `pages` are lists, `table_stride` entries apart
  // (engine/kernels/sparse_attention.hpp); 0: all keys of one table.
  std::uint64_t listed_keys = 0;
  std::uint32_t table_stride = 0;
  std::uint32_t tile_rows = shader::kTileRows;  // queries of a prompt that share a choice of pages, and its list: a power of two up to 16
  std::uint64_t state = 0;
  DType kv = DType::F16;           // of the cache: F16 or Q8_0
  bool tiered = false;             // of the cache: f16 and far pages (shaders/interface/kv_tiers.h); kv is F16
};

// The variant of a shader with a KV axis for the cache: `first` is the one for F16, those for Q8_0 and tiers follow.
[[nodiscard]] Result<ShaderId> kv_variant(ShaderId first, const AttentionShape& shape);

struct RopeStoreArgs {
  AttentionShape shape;
  std::uint64_t qkv = 0, query = 0, query_norm = 0, key_norm = 0, turns = 0;
  std::uint32_t qkv_stride = 0, rope_width = 0;
  bool halves = true;
  std::uint32_t norm = 0;  // 0 none, 1 per head, 2 over all heads
  float epsilon = 0;
  std::uint64_t last_query = 0;  // record_rope_store: where the last token's rotated queries are left once more, or 0
  enum class Part : std::uint8_t { all, queries, keys_and_values } part = Part::all;  // of record_rope_store
};
[[nodiscard]] Result<void> record_rope_store(KernelRecorder& kernels, const RopeStoreArgs& args);

struct AttentionArgs {
  AttentionShape shape;
  std::uint64_t query = 0;    // float (tokens, query_heads * head_width)
  std::uint64_t y = 0;        // float (tokens, y_stride); in_halves: half, as products in tiles read them (product_tile.hpp)
  std::uint32_t y_stride = 0;
  bool in_halves = false;     // of a shape that leaves_halves
  std::uint64_t values = 0;   // decode scratch: float (query_heads, splits, head_width)
  std::uint64_t partial = 0;  // decode scratch: float (query_heads, splits, 2)
  std::uint64_t sums = 0;     // float (tokens, query_heads, kRowSums): where rows leave their largest score and sum, or 0
};
[[nodiscard]] Result<void> record_attention_prefill(KernelRecorder& kernels, const AttentionArgs& args);
// Whether a prompt's attention can leave its output rounded to halves (those beyond 65504 as that).
[[nodiscard]] bool leaves_halves(const KernelRecorder& kernels, const AttentionShape& shape);
// Splits of the key range, a barrier, and their combination; one step where attention_splits is 1.
[[nodiscard]] Result<void> record_attention_decode(KernelRecorder& kernels, const AttentionArgs& args);
// Positions from which on it pays that the queries of a KV head share a workgroup.
inline constexpr std::uint32_t kDeepAttention = 2048;

// Attention of one token over a cache of f16 with the queries of a KV head as rows of matrices, on matrix cores
// (GL_NV_cooperative_matrix2) or, for tests, without.
struct RopeAttentionTile {
  AttentionMatrix matrix{};
  std::uint32_t subgroups = 0;  // of a workgroup; 0: not as matrices
};
// Whether the device runs it in the recorder's form, for heads of this shape and so many splits.
[[nodiscard]] bool runs_rope_attention_tile(const KernelRecorder& kernels, const RopeAttentionTile& tile, const AttentionShape& shape,
                                            std::uint32_t splits);
// Whether the steps of a token with attention of this shape gain by following one another by counts (KernelRecorder::chains): where
// four query heads or more share a KV head.
[[nodiscard]] bool gains_by_chained_steps(const KernelRecorder& kernels, const AttentionShape& shape);

// Norm, rotation, KV write and attention of one token in one step, for a recorder that folds steps.
struct RopeAttentionArgs {
  RopeStoreArgs rope;         // its `query`: where rotated queries are left, or 0
  std::uint64_t y = 0;        // float (query_heads * head_width); rounded: words
  bool rounded = false;       // writes words of 8 bits (engine/kernels/dot.hpp); asks for heads of a multiple of 32
  std::uint64_t values = 0;   // scratch: float (query_heads, splits, head_width rounded up to 8)
  std::uint64_t partial = 0;  // scratch: float (query_heads, splits, 2)
  std::uint64_t arrived = 0;  // scratch: uint (query_heads), zeros before and after
  std::uint32_t splits = 1;   // of the key range
  bool deep = false;          // keys are many: at kDeepAttention and more
  std::uint32_t heads = 0;        // query heads of a workgroup, a divisor of those of a KV head; 0: what suits
  std::uint32_t least_pages = 0;  // of a split; 0: what suits
  std::optional<bool> early;      // values are asked for before the scores are there; none: what suits
  std::optional<RopeAttentionTile> tile;  // none: what suits
};
[[nodiscard]] Result<void> record_rope_attention(KernelRecorder& kernels, const RopeAttentionArgs& args);
// Whether this device has the shared memory for it; else the steps stay apart.
[[nodiscard]] bool takes_rope_attention(const KernelRecorder& kernels, const AttentionShape& shape);

// How many splits decode uses on this device; the scratch above is sized by it.
[[nodiscard]] std::uint32_t attention_splits(const gpu::DeviceFacts& facts, std::uint32_t kv_heads);
// Those of attention in one step: of few keys (not `deep`) no more than find any.
[[nodiscard]] std::uint32_t rope_attention_splits(const gpu::DeviceFacts& facts, std::uint32_t kv_heads, bool deep);

struct AttentionRowsArgs {
  AttentionShape shape;
  std::uint64_t query = 0;
  std::uint64_t heads = 0;   // uint (slots)
  std::uint64_t rows = 0;    // half (slots, tokens_capacity, row_stride)
  std::uint32_t slots = 0, row_stride = 0, tokens_capacity = 0;
};
[[nodiscard]] Result<void> record_attention_rows(KernelRecorder& kernels, const AttentionRowsArgs& args);

}  // namespace fovea
