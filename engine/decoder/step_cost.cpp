#include "engine/decoder/step_cost.hpp"

#include "engine/tensor/eight_rows.hpp"
#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/kv_page.h"

namespace fovea {

TokenBytes token_bytes(const ModelConfig& config, const DeviceWeights& weights, DType kv) {
  const std::uint64_t norm = std::uint64_t{config.width} * sizeof(float);
  TokenBytes bytes;
  const EightRows& eights = weights.output_eights;
  const std::uint64_t output = eights.address != 0 ? eight_rows_bytes(eights.columns, eights.rows) : weights.output.matrix_bytes();
  bytes.weights = weights.token_embedding.row_bytes + output + norm;
  for (const DeviceLayer& layer : weights.layers) {
    for (const DeviceMatrix& projection : layer.qkv) bytes.weights += projection.matrix_bytes();
    bytes.weights += layer.attention_output.matrix_bytes() + 2 * norm;
    const std::uint64_t feed_forward = layer.gate.matrix_bytes() + layer.up.matrix_bytes() + layer.down.matrix_bytes();
    if (config.mixture()) bytes.expert.push_back(feed_forward);
    bytes.weights += config.mixture() ? layer.router.matrix_bytes() + feed_forward * config.experts_used : feed_forward;
  }
  bytes.position = std::uint64_t{2} * config.layers * config.kv_heads * kv_row_bytes(kv, config.head_width);
  return bytes;
}

std::uint64_t position_bytes(const ModelConfig& config, const KvTiers& tiers) {
  const double page = static_cast<double>(far_page_bytes(config.kv_heads, config.head_width)) +
                      tiers.hot * static_cast<double>(refinement_bytes(config.kv_heads, config.head_width));
  return static_cast<std::uint64_t>(config.layers * page / shader::kPageKeys);
}

}  // namespace fovea
