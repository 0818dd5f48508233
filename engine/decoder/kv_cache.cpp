#include "engine/decoder/kv_cache.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/attention.h"

namespace fovea {
namespace {

// A layer's part of a slab: as large as pages in which GPUs are said to map memory, so that attention of a layer touches few of them. With
// all layers of a page of positions side by side instead, 98,304 keys of qwen3-30b-a3b lie in 3,072 for each layer in place of 96, and an H200
// decoded 224 tokens a second in place of 246 (5 % of the keys: 453 and 487).
constexpr std::uint64_t kLayerSlabBytes = 2ull << 20;
constexpr std::uint32_t kMostSlabPages = 32;  // memory grows by no more than 1,024 positions

}  // namespace

Result<KvCache> KvCache::create(gpu::Device& device, const ModelConfig& config, std::uint32_t context, DType type) {
  if (!kv_type_runs(type))
    return fail(ErrorCode::unsupported, "the KV cache", "it cannot be kept as " + std::string(name(type)), "use f16 or q8_0");
  KvCache cache(device, context, type);
  cache.part_bytes_ = std::uint64_t{2} * config.kv_heads * shader::kPageKeys * kv_row_bytes(type, config.head_width);
  const std::uint64_t page_bytes = cache.part_bytes_ * config.layers;
  if (page_bytes > 0xFFFFFFFFull)
    return fail(ErrorCode::unsupported, "the KV cache", "one page of 32 positions would take more than 4 GiB", "use a model with fewer layers or heads");
  const std::uint32_t pages = (context + shader::kPageKeys - 1) / shader::kPageKeys;
  const std::uint64_t most = std::min<std::uint64_t>({pages, kMostSlabPages, 0xFFFFFFFFull / page_bytes});
  cache.pages_per_slab_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kLayerSlabBytes / cache.part_bytes_, 1, most));
  cache.slab_bytes_ = page_bytes * cache.pages_per_slab_;
  cache.layer_stride_ = static_cast<std::uint32_t>(cache.part_bytes_ * cache.pages_per_slab_);
  // Every token's attention reads it: from the host's memory that would take 5 us a layer of 98,304 positions.
  FOVEA_ASSIGN(cache.table_, device.create_buffer(std::uint64_t{pages} * sizeof(std::uint64_t), gpu::MemoryUse::compute));
  FOVEA_TRY(cache.reserve(1));
  return cache;
}

Result<KvCache> KvCache::create_tiered(gpu::Device& device, const ModelConfig& config, std::uint32_t context, const KvTiers& tiers) {
  KvCache cache(device, context, DType::F16);
  FOVEA_ASSIGN(cache.tiers_, TierStore::create(device, config, context, tiers));
  cache.layer_stride_ = static_cast<std::uint32_t>(cache.tiers_->shape().fresh_bytes / config.layers);
  return cache;
}

Result<void> KvCache::reserve(std::uint32_t positions) {
  if (positions > context_)
    return fail(ErrorCode::usage, "the context", "it has room for " + std::to_string(context_) + " tokens",
                "load the model with a larger context or shorten the prompt");
  if (tiers_) return tiers_->reserve(positions);
  const std::uint32_t pages = (positions + shader::kPageKeys - 1) / shader::kPageKeys;
  const std::uint32_t table_pages = (context_ + shader::kPageKeys - 1) / shader::kPageKeys;
  const auto had = static_cast<std::uint32_t>(slabs_.size()) * pages_per_slab_;
  std::vector<gpu::Buffer> more;
  std::vector<std::uint64_t> addresses;  // of their pages
  while (had + more.size() * pages_per_slab_ < pages) {
    FOVEA_ASSIGN(gpu::Buffer slab, device_->create_buffer(slab_bytes_, gpu::MemoryUse::kv));
    const std::uint32_t count = std::min(pages_per_slab_, table_pages - had - static_cast<std::uint32_t>(more.size()) * pages_per_slab_);
    for (std::uint32_t i = 0; i < count; ++i) addresses.push_back(slab.address() + i * part_bytes_);
    more.push_back(std::move(slab));
  }
  if (more.empty()) return {};
  FOVEA_TRY(device_->upload(table_, had * sizeof(std::uint64_t), std::as_bytes(std::span(addresses))));
  for (gpu::Buffer& slab : more) slabs_.push_back(std::move(slab));
  return {};
}

Result<void> KvCache::restart(std::uint32_t kept, std::uint32_t wanted) {
  if (tiers_) return tiers_->restart(kept);
  const std::uint32_t positions = pages_per_slab_ * shader::kPageKeys, needed = std::max(1u, (wanted + positions - 1) / positions);
  while (kept == 0 && slabs_.size() > needed) slabs_.pop_back();
  return {};
}

}  // namespace fovea
