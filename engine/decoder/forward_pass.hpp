// The forward pass as it is recorded into a plan, top to bottom as the papers tell it. Engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/activation_type.hpp"
#include "engine/decoder/activations.hpp"
#include "engine/decoder/device_weights.hpp"
#include "engine/decoder/expert_routing.hpp"
#include "engine/decoder/kv_cache.hpp"
#include "engine/decoder/page_capture.hpp"
#include "engine/decoder/page_selection.hpp"
#include "engine/kernels/dot.hpp"
#include "engine/kernels/experts.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "engine/kernels/token_layer.hpp"

namespace fovea {

// What comes after the last layer.
enum class Head {
  none,        // nothing: an inner batch of a prompt
  last_logits, // logits of the batch's last token, for sampling
  all_logits,  // logits of every token of the batch
};

// What the capture plan records: attention rows, the heads of each layer consecutive in the row buffer, and what sparse
// attention read.
struct CaptureLayout {
  struct Layer {
    std::uint64_t heads = 0;   // address of uint (slots): query heads
    std::uint32_t first_slot = 0, slots = 0;
  };
  std::vector<Layer> layers;   // one per model layer; slots 0 = nothing recorded there
  std::uint64_t rows = 0;      // half (slots, tokens_capacity, row_stride)
  std::uint32_t row_stride = 0, tokens_capacity = 0;
  const PageCapture* pages = nullptr;  // null: pages are not recorded
  std::uint32_t pages_slot = 0;
  // 0: neither is recorded.
  std::uint32_t early_layers = 0;
  const gpu::Buffer* hidden = nullptr;  // float (tokens, strides.width): the residual behind the first `early_layers` layers
  const gpu::Buffer* router = nullptr;  // float (layers, tokens, strides.router): logits of every router; null: dense
};

struct ForwardPass {
  const ModelConfig& config;
  const DeviceWeights& weights;
  const Activations& activations;
  const KvCache& cache;
  std::uint64_t state = 0;     // StepState
  std::uint64_t history = 0;   // uint (context): token ids by position
  std::uint64_t logits = 0;    // float (rows, vocabulary): one row, or one per token for Head::all_logits
  std::uint64_t sample_keys = 0;  // uint: scratch of sampling, where the last logits leave their keys if they can (keyed()); or 0
  ActivationType activation_type = ActivationType::f32;
  bool deep = false;           // of one token: its position is kDeepAttention or more
  bool dense = false;          // of one token: it reads everything where pages are selected, too
  bool ahead = false;          // of one token: the queries of the token before choose its pages
  bool ends = true;            // of one token: it may be the last of a router's block, or of a page, which is some of those
  bool reuses = false;         // likewise: or it reads those that a token before it chose
  const PageSelection* selection = nullptr;  // of sparse attention
  const ExpertRouting* routing = nullptr;    // of a policy of experts
  std::optional<double> top_share;           // attention reads this share of each row's keys, the largest weights
  std::uint64_t top_scores = 0;              // scratch of it, attention_top_bytes()

  // Records embedding, layers and head for up to `tokens` tokens (the step state says how many there are).
  [[nodiscard]] Result<void> record(KernelRecorder& kernels, std::uint32_t tokens, Head head, const CaptureLayout* capture) const;
  // What the products of one token take: f32 where no product of this model on this device takes `activation_type`.
  [[nodiscard]] ActivationType decode_activations(const KernelRecorder& kernels) const;

  // Whether the last logits are those of rows in eights.
  [[nodiscard]] bool in_eights(const KernelRecorder& kernels, std::uint32_t tokens) const;
  // Whether they leave keys.
  [[nodiscard]] bool keyed(const KernelRecorder& kernels, std::uint32_t tokens) const;

  [[nodiscard]] AttentionShape attention_shape(std::uint32_t layer, std::uint32_t tokens) const;

 private:
  // Whether this reads a cache in tiers through a staged layer: every batch of a prompt.
  [[nodiscard]] bool stages(std::uint32_t tokens) const { return tokens > 1 && cache.tiers() != nullptr; }
  [[nodiscard]] Result<void> record_attention(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture) const;
  // `routed`: the choice of experts is made.
  [[nodiscard]] Result<void> record_feed_forward(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture, bool routed) const;
  // The same attention with the router behind it in one step, where few cores of a CPU driver take one token and nobody looks between.
  [[nodiscard]] bool takes_attention_layer(const KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture) const;
  [[nodiscard]] AttentionLayerArgs attention_layer(std::uint32_t layer) const;
  [[nodiscard]] Result<void> record_attention_layer(KernelRecorder& kernels, std::uint32_t layer) const;
  // Likewise the experts.
  [[nodiscard]] bool takes_expert_layer(const KernelRecorder& kernels, std::uint32_t layer, const ExpertBatch& batch) const;
  [[nodiscard]] ExpertLayerArgs expert_layer(std::uint32_t layer) const;
  // All layers so, in one step.
  [[nodiscard]] std::optional<TokenLayersArgs> token_layers(const KernelRecorder& kernels, std::uint32_t tokens, const CaptureLayout* capture) const;
  [[nodiscard]] Result<void> record_layers(KernelRecorder& kernels, std::uint32_t tokens, const CaptureLayout* capture) const;
  [[nodiscard]] RopeStoreArgs rope_of(const AttentionShape& shape, std::uint32_t layer) const;
  [[nodiscard]] bool is_sparse(std::uint32_t layer) const { return selection != nullptr && selection->chooses(layer) && !dense; }
  // Where the choice of a layer's experts goes.
  [[nodiscard]] RouterArgs choice_of(std::uint32_t layer, std::uint32_t tokens) const;
  [[nodiscard]] RouterTokenArgs router_token(std::uint32_t layer, std::uint64_t x, const FoldedNorm& norm) const;
  // Copies the router's logits where they are recorded.
  void record_logits_trace(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture) const;
  [[nodiscard]] Result<void> record_down(KernelRecorder& kernels, std::uint32_t layer, const ExpertBatch& batch, bool rounded) const;
  // `rounded`: the layers have left the output product's input for rows in eights.
  [[nodiscard]] Result<void> record_head(KernelRecorder& kernels, std::uint32_t tokens, Head head, bool rounded) const;
  // The residual's rows as products behind a norm read them: normed by a step of its own, or on the way in.
  struct NormedRows {
    std::uint64_t x = 0;
    FoldedNorm norm;
    std::uint64_t words = 0;   // the same in 8 bits, made by a step of its own or left by the product before
    bool norm_pending = false; // of the words: only multiplied with the norm's weights
    std::uint64_t halves = 0;  // the same as products in tiles read them; x is then 0 unless both are asked for
  };
  enum class NormedAs : std::uint8_t { floats, last_float, halves, both };  // last_float: of the last token alone, as row 0
  // `reader`: the largest product that reads the rows; it decides whether they are made in 8 bits too. `writer`: the
  // product that ended in them, null behind the embedding.
  [[nodiscard]] Result<NormedRows> record_norm(KernelRecorder& kernels, std::uint64_t weight, std::uint32_t tokens, const DeviceMatrix& reader,
                                               const DeviceMatrix* writer, NormedAs as) const;
  // The norm that comes after layer `layer`'s feed-forward, and the largest product behind it.
  struct NormAhead {
    std::uint64_t weight = 0;
    const DeviceMatrix* reader = nullptr;
  };
  [[nodiscard]] NormAhead norm_after(std::uint32_t layer) const;
  // Whether the experts of the layer before leave the rows normed for this one's products in tiles.
  [[nodiscard]] bool normed_before(const KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens) const;
  // Whether the product by `writer`, which ends in the residual, leaves it in 8 bits for `reader` behind the next norm.
  [[nodiscard]] bool hands_on(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& writer, const DeviceMatrix& reader) const;
  [[nodiscard]] NextInput next_input(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& writer, const NormAhead& behind) const;
  // Parts in which the attention output of a layer leaves the router's logits, so that the router is no step: 0 where it is one.
  [[nodiscard]] std::uint32_t router_parts(const KernelRecorder& kernels, std::uint32_t tokens, std::uint32_t layer) const;
  [[nodiscard]] bool uses_dot(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& matrix) const;
  // Whether readers norm the row themselves on a CPU driver, and whether the choice of all layers is then one step with the router.
  [[nodiscard]] bool norms_in_rows(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& reader) const;
  [[nodiscard]] bool chooses_in_router(const KernelRecorder& kernels, std::uint32_t tokens) const;
  [[nodiscard]] static DotInput dot_input(const NormedRows& rows);
  // The rows of `x` for products in 8 bits, rounded by a step of its own.
  // The rows as halves for products in tiles.
  [[nodiscard]] Result<std::uint64_t> record_halves(KernelRecorder& kernels, std::uint64_t x, std::uint32_t columns, std::uint32_t stride,
                                                    std::uint32_t tokens) const;
  [[nodiscard]] Result<DotInput> record_rounding(KernelRecorder& kernels, std::uint64_t x, std::uint32_t width, std::uint32_t stride,
                                                 std::uint32_t rows) const;
};

}  // namespace fovea
