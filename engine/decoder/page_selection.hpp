// What sparse attention by pages keeps on the device: the bounds of every page beside the KV cache, the scratch of choices,
// and the sums that tell what they did. Engine thread only.
#pragma once

#include <cstdint>
#include <span>

#include "engine/api/sparse_attention.hpp"
#include "engine/base/result.hpp"
#include "engine/decoder/kv_cache.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/sparse_attention.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

class PageSelection {
 public:
  // `batch`: most tokens of a prompt's submission; `kv`: type of the cache. Errors: a rule out of range, no memory.
  [[nodiscard]] static Result<PageSelection> create(gpu::Device& device, const ModelConfig& config, std::uint32_t context,
                                                    std::uint32_t batch, DType kv, const SparseAttention& rule);
  // Bytes of bounds (KV memory) and of scratch that create() asks for.
  struct Bytes {
    std::uint64_t bounds = 0, scratch = 0;
  };
  [[nodiscard]] static Bytes bytes(const ModelConfig& config, std::uint32_t context, std::uint32_t batch, const SparseAttention& rule);

  [[nodiscard]] bool chooses(std::uint32_t layer) const { return layer >= sparse_.dense_layers; }
  // Keys below which a decoded token reads everything, whatever its layer.
  [[nodiscard]] std::uint32_t decode_dense_below() const { return of_token_rule_.dense_below; }
  // Bounds of the pages that a prompt's batch filled, of one layer.
  [[nodiscard]] Result<void> record_bounds(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer) const;
  // Of the page that a decoded token filled, all layers that choose; `cache` tells where they are.
  [[nodiscard]] Result<void> record_bounds_of_token(KernelRecorder& kernels, AttentionShape shape, const KvCache& cache) const;
  // Moves budgets by what a step's choices did, where the policy asks for it; reads nothing that the rest of the step writes.
  [[nodiscard]] Result<void> record_guide(KernelRecorder& kernels, std::uint64_t state) const;
  // Which pages the layer's queries read. rope: their queries are still raw.
  [[nodiscard]] Result<void> record_choice(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, std::uint64_t query,
                                           const RopeStoreArgs* rope) const;
  // The shape with which attention reads them.
  [[nodiscard]] AttentionShape chosen(const AttentionShape& shape) const { return over_chosen_pages(shape, buffers(shape.tokens), pages_); }

  // Where choices of a plan with room for `tokens` are kept.
  [[nodiscard]] const PageChoiceBuffers& buffers(std::uint32_t tokens) const { return tokens == 1 ? of_token_ : of_prompt_; }
  // Sums since the last reset: on the device, and what a copy of it says.
  [[nodiscard]] const gpu::Buffer& facts_buffer() const { return facts_; }
  [[nodiscard]] AttentionFacts facts_of(std::span<const std::uint32_t> words) const;
  // Likewise; nothing may be in flight.
  [[nodiscard]] Result<AttentionFacts> facts() const;
  [[nodiscard]] Result<void> reset_facts() const;

 private:
  PageSelection(gpu::Device& device, const ModelConfig& config, const SparseAttention& rule) : device_(&device), sparse_(rule), layers_(config.layers), kv_heads_(config.kv_heads) {}
  [[nodiscard]] std::uint64_t bounds_at(std::uint32_t layer) const { return bounds_.address() + (layer - sparse_.dense_layers) * layer_bounds_; }
  [[nodiscard]] std::uint64_t facts_at(std::uint32_t tokens, std::uint32_t layer) const;
  gpu::Device* device_;
  SparseAttention sparse_;
  PageRule rule_, of_token_rule_;
  std::uint32_t layers_ = 0, kv_heads_ = 0, pages_ = 0;
  std::uint64_t layer_bounds_ = 0;           // bytes of each layer that chooses
  gpu::Buffer bounds_, scratch_, facts_;     // facts: uint (prompt and decode, layers, kv_heads, kFactWords)
  PageChoiceBuffers of_token_, of_prompt_;
};

}  // namespace fovea
