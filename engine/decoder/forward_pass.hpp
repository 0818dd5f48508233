// The forward pass as it is recorded into a plan, top to bottom as the papers tell it. Engine thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/decoder/activations.hpp"
#include "engine/decoder/device_weights.hpp"
#include "engine/decoder/kv_cache.hpp"
#include "engine/kernels/experts.hpp"
#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

// What comes after the last layer.
enum class Head {
  none,        // nothing: an inner batch of a prompt
  last_logits, // logits of the batch's last token, for sampling
  all_logits,  // logits of every token of the batch
};

// Which attention rows the capture plan recomputes: the heads of each layer, consecutive in the row buffer.
struct CaptureLayout {
  struct Layer {
    std::uint64_t heads = 0;   // address of uint (slots): query heads
    std::uint32_t first_slot = 0, slots = 0;
  };
  std::vector<Layer> layers;   // one per model layer; slots 0 = nothing recorded there
  std::uint64_t rows = 0;      // half (slots, tokens_capacity, row_stride)
  std::uint32_t row_stride = 0, tokens_capacity = 0;
};

struct ForwardPass {
  const ModelConfig& config;
  const DeviceWeights& weights;
  const Activations& activations;
  const KvCache& cache;
  std::uint64_t state = 0;     // StepState
  std::uint64_t history = 0;   // uint (context): token ids by position
  std::uint64_t logits = 0;    // float (rows, vocabulary): one row, or one per token for Head::all_logits

  // Records embedding, layers and head for up to `tokens` tokens (the step state says how many there are).
  [[nodiscard]] Result<void> record(KernelRecorder& kernels, std::uint32_t tokens, Head head, const CaptureLayout* capture) const;

 private:
  [[nodiscard]] Result<void> record_attention(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture) const;
  [[nodiscard]] Result<void> record_feed_forward(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens) const;
  [[nodiscard]] Result<void> record_head(KernelRecorder& kernels, std::uint32_t tokens, Head head) const;
  // The residual's rows as products behind a norm read them: normed by a step of its own, or on the way in.
  struct NormedRows {
    std::uint64_t x = 0;
    FoldedNorm norm;
  };
  [[nodiscard]] Result<NormedRows> record_norm(KernelRecorder& kernels, std::uint64_t weight, std::uint32_t tokens, bool last_only) const;
};

}  // namespace fovea
