// Keys and values of every layer in pages of 32 positions; memory grows with the context, by slabs of pages: (layers, pages of the
// slab, what a layer has of a page). All of one type, or in tiers. Engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/decoder/kv_tiers.hpp"
#include "engine/gpu/device.hpp"
#include "engine/model/model_config.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {

class KvCache {
 public:
  // Room for `context` positions in the page table; pages themselves come with reserve(). `type`: F16 or Q8_0.
  // Errors: another type, a page beyond 4 GiB, no memory.
  [[nodiscard]] static Result<KvCache> create(gpu::Device& device, const ModelConfig& config, std::uint32_t context,
                                              DType type = DType::F16);
  // In tiers. Errors besides: tiers out of range.
  [[nodiscard]] static Result<KvCache> create_tiered(gpu::Device& device, const ModelConfig& config, std::uint32_t context, const KvTiers& tiers);

  // Makes sure that positions [0, positions) have pages. No submission that reads the page table may be in flight
  // unless it only touches pages that were there before.
  [[nodiscard]] Result<void> reserve(std::uint32_t positions);
  // Empties the cache and gives back the slabs behind the first `wanted` positions, which the sequence that begins is known to have
  // (16 slabs of 32 MiB took 9 ms to make anew on an H200); or cuts it back to its first `kept` positions. Nothing may be in
  // flight. Errors: in tiers, a position that has left the window.
  [[nodiscard]] Result<void> restart(std::uint32_t kept, std::uint32_t wanted);
  [[nodiscard]] bool can_keep(std::uint32_t positions) const { return !tiers_ || tiers_->can_keep(positions); }

  [[nodiscard]] std::uint64_t page_table() const { return tiers_ ? tiers_->page_table() : table_.address(); }
  // Bytes from a page's address to the layer's keys and values.
  [[nodiscard]] std::uint32_t layer_offset(std::uint32_t layer) const { return layer * layer_stride_; }
  [[nodiscard]] std::uint32_t context() const { return context_; }
  [[nodiscard]] DType type() const { return type_; }  // in tiers: F16, that of new pages
  [[nodiscard]] const TierStore* tiers() const { return tiers_ ? &*tiers_ : nullptr; }

 private:
  KvCache(gpu::Device& device, std::uint32_t context, DType type) : device_(&device), type_(type), context_(context) {}
  gpu::Device* device_;
  DType type_ = DType::F16;
  std::uint32_t context_ = 0;
  std::uint64_t part_bytes_ = 0;      // keys and values of one layer in a page
  std::uint64_t slab_bytes_ = 0;      // all layers and pages
  std::uint32_t layer_stride_ = 0;    // from a layer of a page to its next
  std::uint32_t pages_per_slab_ = 1;
  gpu::Buffer table_;                 // uint64 (pages): addresses
  std::vector<gpu::Buffer> slabs_;
  std::optional<TierStore> tiers_;    // which has all of these instead
};

}  // namespace fovea
