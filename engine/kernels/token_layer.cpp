#include "engine/kernels/token_layer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <thread>

#include "engine/kernels/row_streams.hpp"
#include "shaders/interface/token_layer.h"

namespace fovea {
namespace {

constexpr std::uint32_t kTile = 256, kMostColumns = 2 * kTile;  // that a lane keeps of a row (shaders/include/row_products.glsl)
constexpr std::uint32_t kExpertGroups = 2;

// Rows that follow one another without room between them, short enough for lanes to keep all of the activations.
bool whole_rows(const KernelRecorder& kernels, const DeviceMatrix& matrix) {
  return kernels.facts().cpu && kernels.subgroup() == 8 && streams_rows(kernels, matrix, 1) && matrix.columns % kTile == 0 &&
         matrix.columns <= kMostColumns && matrix.row_bytes == row_bytes(matrix.type, matrix.columns);
}

ShaderId streamed_shader(ShaderId first, DType type) {
  constexpr std::array kOrder{DType::F32, DType::Q8_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};
  return static_cast<ShaderId>(static_cast<std::uint16_t>(first) + (std::ranges::find(kOrder, type) - kOrder.begin()));
}

}  // namespace

bool shares_cores_evenly(std::uint32_t workgroups) {
  const std::uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  return workgroups % cores == 0;
}

std::uint64_t attention_layer_bytes(std::uint32_t kv_heads, std::uint32_t width) { return std::uint64_t{kv_heads} * width * 8 * sizeof(float); }

bool runs_attention_layer(const KernelRecorder& kernels, const RopeStoreArgs& rope, const DeviceMatrix& projections,
                          const DeviceMatrix& output, const DeviceMatrix& router) {
  const AttentionShape& shape = rope.shape;
  constexpr std::uint32_t kNormAllHeads = 2;
  return shape.tokens == 1 && sizeof(shader::AttentionLayerPush) <= kernels.facts().max_push_constant_bytes && takes_rope_attention(kernels, shape) && rope.norm != kNormAllHeads && whole_rows(kernels, projections) &&
         whole_rows(kernels, output) && output.type == projections.type && output.columns == projections.columns && output.rows == output.columns &&
         shape.query_heads * shape.head_width == output.columns && shape.query_heads / shape.kv_heads * shape.head_width % kTile == 0 &&
         projections.rows == (shape.query_heads + 2 * shape.kv_heads) * shape.head_width && takes_router_token(kernels, router) &&
         router.columns == output.rows;
}

Result<void> record_attention_layer(KernelRecorder& kernels, const AttentionLayerArgs& args) {
  const RopeStoreArgs& rope = args.rope;
  const AttentionShape& shape = rope.shape;
  const RouterArgs& choice = args.router.choice;
  const FoldedPolicy& policy = args.router.policy;
  const shader::AttentionLayerPush push{
      .x = args.x, .norm = args.norm.weight, .projections = args.projections.address, .qkv = rope.qkv, .query = rope.query, .pages = shape.pages,
      .query_norm = rope.query_norm, .key_norm = rope.key_norm, .turns = rope.turns, .y = args.attended, .state = shape.state,
      .listed_keys = shape.listed_keys, .output_rows = args.output.address, .sums = args.sums, .arrived = args.arrived,
      .feed_norm = args.router.norm.weight, .router = args.router.router.address, .logits = choice.logits, .experts = choice.experts,
      .weights = choice.weights, .memory = policy.memory, .facts = policy.facts, .layer_offset = shape.layer_offset,
      .query_heads = shape.query_heads, .kv_heads = shape.kv_heads, .epsilon = args.norm.epsilon, .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_width)),
      .table_stride = shape.table_stride};
  return kernels.dispatch(streamed_shader(ShaderId::attention_layer_F32, args.output.type),
                          {kernels.subgroup(), shape.head_width, shape.query_heads / shape.kv_heads, args.output.columns, rope.rope_width,
                           rope.halves ? 1u : 0u, rope.norm, choice.expert_count, choice.slots, choice.normalize ? 1u : 0u,
                           args.router.by_policy ? 1u : 0u, policy.count, policy.load, policy.remembers ? 1u : 0u},
                          push, shape.kv_heads);
}

bool runs_expert_layer(const KernelRecorder& kernels, const DeviceMatrix& gate, const DeviceMatrix& down) {
  return whole_rows(kernels, gate) && whole_rows(kernels, down) && gate.type == down.type && down.rows == gate.columns &&
         gate.rows == down.columns && down.columns <= gate.columns;
}

Result<void> record_expert_layer(KernelRecorder& kernels, const ExpertBatch& batch, const ExpertLayerArgs& args) {
  const shader::ExpertLayerPush push{.x = args.x, .feed_norm = args.norm.weight, .gate = args.gate.address, .up = args.up.address,
                                     .down = args.down.address, .act = args.act, .partial = args.partial, .experts = batch.experts,
                                     .weights = batch.weights, .arrived = args.arrived, .gate_bytes_low = args.gate.matrix_bytes_low(),
                                     .gate_bytes_high = args.gate.matrix_bytes_high(), .down_bytes_low = args.down.matrix_bytes_low(),
                                     .down_bytes_high = args.down.matrix_bytes_high(), .epsilon = args.norm.epsilon};
  return kernels.dispatch(streamed_shader(ShaderId::expert_layer_F32, args.gate.type),
                          {kernels.subgroup(), args.gate.columns, args.down.columns, batch.slots}, push, kExpertGroups);
}

}  // namespace fovea
