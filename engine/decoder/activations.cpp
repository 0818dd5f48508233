#include "engine/decoder/activations.hpp"

#include <algorithm>

#include "engine/kernels/attention.hpp"
#include "engine/kernels/dot.hpp"
#include "engine/kernels/experts.hpp"
#include "engine/kernels/product_tile.hpp"
#include "engine/kernels/token_layer.hpp"
#include "engine/tensor/eight_rows.hpp"

namespace fovea {
namespace {

std::uint32_t padded(std::uint32_t floats) { return (floats + 3) / 4 * 4; }

constexpr std::uint64_t kDispatchBytes = 2 * 3 * sizeof(std::uint32_t);

}  // namespace

std::uint64_t Activations::lay_out(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint64_t base) {
  const bool mixture = config.mixture();
  const std::uint64_t slots = mixture ? config.experts_used : 1;
  strides.width = padded(config.width);
  strides.query = config.query_heads * config.head_width;
  strides.attended = padded(strides.query);
  strides.qkv = padded((config.query_heads + 2 * config.kv_heads) * config.head_width);
  strides.router = padded(config.experts);
  strides.hidden = padded(mixture ? config.expert_feed_forward : config.feed_forward);

  std::uint64_t at = base;
  const auto take = [&at](std::uint64_t& address, std::uint64_t elements) {
    address = at;
    at += (elements * sizeof(float) + 255) / 256 * 256;
  };
  const std::uint64_t tokens = batch, splits = attention_splits(facts, config.kv_heads);
  take(x, tokens * strides.width);
  take(normed, tokens * strides.width);
  // What attention leaves is read for the last time by its output product, before the experts' first: they share their room.
  const std::uint64_t shared = at;
  take(qkv, tokens * strides.qkv);
  take(query, tokens * strides.query);
  take(attended, tokens * strides.attended);
  const std::uint64_t attention_end = at;
  at = shared;
  take(hidden, tokens * slots * strides.hidden);
  if (mixture) take(partial, std::max(tokens * slots, slots + 1) * strides.width);
  at = std::max(at, attention_end);
  take(split_values, config.query_heads * splits * ((config.head_width + 7) / 8 * 8));
  take(split_partial, config.query_heads * splits * 2);
  take(split_arrived, config.query_heads);
  if (facts.cpu) take(lane_sums, attention_layer_bytes(config.kv_heads, strides.width) / sizeof(float));
  const std::uint64_t of_layers = facts.cpu && mixture ? token_layers_bytes({.layers = config.layers, .query_heads = config.query_heads, .kv_heads = config.kv_heads, .head_width = config.head_width,
                                                                            .width = config.width, .experts = config.experts, .slots = config.experts_used, .hidden = config.expert_feed_forward}) : 0;
  if (of_layers > 0) take(token_layers, of_layers / sizeof(float));
  if (mixture) {
    take(router, tokens * strides.router);
    take(router_parts, std::uint64_t{config.width / 16} * config.experts);
    take(experts, config.layers * tokens * slots);
    take(expert_weights, config.layers * tokens * slots);
    take(sorted, tokens * slots);
    take(tiles, std::uint64_t{most_tiles(batch, config.experts_used, config.experts)} * 3);
  }
  take(halves, tokens * std::max(strides.width, strides.attended) / 2);
  // The largest dense product: of attention's output, or gate and up together.
  unpacked.bytes = unpacked_bytes(facts, batch, std::uint64_t{config.width} * std::max(strides.query, mixture ? 0 : 2 * config.feed_forward));
  take(unpacked.address, unpacked.bytes / sizeof(float));
  take(logits, std::uint64_t{logit_rows} * config.vocabulary);
  take(words, std::max<std::uint64_t>(q8_words(std::max(strides.width, strides.attended) + 31), slots * q8_words(strides.hidden + 31)));
  take(residual_words, q8_words(strides.width + 31));
  take(attended_words, q8_words(strides.attended + 31));
  if (facts.cpu) take(output_words, eight_input_bytes(config.width) / sizeof(float));
  return at - base;
}

std::uint64_t Activations::bytes(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t batch,
                                 std::uint32_t logit_rows) {
  Activations plan;
  plan.batch = batch;
  plan.logit_rows = logit_rows;
  return plan.lay_out(facts, config, 0) + kDispatchBytes;
}

Result<Activations> Activations::create(gpu::Device& device, const ModelConfig& config, std::uint32_t batch,
                                        std::uint32_t logit_rows) {
  Activations result;
  result.batch = batch;
  result.logit_rows = logit_rows;
  FOVEA_ASSIGN(result.buffer_, device.create_buffer(bytes(device.facts(), config, batch, logit_rows), gpu::MemoryUse::compute));
  FOVEA_ASSIGN(result.dispatch_, device.create_buffer(kDispatchBytes, gpu::MemoryUse::compute));
  result.lay_out(device.facts(), config, result.buffer_.address());
  return result;
}

}  // namespace fovea
