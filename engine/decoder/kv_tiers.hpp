// The KV cache in tiers: f16 pages at the start and in the window, far pages of 4 bits, and refinements that make the hottest of
// these 8 bits (shaders/interface/kv_tiers.h). Pages change tier on the device, behind the batch that moved the window; the host
// only provides room. Nothing is evicted. Engine thread only.
#pragma once

#include <cstdint>
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

  TierShape() = default;
  // `batch`: most tokens of a prompt's submission, whose keys the f16 slots hold beside the window.
  TierShape(const ModelConfig& config, std::uint32_t context, std::uint32_t batch, const KvTiers& tiers);
  [[nodiscard]] std::uint64_t bytes() const;  // of keys and values when the context is full
  // Pages from the first on that have left the window, sinks included, once `positions` are in the cache.
  [[nodiscard]] std::uint32_t settled(std::uint32_t positions) const;
  // Refinements in use when `far` pages are far.
  [[nodiscard]] std::uint32_t refined(std::uint32_t far) const;
  std::uint32_t hot = 0;  // millionths
};

// Most prompt tokens of one submission with tiers: a thirty-second of the context and at least 128, as the f16 slots that hold a
// batch would else be most of the cache.
[[nodiscard]] std::uint32_t tiered_batch(std::uint32_t batch, std::uint32_t context);

class TierStore {
 public:
  [[nodiscard]] static Result<TierStore> create(gpu::Device& device, const ModelConfig& config, std::uint32_t context, std::uint32_t batch,
                                                const KvTiers& tiers);
  // As KvCache::reserve.
  [[nodiscard]] Result<void> reserve(std::uint32_t positions);
  // Empties the cache, or cuts it back to its first `kept` positions. What has left the window stays as it is, so that nothing
  // before it can be cut to: usage error. Nothing may be in flight.
  [[nodiscard]] Result<void> restart(std::uint32_t kept);
  [[nodiscard]] bool can_keep(std::uint32_t positions) const { return positions / shader::kPageKeys >= shape_.settled(furthest_); }

  [[nodiscard]] std::uint64_t page_table() const { return table_.address(); }
  [[nodiscard]] const TierShape& shape() const { return shape_; }
  [[nodiscard]] bool ranks() const { return shape_.refinements > 0; }  // whether heat is of use to anybody
  // Behind attention of a layer, beside what reads none of `query`.
  [[nodiscard]] Result<void> record_heat(KernelRecorder& kernels, const AttentionShape& attention, std::uint32_t layer, std::uint64_t query) const;
  // Behind all layers; then, behind a barrier, the second.
  [[nodiscard]] Result<void> record_choice(KernelRecorder& kernels, std::uint64_t state, std::uint32_t tokens) const;
  [[nodiscard]] Result<void> record_store(KernelRecorder& kernels, std::uint64_t state, std::uint32_t tokens) const;
  // Counts and bytes once what was submitted is done.
  [[nodiscard]] KvTierFacts facts() const;
  // And which pages of each layer are hot; nothing may be in flight.
  [[nodiscard]] Result<KvTierFacts> full_facts() const;

 private:
  explicit TierStore(gpu::Device& device) : device_(&device) {}
  [[nodiscard]] TierArgs args(std::uint64_t state, std::uint32_t tokens) const;
  gpu::Device* device_;
  TierShape shape_;
  std::uint32_t kv_heads_ = 0, head_width_ = 0, layers_ = 0, pages_per_slab_ = 1, furthest_ = 0;
  gpu::Buffer table_, far_table_, refinement_table_;  // uint64: entries; addresses of far pages and of refinements
  gpu::Buffer fresh_, heat_, scores_, slots_, words_;
  std::vector<gpu::Buffer> slabs_;  // of far pages with the refinements that they bring room for
};

}  // namespace fovea
