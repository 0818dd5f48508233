// Attention over the share of a row's keys that has the largest weights, of every query head for itself: exact, at the price of
// every score. Twins: engine/reference/sparse_attention (most_important_keys), engine/reference/attention.
#pragma once

#include "engine/kernels/attention.hpp"

namespace fovea {

// Scratch for prompts of up to `tokens` per batch in a context of `keys`.
[[nodiscard]] std::uint64_t attention_top_bytes(std::uint32_t query_heads, std::uint32_t keys, std::uint32_t tokens);

struct AttentionTopArgs {
  AttentionShape shape;         // of all keys
  std::uint64_t query = 0;      // float (tokens, query_heads * head_width): rotated
  std::uint64_t y = 0;          // float (tokens, y_stride)
  std::uint64_t scores = 0;     // attention_top_bytes(); layers take turns
  std::uint32_t y_stride = 0;
  std::uint32_t keys = 0;       // of the context
  std::uint32_t keep = 300'000; // of a row's keys, in millionths, rounded up; one at least
};
// All of the batch's keys must be there. Long prompts are taken some rows at a time, one step after another.
[[nodiscard]] Result<void> record_attention_top(KernelRecorder& kernels, const AttentionTopArgs& args);

}  // namespace fovea
