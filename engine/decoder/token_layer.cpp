// Layers of one token in two steps, on a CPU driver of few cores (engine/kernels/token_layer.hpp).
#include "engine/kernels/token_layer.hpp"

#include <utility>

#include "engine/decoder/forward_pass.hpp"

namespace fovea {

RopeStoreArgs ForwardPass::rope_of(const AttentionShape& shape, std::uint32_t layer) const {
  const DeviceLayer& w = weights.layers[layer];
  return {.shape = shape, .qkv = activations.qkv, .query = activations.query, .query_norm = w.query_norm, .key_norm = w.key_norm, .turns = weights.turns,
          .qkv_stride = activations.strides.qkv, .rope_width = config.rope_width, .halves = config.rope_layout == RopeLayout::halves,
          .norm = static_cast<std::uint32_t>(config.qk_norm), .epsilon = config.norm_epsilon};
}

RouterArgs ForwardPass::choice_of(std::uint32_t layer, std::uint32_t tokens) const {
  const std::uint64_t offset = std::uint64_t{layer} * tokens * config.experts_used * sizeof(std::uint32_t);
  return {.logits = activations.router, .experts = activations.experts + offset, .weights = activations.expert_weights + offset, .state = state,
          .stride = activations.strides.router, .expert_count = config.experts, .slots = config.experts_used, .tokens = tokens,
          .normalize = config.normalize_expert_weights};
}

RouterTokenArgs ForwardPass::router_token(std::uint32_t layer, std::uint64_t x, const FoldedNorm& norm) const {
  const RouterArgs choice = choice_of(layer, 1);
  return {.router = weights.layers[layer].router, .x = x, .norm = norm, .choice = choice,
          .policy = routing != nullptr ? routing->folded(layer, choice) : FoldedPolicy{}, .by_policy = routing != nullptr};
}

bool ForwardPass::takes_attention_layer(const KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture) const {
  const DeviceLayer& w = weights.layers[layer];
  return tokens == 1 && capture == nullptr && shares_cores_evenly(config.kv_heads) && chooses_in_router(kernels, tokens) &&
         (routing == nullptr || !routing->predicts()) && !top_share && cache.tiers() == nullptr &&
         (!is_sparse(layer) || (ahead && !selection->sees_periphery())) && w.qkv.size() == 1 && norms_in_rows(kernels, tokens, w.qkv.front()) &&
         !uses_dot(kernels, tokens, w.attention_output) &&
         runs_attention_layer(kernels, rope_of(attention_shape(layer, tokens), layer), w.qkv.front(), w.attention_output, w.router);
}

AttentionLayerArgs ForwardPass::attention_layer(std::uint32_t layer) const {
  const DeviceLayer& w = weights.layers[layer];
  const Activations& a = activations;
  const AttentionShape shape = attention_shape(layer, 1);
  RopeStoreArgs rope = rope_of(is_sparse(layer) ? selection->chosen(shape, layer, ahead) : shape, layer);
  const bool keeps = selection != nullptr && selection->chooses(layer) && selection->chooses_ahead();
  rope.query = keeps ? selection->kept_query(layer) : 0;
  return {.rope = rope, .projections = w.qkv.front(), .output = w.attention_output, .x = a.x, .norm = {.weight = w.attention_norm, .epsilon = config.norm_epsilon},
          .attended = a.attended, .sums = a.lane_sums, .arrived = a.split_arrived,
          .router = router_token(layer, a.x, {.weight = w.feed_forward_norm, .epsilon = config.norm_epsilon})};
}

Result<void> ForwardPass::record_attention_layer(KernelRecorder& kernels, std::uint32_t layer) const {
  kernels.plan().tag("attention and router");
  FOVEA_TRY(fovea::record_attention_layer(kernels, attention_layer(layer)));
  kernels.plan().barrier();
  return {};
}

ExpertLayerArgs ForwardPass::expert_layer(std::uint32_t layer) const {
  const DeviceLayer& w = weights.layers[layer];
  const Activations& a = activations;
  return {.gate = w.gate, .up = w.up, .down = w.down, .x = a.x, .norm = {.weight = w.feed_forward_norm, .epsilon = config.norm_epsilon}, .act = a.hidden,
          .partial = a.partial, .arrived = a.split_arrived};
}

std::optional<TokenLayersArgs> ForwardPass::token_layers(const KernelRecorder& kernels, std::uint32_t tokens, const CaptureLayout* capture) const {
  if (tokens != 1 || activations.token_layers == 0) return std::nullopt;
  TokenLayersArgs args{.x = activations.normed, .y = activations.x, .scratch = &activations.buffer(), .offset = activations.offset_of(activations.token_layers)};
  if (in_eights(kernels, 1)) {
    args.output_norm = weights.output_norm;
    args.output_words = activations.output_words;
  }
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    const RouterArgs choice = choice_of(layer, 1);
    const ExpertBatch batch{.mode = ExpertMode::direct, .slots = choice.slots, .experts = choice.experts, .weights = choice.weights};
    if (!takes_attention_layer(kernels, layer, 1, capture) || !takes_expert_layer(kernels, layer, batch)) return std::nullopt;
    args.layers.push_back({.attention = attention_layer(layer), .batch = batch, .experts = expert_layer(layer)});
  }
  return runs_token_layers(args) ? std::optional(std::move(args)) : std::nullopt;
}

bool ForwardPass::takes_expert_layer(const KernelRecorder& kernels, std::uint32_t layer, const ExpertBatch& batch) const {
  const DeviceLayer& w = weights.layers[layer];
  return batch.tokens == 1 && batch.mode == ExpertMode::direct && shares_cores_evenly(2) && norms_in_rows(kernels, 1, w.gate) &&
         !uses_dot(kernels, 1, w.down) && runs_expert_layer(kernels, w.gate, w.down);
}

}  // namespace fovea
