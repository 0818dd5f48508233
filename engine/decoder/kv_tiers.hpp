// The KV cache in tiers: f16 pages at the start and in the window, far pages of few bits, and refinements that give the hottest of
// these values of 8 bits (shaders/interface/kv_tiers.h). Pages change tier on the device, behind the batch that moved the window; the
// host only provides room. Nothing is evicted. A decoded token reads the tiers as they are; a prompt's batch reads one layer after
// another staged as f16, in compute memory, so it is as fast as over an f16 cache. Engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/kv_tiers.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/kv_tiers.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

// Pages of a cache in tiers, of all layers together, and their bytes.
struct TierShape {
  std::uint32_t pages = 0, sinks = 0, window = 0, ring = 0;  // pages: of the context; ring: f16 slots that the window's pages leave in turn
  std::uint32_t far_pages = 0, refinements = 0;              // at most
  std::uint64_t fresh_bytes = 0, far_bytes = 0, refinement_bytes = 0;  // of one page
  std::uint64_t heat_bytes = 0, slot_bytes = 0;
  std::uint64_t staged_bytes = 0;  // of one layer of the whole context, compute memory

  TierShape() = default;
  TierShape(const ModelConfig& config, std::uint32_t context, const KvTiers& tiers);
  [[nodiscard]] std::uint64_t bytes() const;  // of keys and values when the context is full
  // Pages from the first on that have left the window, sinks included, once `positions` are in the cache.
  [[nodiscard]] std::uint32_t settled(std::uint32_t positions) const;
  // Refinements in use when `far` pages are far.
  [[nodiscard]] std::uint32_t refined(std::uint32_t far) const;
  std::uint32_t hot = 0;  // millionths
};

// Most prompt tokens of one submission with tiers. A batch reads its own keys as f16 whatever the window, so that a larger one would
// read what decoded tokens cannot.
[[nodiscard]] std::uint32_t tiered_batch(std::uint32_t batch);

class TierStore {
 public:
  [[nodiscard]] static Result<TierStore> create(gpu::Device& device, const ModelConfig& config, std::uint32_t context, const KvTiers& tiers);
  // As KvCache::reserve.
  [[nodiscard]] Result<void> reserve(std::uint32_t positions);
  // Empties the cache, or cuts it back to its first `kept` positions. What has left the window stays as it is, so that nothing
  // before it can be cut to: usage error. Nothing may be in flight.
  [[nodiscard]] Result<void> restart(std::uint32_t kept);
  [[nodiscard]] bool can_keep(std::uint32_t positions) const { return positions / shader::kPageKeys >= shape_.settled(furthest_); }

  [[nodiscard]] std::uint64_t page_table() const { return table_.address(); }
  // Of the staged layer: f16, its keys and values alone.
  [[nodiscard]] std::uint64_t staged_table() const { return staged_table_.address(); }
  [[nodiscard]] const TierShape& shape() const { return shape_; }
  [[nodiscard]] bool ranks() const { return shape_.refinements > 0; }  // whether heat is of use to anybody
  // Behind attention of a layer, beside what reads none of `query`; of a batch in parts, the scores beside attention.
  [[nodiscard]] Result<void> record_heat(KernelRecorder& kernels, const AttentionShape& attention, std::uint32_t layer, std::uint64_t query,
                                         PageHeatArgs::Part part = PageHeatArgs::Part::whole) const;
  // Stages a layer for a batch, before this writes its keys there.
  [[nodiscard]] Result<void> record_unpack(KernelRecorder& kernels, std::uint64_t state, std::uint32_t layer) const;
  // Behind a staged layer's attention and heat, or, of a decoded token (no layer), behind all layers; then, behind a barrier, the second.
  [[nodiscard]] Result<void> record_choice(KernelRecorder& kernels, std::uint64_t state, std::optional<std::uint32_t> layer = std::nullopt) const;
  [[nodiscard]] Result<void> record_store(KernelRecorder& kernels, std::uint64_t state, std::uint32_t tokens, std::optional<std::uint32_t> layer = std::nullopt) const;
  // Counts and bytes once what was submitted is done.
  [[nodiscard]] KvTierFacts facts() const;
  // And which pages of each layer are hot; nothing may be in flight.
  [[nodiscard]] Result<KvTierFacts> full_facts() const;

 private:
  explicit TierStore(gpu::Device& device) : device_(&device) {}
  [[nodiscard]] TierArgs args(std::uint64_t state, std::uint32_t tokens, std::optional<std::uint32_t> layer) const;
  gpu::Device* device_;
  TierShape shape_;
  std::uint32_t kv_heads_ = 0, head_width_ = 0, layers_ = 0, pages_per_slab_ = 1, furthest_ = 0;
  gpu::Buffer table_, far_table_, refinement_table_;  // uint64: entries; addresses of far pages and of refinements
  gpu::Buffer fresh_, heat_, scores_, slots_, words_;
  gpu::Buffer staged_, staged_table_;  // halves (pages, 2, kv_heads, kPageKeys, head_width) of one layer; uint64 (pages)
  std::vector<gpu::Buffer> slabs_;  // of far pages with the refinements that they bring room for
};

}  // namespace fovea
