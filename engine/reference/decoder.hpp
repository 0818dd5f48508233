// The whole model on the CPU, plainly: the judge of the device decoder.
// Weights are decoded exactly, every sum, softmax and SwiGLU is in double, and what passes from one operation to the
// next is kept as float. Results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/gguf.hpp"
#include "engine/model/model_config.hpp"
#include "engine/model/model_weights.hpp"
#include "engine/reference/expert_choice.hpp"
#include "engine/reference/router.hpp"
#include "engine/reference/sparse_attention.hpp"

namespace fovea::reference {

struct ReferenceOptions {
  std::uint32_t context = 0;  // positions; 0 = as many as the model was trained for
  // Keys and values as the device's cache keeps them: rounded to F16 or Q8_0; F32 leaves them as they are.
  DType kv = DType::F32;
  // Layers from `dense_layers` on read only the pages that the rule chooses, for the heads of a KV head together and for
  // tiles of `tile` tokens, counted from the first of every call, by up to `samples` of them; nullopt: all layers read
  // everything.
  std::optional<SparseRule> sparse;
  std::size_t dense_layers = 2;
  // Shares of the remote pages that the first layers read, from layer 0 on, whatever the rule's budget.
  std::vector<double> layer_shares = {};
  std::size_t tile = 1, samples = 4;
  std::vector<std::size_t> layer_tiles = {}, layer_samples = {};  // of the first layers, from layer 0 on; the others' are those
  // A call of one token chooses by the rotated queries of the last token before it, where there is one, instead of its own.
  bool ahead = false;
  // Then calls at multiples of this position choose, and those between read what the last one chose.
  std::size_t every = 1;
  // Rows see means of the pages that they do not read (add_periphery).
  bool periphery = false;
  // The rule of a layer that is sparse.
  [[nodiscard]] SparseRule rule_of(std::size_t layer) const;
  // Looks at every choice before it is used and may exchange its pages: for a judge who follows another's choices where rounding
  // decides. `first`: position of the tile's first token. Called from several threads, of one choice each.
  struct Choosing {
    std::size_t layer = 0, kv_head = 0, first = 0;
    std::span<const SampledRow> sampled;
    KeyValueRows rows;
  };
  std::function<void(const Choosing&, PageChoice&)> settle;
  // How experts are chosen, every layer for itself; nullopt: as the model chooses.
  std::optional<ExpertRule> experts;
};

// What a run was asked to keep. `tokens` counts those of this run, `first` the positions that were there before it.
struct ReferenceCapture {
  bool attention = true, routing = true;
  std::size_t tokens = 0, first = 0;
  std::vector<std::vector<float>> attention_rows;  // [layer][query head][token], each of first + token + 1 weights
  std::vector<Routing> routings;                   // [layer][token]; empty for dense models
  std::size_t early_layers = 0;                    // > 0: also
  std::vector<float> hidden;                       // [token][width]: the residual behind so many layers
};

class ReferenceDecoder {
 public:
  // `file` must outlive the decoder.
  [[nodiscard]] static Result<ReferenceDecoder> create(const GgufFile& file, ReferenceOptions options = {});

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] std::size_t position() const { return position_; }

  // [tokens][vocabulary], every position, from an empty cache.
  [[nodiscard]] Result<std::vector<float>> logits(std::span<const std::int32_t> tokens,
                                                  ReferenceCapture* capture = nullptr);
  // The same, going on from where the last call ended. Errors leave the cache as it was.
  [[nodiscard]] Result<std::vector<float>> extend(std::span<const std::int32_t> tokens,
                                                  ReferenceCapture* capture = nullptr);
  void reset();

 private:
  struct LayerCache {
    std::vector<float> keys, values;  // [positions][kv heads][head width]
    std::vector<float> last_query;    // [query heads][head width]: of the last token, rotated
    std::vector<PageChoice> held;     // [KV head]: of the last token that chose ahead, where later ones may read it
  };
  ReferenceDecoder(ModelConfig config, ModelWeights weights, ReferenceOptions options);
  void attend(std::size_t layer, std::span<float> x, ReferenceCapture* capture);
  void feed_forward(std::size_t layer, std::span<float> x, ReferenceCapture* capture);

  ModelConfig config_;
  ModelWeights weights_;
  ReferenceOptions options_;
  std::vector<LayerCache> cache_;
  std::vector<ExpertRouter> routers_;  // one per layer where experts are chosen by a rule
  std::size_t position_ = 0;
};

}  // namespace fovea::reference
