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
  // Bytes of bounds and mean values (KV memory) and of scratch that create() asks for.
  struct Bytes {
    std::uint64_t bounds = 0, scratch = 0;
  };
  [[nodiscard]] static Bytes bytes(const ModelConfig& config, std::uint32_t context, std::uint32_t batch, const SparseAttention& rule);

  [[nodiscard]] bool chooses(std::uint32_t layer) const { return layer >= sparse_.dense_layers; }
  // Queries of a prompt that share a choice in the layer, and the fewest of all layers.
  [[nodiscard]] std::uint32_t tile_rows(std::uint32_t layer) const { return sparse_.rows_of(layer); }
  [[nodiscard]] std::uint32_t narrowest_tile() const;
  // Keys below which a decoded token reads everything, whatever its layer.
  [[nodiscard]] std::uint32_t decode_dense_below() const { return of_token_rule_.dense_below; }
  // Bounds of the pages that a prompt's batch filled, of one layer.
  [[nodiscard]] Result<void> record_bounds(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer) const;
  // Of the page that a decoded token filled, all layers that choose; `cache` tells where they are.
  [[nodiscard]] Result<void> record_bounds_of_token(KernelRecorder& kernels, AttentionShape shape, const KvCache& cache) const;
  // Moves budgets by what a step's choices did, where the policy asks for it; reads nothing that the rest of the step writes.
  [[nodiscard]] Result<void> record_guide(KernelRecorder& kernels, std::uint64_t state, bool ahead) const;
  // Which pages the layer's queries read. rope: their queries are still raw.
  [[nodiscard]] Result<void> record_choice(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, std::uint64_t query,
                                           const RopeStoreArgs* rope) const;
  // Whether rows see means of the pages that they do not read: attention then leaves its sums in row_sums().
  [[nodiscard]] bool sees_periphery() const { return sparse_.periphery == PagePeriphery::means && sparse_.dense_layers < layers_; }
  [[nodiscard]] std::uint64_t row_sums() const { return sums_.address(); }
  // Behind attention over a layer's chosen pages, by its rotated queries.
  [[nodiscard]] Result<void> record_periphery(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, bool ahead,
                                              std::uint64_t query, std::uint64_t y, std::uint32_t y_stride) const;
  // Whether decoded tokens choose by the queries of the token before, which every step then leaves behind in kept_query().
  [[nodiscard]] bool chooses_ahead() const { return sparse_.chooser == PageChooser::ahead && sparse_.dense_layers < layers_; }
  // Tokens that choose ahead do so at multiples of this position; those behind them in between read the same pages. Divides a page.
  [[nodiscard]] std::uint32_t every() const { return sparse_.every_on(device_->facts().cpu); }
  // float (query_heads * head_width): the rotated queries of the last token, of a layer that chooses.
  [[nodiscard]] std::uint64_t kept_query(std::uint32_t layer) const { return kept_queries_.address() + (layer - sparse_.dense_layers) * layer_queries_; }
  // The choice of a token in all layers by them, before its first step: scores, and behind a barrier the choice.
  [[nodiscard]] Result<void> record_choice_ahead(KernelRecorder& kernels, const AttentionShape& shape, PageChoiceArgs::Part part) const;

  // Where a layer's choices are kept: of a plan with room for `tokens`; ahead: of one whose layers chose together.
  struct Lists {
    const PageChoiceBuffers* buffers;
    std::uint32_t first_slot;
  };
  [[nodiscard]] Lists lists(std::uint32_t tokens, std::uint32_t layer, bool ahead) const {
    if (ahead) return {&of_layers_, (layer - sparse_.dense_layers) * kv_heads_};
    return {tokens == 1 ? &of_token_ : &of_prompt_, 0};
  }
  // The shape with which attention reads them.
  [[nodiscard]] AttentionShape chosen(const AttentionShape& shape, std::uint32_t layer, bool ahead) const {
    const Lists read = lists(shape.tokens, layer, ahead);
    return over_chosen_pages(shape, *read.buffers, pages_, read.first_slot);
  }

  // Sums since the last reset: on the device, and what a copy of it says.
  [[nodiscard]] const gpu::Buffer& facts_buffer() const { return facts_; }
  [[nodiscard]] AttentionFacts facts_of(std::span<const std::uint32_t> words) const;
  // Likewise; nothing may be in flight.
  [[nodiscard]] Result<AttentionFacts> facts() const;
  [[nodiscard]] Result<void> reset_facts() const;

 private:
  PageSelection(gpu::Device& device, const ModelConfig& config, const SparseAttention& rule) : device_(&device), sparse_(rule), layers_(config.layers), kv_heads_(config.kv_heads) {}
  [[nodiscard]] std::uint64_t bounds_at(std::uint32_t layer) const { return bounds_.address() + (layer - sparse_.dense_layers) * layer_bounds_; }
  [[nodiscard]] std::uint64_t values_at(std::uint32_t layer) const { return sees_periphery() ? values_.address() + (layer - sparse_.dense_layers) * layer_values_ : 0; }
  [[nodiscard]] std::uint64_t facts_at(std::uint32_t tokens, std::uint32_t layer) const;
  gpu::Device* device_;
  SparseAttention sparse_;
  PageRule rule_, of_token_rule_;
  std::uint32_t layers_ = 0, kv_heads_ = 0, pages_ = 0;
  std::uint64_t layer_bounds_ = 0, layer_queries_ = 0, layer_values_ = 0;  // bytes of each layer that chooses
  gpu::Buffer bounds_, scratch_, facts_;     // facts: uint (prompt and decode, layers, kv_heads, kFactWords)
  gpu::Buffer values_, sums_;                // where rows see a periphery: mean values of pages, and what attention left of each row
  gpu::Buffer kept_queries_;                 // float (layers that choose, query_heads * head_width), where they choose ahead
  PageChoiceBuffers of_token_, of_prompt_, of_layers_;
};

}  // namespace fovea
