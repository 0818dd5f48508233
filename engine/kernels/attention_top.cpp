#include "engine/kernels/attention_top.hpp"

#include <algorithm>
#include <cmath>

#include "shaders/interface/attention_top.h"

namespace fovea {
namespace {

constexpr std::uint64_t kMostScoreBytes = 64u << 20;

// Rows whose scores are kept at a time.
std::uint32_t rows_together(std::uint32_t query_heads, std::uint32_t keys, std::uint32_t tokens) {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kMostScoreBytes / (std::uint64_t{query_heads} * keys * sizeof(float)), 1, tokens));
}

}  // namespace

std::uint64_t attention_top_bytes(std::uint32_t query_heads, std::uint32_t keys, std::uint32_t tokens) {
  return std::uint64_t{rows_together(query_heads, keys, tokens)} * query_heads * keys * sizeof(float);
}

Result<void> record_attention_top(KernelRecorder& kernels, const AttentionTopArgs& args) {
  const AttentionShape& shape = args.shape;
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::attention_top_F16, shape));
  shader::AttentionTopPush push{.query = args.query, .pages = shape.pages, .scores = args.scores, .y = args.y, .state = shape.state,
                                .layer_offset = shape.layer_offset, .query_heads = shape.query_heads, .kv_heads = shape.kv_heads,
                                .y_stride = args.y_stride, .room = args.keys, .keep = args.keep,
                                .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_width))};
  const std::uint32_t together = rows_together(shape.query_heads, args.keys, shape.tokens);
  for (std::uint32_t first = 0; first < shape.tokens; first += together) {
    if (first > 0) kernels.plan().barrier();
    push.first_token = first;
    FOVEA_TRY(kernels.dispatch(id, {kernels.subgroup(), shape.head_width, kernels.subgroup()}, push, std::min(together, shape.tokens - first), shape.query_heads));
  }
  return {};
}

}  // namespace fovea
