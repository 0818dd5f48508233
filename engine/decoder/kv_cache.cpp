#include "engine/decoder/kv_cache.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/attention.h"

namespace fovea {
namespace {

constexpr std::uint64_t kSlabBytes = 32ull << 20;  // pages are allocated in slabs of about this size

}  // namespace

Result<KvCache> KvCache::create(gpu::Device& device, const ModelConfig& config, std::uint32_t context, DType type) {
  if (!kv_type_runs(type))
    return fail(ErrorCode::unsupported, "the KV cache", "it cannot be kept as " + std::string(name(type)), "use f16 or q8_0");
  KvCache cache(device, context, type);
  const std::uint64_t layer_bytes = std::uint64_t{2} * config.kv_heads * shader::kPageKeys * kv_row_bytes(type, config.head_width);
  cache.page_bytes_ = layer_bytes * config.layers;
  if (cache.page_bytes_ > 0xFFFFFFFFull)
    return fail(ErrorCode::unsupported, "the KV cache", "one page of 32 positions would take more than 4 GiB", "use a model with fewer layers or heads");
  cache.layer_bytes_ = static_cast<std::uint32_t>(layer_bytes);
  const std::uint32_t pages = (context + shader::kPageKeys - 1) / shader::kPageKeys;
  cache.pages_per_slab_ = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(kSlabBytes / cache.page_bytes_, 1, std::min<std::uint32_t>(pages, 32)));
  // Every token's attention reads it: from the host's memory that would take 5 us a layer of 98,304 positions.
  FOVEA_ASSIGN(cache.table_, device.create_buffer(std::uint64_t{pages} * sizeof(std::uint64_t), gpu::MemoryUse::compute));
  FOVEA_TRY(cache.reserve(1));
  return cache;
}

Result<KvCache> KvCache::create_tiered(gpu::Device& device, const ModelConfig& config, std::uint32_t context, const KvTiers& tiers) {
  KvCache cache(device, context, DType::F16);
  FOVEA_ASSIGN(cache.tiers_, TierStore::create(device, config, context, tiers));
  cache.page_bytes_ = cache.tiers_->shape().fresh_bytes;
  cache.layer_bytes_ = static_cast<std::uint32_t>(cache.page_bytes_ / config.layers);
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
    FOVEA_ASSIGN(gpu::Buffer slab, device_->create_buffer(page_bytes_ * pages_per_slab_, gpu::MemoryUse::kv));
    const std::uint32_t count = std::min(pages_per_slab_, table_pages - had - static_cast<std::uint32_t>(more.size()) * pages_per_slab_);
    for (std::uint32_t i = 0; i < count; ++i) addresses.push_back(slab.address() + i * page_bytes_);
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
