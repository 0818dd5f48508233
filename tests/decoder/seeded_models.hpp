// Whole models of every family with seeded random weights, small enough for a test and odd enough to find mistakes.
#pragma once

#include <cstring>
#include <string>

#include "tests/support/stored_weights.hpp"
#include "tests/unit/model/small_models.hpp"

namespace fovea::test {

struct ModelShape {
  const char* name = "";
  const char* architecture = "llama";
  DType type = DType::F32;
  DType value_type = type;  // of value and down projections, as mixed files have it
  std::uint32_t width = 96, head_width = 32, query_heads = 6, kv_heads = 2, hidden = 160;
  std::uint32_t experts = 0, used = 0;
  std::uint32_t rope_width = 0;  // 0: the whole head
  bool rope_factors = false, tied = false;
  DType kv = DType::F16;  // of the KV cache it is run with
  std::uint32_t layers = 2, vocabulary = 211, context = 4096;

  friend void PrintTo(const ModelShape& shape, std::ostream* out) { *out << shape.name; }
};

inline TensorEntry norm_tensor(const std::string& name, std::uint32_t width, Seeded& random) {
  TensorEntry entry{name, {width}, 0, std::vector<std::byte>(width * sizeof(float))};
  for (std::uint32_t i = 0; i < width; ++i) {
    const float weight = static_cast<float>(1 + 0.2 * random.normal());
    std::memcpy(entry.data.data() + i * sizeof(float), &weight, sizeof(float));
  }
  return entry;
}

inline TensorEntry matrix_tensor(const std::string& name, DType type, std::vector<std::uint64_t> shape, Seeded& random,
                                 double deviation) {
  std::uint64_t elements = 1;
  for (const std::uint64_t length : shape) elements *= length;
  return {name, std::move(shape), static_cast<std::uint32_t>(type), stored_values(type, elements, random, deviation)};
}

inline SmallModel seeded_model(const ModelShape& s, std::uint64_t seed = 1) {
  SmallModel m;
  m.architecture = s.architecture;
  m.keys = {{".block_count", s.layers},
            {".embedding_length", s.width},
            {".context_length", s.context},
            {".feed_forward_length", s.hidden},
            {".attention.head_count", s.query_heads},
            {".attention.head_count_kv", s.kv_heads},
            {".attention.key_length", s.head_width},
            {".attention.value_length", s.head_width},
            {".attention.layer_norm_rms_epsilon", 1e-6f}};
  if (s.rope_width > 0) m.keys[".rope.dimension_count"] = s.rope_width;
  if (s.experts > 0) {
    m.keys[".expert_count"] = s.experts;
    m.keys[".expert_used_count"] = s.used;
    m.keys[".expert_feed_forward_length"] = s.hidden;
  }
  Seeded random(seed);
  const auto matrix = [&](const std::string& name, DType type, std::uint64_t columns, std::uint64_t rows,
                          std::uint64_t matrices = 1, double gain = 1) {
    std::vector<std::uint64_t> shape{columns, rows};
    if (matrices > 1) shape.push_back(matrices);
    m.tensors.push_back(
        matrix_tensor(name + ".weight", type, shape, random, gain / std::sqrt(static_cast<double>(columns))));
  };
  const auto norm = [&](const std::string& name, std::uint32_t width) {
    m.tensors.push_back(norm_tensor(name + ".weight", width, random));
  };
  // A tied model with rows of unit deviation would only ever repeat its input.
  matrix("token_embd", s.type, s.width, s.vocabulary, 1, std::sqrt(static_cast<double>(s.width)) * (s.tied ? 0.05 : 1));
  if (s.rope_factors) {
    TensorEntry factors =
        norm_tensor("rope_freqs.weight", (s.rope_width > 0 ? s.rope_width : s.head_width) / 2, random);
    m.tensors.push_back(factors);
  }
  const std::uint32_t query = s.query_heads * s.head_width, kv = s.kv_heads * s.head_width;
  for (std::uint32_t layer = 0; layer < s.layers; ++layer) {
    const std::string p = "blk." + std::to_string(layer) + ".";
    norm(p + "attn_norm", s.width);
    matrix(p + "attn_q", s.type, s.width, query);
    matrix(p + "attn_k", s.type, s.width, kv);
    matrix(p + "attn_v", s.value_type, s.width, kv);
    matrix(p + "attn_output", s.type, query, s.width);
    if (m.architecture == "qwen3moe") norm(p + "attn_q_norm", s.head_width), norm(p + "attn_k_norm", s.head_width);
    if (m.architecture == "olmoe") norm(p + "attn_q_norm", query), norm(p + "attn_k_norm", kv);
    norm(p + "ffn_norm", s.width);
    if (s.experts > 0) {
      matrix(p + "ffn_gate_inp", DType::F32, s.width, s.experts, 1, 2);
      matrix(p + "ffn_gate_exps", s.type, s.width, s.hidden, s.experts);
      matrix(p + "ffn_up_exps", s.type, s.width, s.hidden, s.experts);
      matrix(p + "ffn_down_exps", s.value_type, s.hidden, s.width, s.experts);
    } else {
      matrix(p + "ffn_gate", s.type, s.width, s.hidden);
      matrix(p + "ffn_up", s.type, s.width, s.hidden);
      matrix(p + "ffn_down", s.value_type, s.hidden, s.width);
    }
  }
  norm("output_norm", s.width);
  if (!s.tied) matrix("output", s.value_type, s.width, s.vocabulary);
  return m;
}

// Every family, every type, and what files mix.
inline const std::vector<ModelShape>& model_shapes() {
  static const std::vector<ModelShape> shapes{
      {.name = "llama_f32",
       .type = DType::F32,
       .width = 44,
       .head_width = 8,
       .query_heads = 4,
       .kv_heads = 4,
       .hidden = 52},
      {.name = "llama_bf16_tied_partial_rope",
       .type = DType::BF16,
       .rope_width = 20,
       .rope_factors = true,
       .tied = true},
      {.name = "llama_q4_0", .type = DType::Q4_0},
      {.name = "llama_q6_k",
       .type = DType::Q6_K,
       .width = 256,
       .head_width = 64,
       .query_heads = 4,
       .kv_heads = 2,
       .hidden = 256},
      {.name = "mixtral_q5_0", .type = DType::Q5_0, .experts = 4, .used = 2},
      {.name = "qwen3moe_f16", .architecture = "qwen3moe", .type = DType::F16, .experts = 16, .used = 4},
      {.name = "qwen3moe_q4_k_q6_k",
       .architecture = "qwen3moe",
       .type = DType::Q4_K,
       .value_type = DType::Q6_K,
       .width = 256,
       .head_width = 128,
       .query_heads = 8,
       .kv_heads = 2,
       .hidden = 256,
       .experts = 8,
       .used = 3},
      {.name = "olmoe_q8_0",
       .architecture = "olmoe",
       .type = DType::Q8_0,
       .query_heads = 3,
       .kv_heads = 3,
       .experts = 12,
       .used = 5},
      {.name = "olmoe_q5_k",
       .architecture = "olmoe",
       .type = DType::Q5_K,
       .width = 256,
       .head_width = 64,
       .query_heads = 4,
       .kv_heads = 4,
       .hidden = 256,
       .experts = 5,
       .used = 1},
      {.name = "llama_q4_0_kv_q8_0", .type = DType::Q4_0, .kv = DType::Q8_0},
      {.name = "llama_f32_small_heads_kv_q8_0",
       .type = DType::F32,
       .width = 44,
       .head_width = 8,
       .query_heads = 4,
       .kv_heads = 4,
       .hidden = 52,
       .kv = DType::Q8_0},
      {.name = "qwen3moe_f16_heads_of_80_kv_q8_0",
       .architecture = "qwen3moe",
       .type = DType::F16,
       .head_width = 80,
       .experts = 16,
       .used = 4,
       .kv = DType::Q8_0},
      {.name = "olmoe_q8_0_kv_q8_0",
       .architecture = "olmoe",
       .type = DType::Q8_0,
       .width = 128,
       .head_width = 128,
       .query_heads = 2,
       .kv_heads = 2,
       .experts = 12,
       .used = 5,
       .kv = DType::Q8_0},
  };
  return shapes;
}

// A small mixture for what does not depend on the model.
inline const ModelShape kMixture{.name = "mixture",
                          .architecture = "qwen3moe",
                          .type = DType::Q8_0,
                          .width = 64,
                          .head_width = 16,
                          .query_heads = 4,
                          .kv_heads = 2,
                          .hidden = 32,
                          .experts = 8,
                          .used = 2};

}  // namespace fovea::test
