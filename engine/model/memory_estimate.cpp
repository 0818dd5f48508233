// What a run will take and what a token touches, from shapes alone.
#include <algorithm>
#include <initializer_list>
#include <limits>

#include "engine/io/checked.hpp"
#include "engine/model/model_weights.hpp"
#include "engine/tensor/kv_row.hpp"

namespace fovea {
namespace {

constexpr std::uint64_t page_positions = 32;  // KV memory comes in pages of so many positions
// Absurd settings must give an absurdly large estimate, never a small one; three of these still add up in 64 bits.
constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() / 4;

std::uint64_t product(std::initializer_list<std::uint64_t> factors) {
  std::uint64_t result = 1;
  for (const std::uint64_t factor : factors) result = std::min(checked_mul(result, factor).value_or(most), most);
  return result;
}

std::uint64_t elements(const GgufTensor& tensor) {
  return product({tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3]});
}

}  // namespace

MemoryEstimate estimate_memory(const GgufFile& file, const ModelConfig& config, std::uint32_t context,
                               std::uint32_t batch, DType kv) {
  MemoryEstimate estimate;
  for (const GgufTensor& tensor : file.gguf().tensors())
    estimate.weights = checked_add(estimate.weights, tensor.bytes).value_or(most);

  const std::uint64_t positions = (std::uint64_t{context} + page_positions - 1) / page_positions * page_positions;
  estimate.kv = product({2, config.layers, config.kv_heads, kv_row_bytes(kv, config.head_width), positions});

  // Floats a prompt token needs: residual and normed input, query with keys and values, attention output, and the
  // gated hidden values of the feed-forward; beside them one row of logits.
  const std::uint64_t query_width = std::uint64_t{config.query_heads} * config.head_width;
  const std::uint64_t kv_width = std::uint64_t{config.kv_heads} * config.head_width;
  const std::uint64_t hidden = config.mixture() ? std::uint64_t{config.experts_used} * config.expert_feed_forward
                                                : std::uint64_t{config.feed_forward};
  const std::uint64_t per_token = 2 * std::uint64_t{config.width} + query_width + 2 * kv_width + query_width + hidden;
  estimate.compute =
      checked_add(product({batch, per_token, sizeof(float)}), product({config.vocabulary, sizeof(float)}))
          .value_or(most);
  return estimate;
}

ParameterCount count_parameters(const Gguf& gguf, const ModelConfig& config) {
  ParameterCount count;
  for (const GgufTensor& tensor : gguf.tensors()) {
    const std::uint64_t all = elements(tensor);
    std::uint64_t touched = all;
    if (config.mixture() && tensor.name.ends_with("_exps.weight")) touched = all / config.experts * config.experts_used;
    if (tensor.name == "token_embd.weight" && !config.tied_output) touched = tensor.shape[0];
    count.total = checked_add(count.total, all).value_or(most);
    count.active = checked_add(count.active, touched).value_or(most);
  }
  return count;
}

}  // namespace fovea
