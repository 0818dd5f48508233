#include "engine/kernels/token_layer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "engine/kernels/row_streams.hpp"
#include "shaders/interface/token_layer.h"

namespace fovea {
namespace {

constexpr std::uint32_t kTile = 256, kMostColumns = 2 * kTile;  // that a lane keeps of a row (shaders/include/row_products.glsl)
constexpr std::uint32_t kExpertGroups = 2, kTokenGroups = 2;
constexpr std::array kStreamed{DType::F32, DType::Q8_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};  // in the order of shaders/CMakeLists.txt

// Rows that follow one another without room between them, short enough for lanes to keep all of the activations.
bool whole_rows(const KernelRecorder& kernels, const DeviceMatrix& matrix) {
  return kernels.facts().cpu && kernels.subgroup() == 8 && streams_rows(kernels, matrix, 1) && matrix.columns % kTile == 0 &&
         matrix.columns <= kMostColumns && matrix.row_bytes == row_bytes(matrix.type, matrix.columns);
}

ShaderId streamed_shader(ShaderId first, DType type) {
  return static_cast<ShaderId>(static_cast<std::uint16_t>(first) + (std::ranges::find(kStreamed, type) - kStreamed.begin()));
}

// Where things are in the scratch of all layers.
struct TokenScratch {
  std::uint64_t marks = 0, table = 0, rooms = 0, room_bytes = 0, sums = 0, layer_sums = 0, partial = 0, layer_partial = 0, qkv = 0, layer_qkv = 0, left = 0, layer_left = 0, bytes = 0;

  explicit TokenScratch(const TokenLayersShape& s) {
    const auto take = [this](std::uint64_t wanted) { return std::exchange(bytes, (bytes + wanted + 255) / 256 * 256); };
    marks = take((shader::kMarkHead + std::uint64_t{s.layers} * (shader::kAttentionSteps * s.kv_heads + shader::kMarksBehind)) * sizeof(std::uint32_t));
    table = take(s.layers * sizeof(shader::TokenLayer));
    room_bytes = (token_room_floats(s) * sizeof(float) + 255) / 256 * 256;
    rooms = take(kTokenGroups * room_bytes);
    layer_sums = attention_layer_bytes(s.kv_heads, s.width);
    sums = take(s.layers * layer_sums);
    layer_partial = std::uint64_t{s.slots + 1} * s.width * sizeof(float);
    partial = take(s.layers * layer_partial);
    layer_qkv = std::uint64_t{s.query_heads + 2 * s.kv_heads} * s.head_width * sizeof(float);
    qkv = take(s.layers * layer_qkv);
    layer_left = std::uint64_t{2} * s.query_heads * (s.head_width + 2) * sizeof(float);
    left = take(s.layers * layer_left);
  }

 private:
  // As token_layers.comp counts: the residual, attention's output, a choice, logits, hidden rows.
  static std::uint64_t token_room_floats(const TokenLayersShape& s) {
    return std::uint64_t{2} * s.width + (s.slots + 7) / 8 * 16 + (s.experts + 15) / 16 * 16 + std::uint64_t{s.slots} * s.hidden;
  }
};

TokenLayersShape shape_of(const TokenLayersArgs& args) {
  const TokenLayerArgs& first = args.layers.front();
  const AttentionShape& heads = first.attention.rope.shape;
  return {.layers = static_cast<std::uint32_t>(args.layers.size()), .query_heads = heads.query_heads, .kv_heads = heads.kv_heads, .head_width = heads.head_width,
          .width = first.attention.output.columns, .experts = first.attention.router.choice.expert_count, .slots = first.batch.slots, .hidden = first.experts.down.columns};
}

std::optional<ShaderId> token_shader(DType attention, DType experts) {
  using enum ShaderId;
  constexpr std::array kOfQ8{token_layers_Q8_0_F32, token_layers_Q8_0_Q8_0, token_layers_Q8_0_Q4_K, token_layers_Q8_0_Q5_K, token_layers_Q8_0_Q6_K};
  constexpr std::array kOfOne{token_layers_F32_F32, token_layers_Q8_0_Q8_0, token_layers_Q4_K_Q4_K, token_layers_Q5_K_Q5_K, token_layers_Q6_K_Q6_K};
  const auto at = static_cast<std::size_t>(std::ranges::find(kStreamed, experts) - kStreamed.begin());
  if (at == kStreamed.size()) return std::nullopt;
  if (attention == DType::Q8_0) return kOfQ8.at(at);
  return attention == experts ? std::optional(kOfOne.at(at)) : std::nullopt;
}

std::vector<std::uint32_t> attention_constants(const KernelRecorder& kernels, const AttentionLayerArgs& args) {
  const RopeStoreArgs& rope = args.rope;
  const AttentionShape& shape = rope.shape;
  const RouterArgs& choice = args.router.choice;
  const FoldedPolicy& policy = args.router.policy;
  return {kernels.subgroup(), shape.head_width, shape.query_heads / shape.kv_heads, args.output.columns, rope.rope_width,
          rope.halves ? 1u : 0u, rope.norm, choice.expert_count, choice.slots, choice.normalize ? 1u : 0u,
          args.router.by_policy ? 1u : 0u, policy.count, policy.load, policy.remembers ? 1u : 0u};
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
  return kernels.dispatch(streamed_shader(ShaderId::attention_layer_F32, args.output.type), attention_constants(kernels, args), push, shape.kv_heads);
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

std::uint64_t token_layers_bytes(const TokenLayersShape& shape) {
  const bool suits = shape.layers > 0 && shape.kv_heads % kTokenGroups == 0 && shape.width <= kMostColumns && shape.hidden <= shape.width;
  return suits ? TokenScratch(shape).bytes : 0;
}

bool runs_token_layers(const TokenLayersArgs& args) {
  if (args.layers.empty() || args.scratch == nullptr) return false;
  const AttentionLayerArgs& first = args.layers.front().attention;
  const auto same = [&](const TokenLayerArgs& layer) {
    const AttentionLayerArgs& a = layer.attention;
    const FoldedPolicy &policy = a.router.policy, &of_first = first.router.policy;
    return a.output.type == first.output.type && layer.experts.gate.type == args.layers.front().experts.gate.type && layer.experts.down.columns == args.layers.front().experts.down.columns &&
           a.rope.norm == first.rope.norm && a.router.by_policy == first.router.by_policy && policy.count == of_first.count && policy.load == of_first.load && policy.remembers == of_first.remembers;
  };
  return first.rope.shape.kv_heads % kTokenGroups == 0 && token_shader(first.output.type, args.layers.front().experts.gate.type) && std::ranges::all_of(args.layers, same);
}

void record_token_table(KernelRecorder& kernels, const TokenLayersArgs& args) {
  const TokenScratch at(shape_of(args));
  const std::uint64_t base = args.scratch->address() + args.offset;
  std::vector<shader::TokenLayer> table;
  for (const TokenLayerArgs& layer : args.layers) {
    const AttentionLayerArgs& a = layer.attention;
    const ExpertLayerArgs& e = layer.experts;
    const std::uint64_t n = table.size();
    shader::TokenLayer row{};
    row.norm = a.norm.weight;
    row.projections = a.projections.address;
    row.query = a.rope.query;
    row.pages = a.rope.shape.pages;
    row.query_norm = a.rope.query_norm;
    row.key_norm = a.rope.key_norm;
    row.listed_keys = a.rope.shape.listed_keys;
    row.output_rows = a.output.address;
    row.sums = base + at.sums + n * at.layer_sums;
    row.qkv = base + at.qkv + n * at.layer_qkv;
    row.left = base + at.left + n * at.layer_left;
    row.feed_norm = a.router.norm.weight;
    row.router = a.router.router.address;
    row.memory = a.router.policy.memory;
    row.facts = a.router.policy.facts;
    row.gate = e.gate.address;
    row.up = e.up.address;
    row.down = e.down.address;
    row.partial = base + at.partial + n * at.layer_partial;
    row.traced_experts = layer.batch.experts;
    row.traced_weights = layer.batch.weights;
    row.layer_offset = a.rope.shape.layer_offset;
    row.table_stride = a.rope.shape.table_stride;
    row.gate_bytes_low = e.gate.matrix_bytes_low();
    row.gate_bytes_high = e.gate.matrix_bytes_high();
    row.down_bytes_low = e.down.matrix_bytes_low();
    row.down_bytes_high = e.down.matrix_bytes_high();
    table.push_back(row);
  }
  kernels.plan().write(*args.scratch, args.offset + at.table, std::as_bytes(std::span(table)));
}

Result<void> record_token_layers(KernelRecorder& kernels, const TokenLayersArgs& args) {
  const TokenLayerArgs& first = args.layers.front();
  const RopeStoreArgs& rope = first.attention.rope;
  const TokenScratch at(shape_of(args));
  const std::uint64_t base = args.scratch->address() + args.offset;
  const shader::TokenLayersPush push{.layers = base + at.table, .x = args.x, .y = args.y, .room = base + at.rooms, .marks = base + at.marks, .turns = rope.turns,
                                     .state = rope.shape.state, .output_norm = args.output_norm, .output_words = args.output_words, .room_bytes = static_cast<std::uint32_t>(at.room_bytes), .layer_bytes = sizeof(shader::TokenLayer),
                                     .layer_count = static_cast<std::uint32_t>(args.layers.size()), .query_heads = rope.shape.query_heads, .kv_heads = rope.shape.kv_heads,
                                     .epsilon = rope.epsilon, .scale = 1.0f / std::sqrt(static_cast<float>(rope.shape.head_width))};
  std::vector<std::uint32_t> constants = attention_constants(kernels, first.attention);
  constants.push_back(first.experts.down.columns);
  const std::optional<ShaderId> shader = token_shader(first.attention.output.type, first.experts.gate.type);
  if (!shader) return fail(ErrorCode::internal, "All layers in one step", "there is no kernel for these types", "report this as a fault of the program");
  return kernels.dispatch(*shader, std::move(constants), push, args.workgroups);
}

}  // namespace fovea
