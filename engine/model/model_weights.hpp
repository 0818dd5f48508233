// Named views of the tensors that a model of a known family must have, shapes and types checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/gguf.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

// A matrix in its stored form: `rows` rows of `columns` elements, `matrices` of them one after another (experts).
struct WeightView {
  DType type = DType::F32;
  std::uint32_t columns = 0;   // input width, contiguous
  std::uint32_t rows = 0;      // output width
  std::uint32_t matrices = 1;  // experts
  std::span<const std::byte> bytes;
  const GgufTensor* tensor = nullptr;
};

struct LayerWeights {
  WeightView attention_norm;               // F32 vectors: rows = 1
  WeightView query, key, value, attention_output;
  std::optional<WeightView> query_norm, key_norm;
  WeightView feed_forward_norm;
  std::optional<WeightView> router;        // mixture only: (experts, width)
  WeightView gate, up, down;               // dense: one matrix; mixture: one per expert
};

struct ModelWeights {
  WeightView token_embedding;  // (vocabulary, width)
  WeightView output_norm;
  WeightView output;           // token_embedding again when tied
  std::vector<LayerWeights> layers;
};

// Views into `file`, which must outlive them. Errors name the tensor: missing, of another shape, of a type we do not run.
[[nodiscard]] Result<ModelWeights> read_model_weights(const GgufFile& file, const ModelConfig& config);

// Memory that a run with `context` positions will take, before anything is loaded; bytes. Derived, not measured.
struct MemoryEstimate {
  std::uint64_t weights = 0, kv = 0, compute = 0;
  [[nodiscard]] std::uint64_t total() const { return weights + kv + compute; }
};
// batch: prompt tokens processed at once; kv: type of the KV cache, F16 or Q8_0.
[[nodiscard]] MemoryEstimate estimate_memory(const GgufFile& file, const ModelConfig& config, std::uint32_t context, std::uint32_t batch,
                                             DType kv = DType::F16);

struct ParameterCount {
  std::uint64_t total = 0;
  // Touched for one token: experts_used of the experts; the embedding counts as one row, and whole where it is the
  // output matrix too.
  std::uint64_t active = 0;
};
[[nodiscard]] ParameterCount count_parameters(const Gguf& gguf, const ModelConfig& config);

}  // namespace fovea
