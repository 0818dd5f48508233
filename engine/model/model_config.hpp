// Hyper-parameters of a model, read from GGUF metadata and range-checked in one table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/gguf.hpp"

namespace fovea {

enum class Family { llama, qwen3moe, olmoe };

// How rotary position pairs are laid out in a head: neighbours (Llama) or halves (NeoX: Qwen, OLMoE).
enum class RopeLayout { neighbours, halves };

// Norm applied to queries and keys before RoPE.
enum class QkNorm { none, per_head /* Qwen3: over one head */, full_width /* OLMoE: over all heads at once */ };

struct ModelConfig {
  Family family = Family::llama;
  std::string architecture;  // general.architecture
  std::string name;          // general.name, or the file's stem
  std::uint32_t layers = 0;
  std::uint32_t width = 0;           // embedding_length
  std::uint32_t query_heads = 0;
  std::uint32_t kv_heads = 0;        // divides query_heads
  std::uint32_t head_width = 0;      // key_length; value_length must equal it
  std::uint32_t rope_width = 0;      // leading dimensions of a head that are rotated
  std::uint32_t feed_forward = 0;    // dense width, or of one expert in Mixtral-like files
  std::uint32_t experts = 0;         // 0 = dense
  std::uint32_t experts_used = 0;
  std::uint32_t expert_feed_forward = 0;
  bool normalize_expert_weights = true;  // chosen weights sum to one (Qwen3, Mixtral); OLMoE keeps the softmax's own
  std::uint32_t vocabulary = 0;      // rows of token_embd
  std::uint32_t context = 0;         // context_length the model was trained for
  float norm_epsilon = 1e-5f;
  float rope_base = 10000.0f;
  // Position scaling: linear factor (1 = none; positions are divided by it), and optional per-pair frequency divisors
  // (rope_freqs.weight, Llama 3): angle of pair i = position / rope_scale * rope_base^(-2i / rope_width) / factor[i].
  float rope_scale = 1.0f;
  std::vector<float> rope_factors;   // rope_width / 2 entries, or empty
  RopeLayout rope_layout = RopeLayout::neighbours;
  QkNorm qk_norm = QkNorm::none;
  bool tied_output = false;          // no output.weight: token_embd serves

  [[nodiscard]] bool mixture() const { return experts > 0; }
  [[nodiscard]] std::uint32_t group() const { return query_heads / kv_heads; }  // query heads per KV head
};

// Errors: unknown family, missing or out-of-range keys, sliding windows or scalings we do not run; each names the key.
[[nodiscard]] Result<ModelConfig> read_model_config(const GgufFile& file);

}  // namespace fovea
