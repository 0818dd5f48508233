// What a person is told about a loaded model and the device it runs on: immutable values.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/activation_type.hpp"
#include "engine/api/device_fit.hpp"
#include "engine/api/expert_precision.hpp"
#include "engine/api/expert_rule.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/model_card.hpp"
#include "engine/api/semantic_router_facts.hpp"
#include "engine/api/sparse_attention.hpp"

namespace fovea {

struct TensorSummary {
  std::string name;
  std::string type;  // "Q4_K"
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};
  std::uint32_t dimensions = 1;
  std::uint64_t bytes = 0;
};

struct MetadataEntry {
  std::string key;
  std::string value;  // as text; long arrays are shortened and say so
};

struct MemoryBytes {
  std::uint64_t weights = 0, kv = 0, compute = 0, other = 0;
  [[nodiscard]] std::uint64_t total() const { return weights + kv + compute + other; }
};

// Bytes that one decoded token must touch, counted from shapes: the floor that speed is measured against.
struct TokenBytes {
  std::uint64_t weights = 0;   // every matrix once, of experts the used ones; one row of the embedding
  std::uint64_t position = 0;  // keys and values of one position, all layers
  std::vector<std::uint64_t> expert;  // of `weights`, one expert of each layer; none: dense
  // `depth`: positions in the cache before the token; it reads them and writes its own.
  [[nodiscard]] double at(double depth) const {
    return static_cast<double>(weights) + static_cast<double>(position) * (depth + 1);
  }
};

struct DeviceSummary {
  std::uint32_t index = 0;
  std::string name, type, driver, api;  // "llvmpipe (LLVM 19...)", "cpu" | "discrete" | "integrated" | "virtual", ...
  std::uint64_t memory_bytes = 0;
  std::uint32_t subgroup = 0;
  bool cooperative_matrix = false, integer_dot = false, chosen = false;
  std::string why;          // why it was chosen, or why not, as a sentence
  bool timestamps = false;  // its compute queue has them, so that kernels can be timed
};

struct ModelSummary {
  std::string path, name, architecture, quantization;  // quantization: the type most bytes are in
  std::uint64_t file_bytes = 0, parameters = 0, active_parameters = 0;
  std::uint32_t layers = 0, width = 0, query_heads = 0, kv_heads = 0, head_width = 0;
  std::uint32_t experts = 0, experts_used = 0;  // 0 = dense model
  std::uint32_t vocabulary = 0;
  std::uint32_t trained_context = 0;  // what the file says
  std::uint32_t context = 0;          // positions this load has room for
  bool chat = false;                  // a chat format was recognised
  std::string chat_format;
  KvType kv = KvType::f16;                // how this load keeps keys and values
  KvTiers kv_tiers;                       // where that is in tiers
  std::optional<SparseAttention> attention;  // nullopt: dense, or by top_share
  std::optional<double> top_share;           // each row's largest weights alone are read, this share of its keys
  std::optional<ExpertRule> experts_rule;    // nullopt: the model's own choice
  // What decoding multiplies weights with in this load: f32 also where q8_0 was asked for and nothing can take it.
  ActivationType activations = ActivationType::f32;
  MemoryBytes estimate;                   // derived before loading
  std::vector<std::pair<KvType, MemoryBytes>> estimates;  // the same for every way to keep keys and values
  std::uint64_t device_room = 0;          // bytes of the device's memory that a run may take; 0: no device is known
  MemoryBytes measured;                   // from the allocator, after loading
  std::optional<TokenBytes> token_bytes;  // absent: the weights were not loaded
  std::uint32_t token_steps = 0;          // of a decoded token, one after another on the device; 0 = likewise
  DeviceSummary device;
  std::optional<ExpertPrecision> expert_precision;  // nullopt: experts are kept as stored
  DeviceFits fits;                        // what was taken because of the device
  double load_ms = 0;
  std::vector<MetadataEntry> metadata;
  std::vector<TensorSummary> tensors;
  std::vector<ModelCard> cards;  // one per language; card_for chooses
  // Of the side file, whose shape and model size fit this model (its SHA-256 is not compared); null: there is none, or none that fits,
  // which `semantic_router_problem` then says.
  std::shared_ptr<const SemanticRouterFacts> semantic_router;
  std::string semantic_router_problem;
};

}  // namespace fovea
