#include "engine/decoder/kv_tiers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "engine/tensor/kv_row.hpp"

namespace fovea {
namespace {

constexpr std::uint64_t kSlabBytes = 16ull << 20;  // far pages are allocated in slabs of about this size
constexpr std::uint32_t kMostSlabPages = 32, kMostBatch = 512;

std::uint32_t pages_of(std::uint32_t positions) { return (positions + shader::kPageKeys - 1) / shader::kPageKeys; }

}  // namespace

std::uint32_t tiered_batch(std::uint32_t batch) { return std::min(batch, kMostBatch); }

TierShape::TierShape(const ModelConfig& config, std::uint32_t context, const KvTiers& tiers)
    : pages(pages_of(context)),
      sinks(std::min(pages_of(tiers.sinks), pages - 1)),
      window(pages_of(std::min(tiers.window, context))),
      ring(std::clamp(window + 1, 1u, pages - sinks)),
      fresh_bytes(std::uint64_t{2} * config.layers * config.kv_heads * shader::kPageKeys * kv_row_bytes(DType::F16, config.head_width)),
      far_bytes(config.layers * fovea::far_page_bytes(config.kv_heads, config.head_width)),
      refinement_bytes(config.layers * fovea::refinement_bytes(config.kv_heads, config.head_width)),
      hot(static_cast<std::uint32_t>(std::lround(tiers.hot * 1e6))) {
  far_pages = settled(context) - sinks;
  refinements = refined(far_pages);
  heat_bytes = refinements > 0 ? std::uint64_t{config.layers} * config.kv_heads * pages * sizeof(float) : 0;
  slot_bytes = std::uint64_t{config.layers} * (1 + refinements) * sizeof(std::uint32_t);
  staged_bytes = pages * (fresh_bytes / config.layers);
}

std::uint64_t TierShape::bytes() const {
  return (sinks + std::uint64_t{ring}) * fresh_bytes + far_pages * far_bytes + refinements * refinement_bytes + heat_bytes + slot_bytes;
}

std::uint32_t TierShape::settled(std::uint32_t positions) const { return settled_pages(positions, sinks, window, shader::kPageKeys); }

std::uint32_t TierShape::refined(std::uint32_t far) const { return static_cast<std::uint32_t>(std::uint64_t{far} * hot / 1'000'000); }

Result<TierStore> TierStore::create(gpu::Device& device, const ModelConfig& config, std::uint32_t context, const KvTiers& tiers) {
  if (!(tiers.hot >= 0 && tiers.hot <= 1) || tiers.window == 0)
    return fail(ErrorCode::usage, "the KV cache in tiers", "a window of 0 or a share outside of 0 to 1 was asked for", "correct the policy");
  TierStore store(device);
  store.shape_ = TierShape(config, context, tiers);
  const TierShape& shape = store.shape_;
  if (std::max(shape.fresh_bytes, shape.far_bytes) > 0xFFFFFFFFull)
    return fail(ErrorCode::unsupported, "the KV cache", "one page of 32 positions would take more than 4 GiB", "use a model with fewer layers or heads");
  store.kv_heads_ = config.kv_heads;
  store.head_width_ = config.head_width;
  store.layers_ = config.layers;
  store.pages_per_slab_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kSlabBytes / shape.far_bytes, 1, kMostSlabPages));
  using gpu::MemoryUse;
  FOVEA_ASSIGN(store.table_, device.create_buffer(std::uint64_t{shape.pages} * sizeof(std::uint64_t), MemoryUse::compute));
  FOVEA_ASSIGN(store.far_table_, device.create_buffer(std::max(shape.far_pages, 1u) * sizeof(std::uint64_t), MemoryUse::compute));
  FOVEA_ASSIGN(store.refinement_table_, device.create_buffer(std::max(shape.refinements, 1u) * sizeof(std::uint64_t), MemoryUse::compute));
  FOVEA_ASSIGN(store.fresh_, device.create_buffer((shape.sinks + std::uint64_t{shape.ring}) * shape.fresh_bytes, MemoryUse::kv));
  FOVEA_ASSIGN(store.heat_, device.create_buffer(std::max<std::uint64_t>(shape.heat_bytes, 4), MemoryUse::kv));
  FOVEA_ASSIGN(store.slots_, device.create_buffer(shape.slot_bytes, MemoryUse::kv));
  FOVEA_ASSIGN(store.scores_, device.create_buffer(std::uint64_t{config.query_heads} * shape.pages * sizeof(float), MemoryUse::compute));
  FOVEA_ASSIGN(store.staged_, device.create_buffer(shape.staged_bytes, MemoryUse::compute));
  FOVEA_ASSIGN(store.staged_table_, device.create_buffer(std::uint64_t{shape.pages} * sizeof(std::uint64_t), MemoryUse::compute));
  std::vector<std::uint64_t> staged(shape.pages);
  for (std::uint32_t page = 0; page < shape.pages; ++page) staged[page] = store.staged_.address() + page * (shape.fresh_bytes / config.layers);
  FOVEA_TRY(device.upload(store.staged_table_, 0, std::as_bytes(std::span(staged))));
  FOVEA_ASSIGN(store.words_, device.create_buffer(shader::kTierWords * sizeof(std::uint32_t), MemoryUse::upload));
  FOVEA_TRY(store.restart(0));
  FOVEA_TRY(store.reserve(1));
  return store;
}

Result<void> TierStore::reserve(std::uint32_t positions) {
  furthest_ = std::max(furthest_, positions);
  const std::uint32_t wanted = shape_.settled(furthest_) - shape_.sinks;
  while (slabs_.size() * pages_per_slab_ < wanted) {
    const auto first = static_cast<std::uint32_t>(slabs_.size()) * pages_per_slab_, end = std::min(first + pages_per_slab_, shape_.far_pages);
    const std::uint32_t first_slot = shape_.refined(first), end_slot = shape_.refined(end);
    const std::uint64_t bytes = (end - first) * shape_.far_bytes + (end_slot - first_slot) * shape_.refinement_bytes;
    FOVEA_ASSIGN(gpu::Buffer slab, device_->create_buffer(bytes, gpu::MemoryUse::kv));
    std::vector<std::uint64_t> pages, slots;
    for (std::uint32_t i = 0; i < end - first; ++i) pages.push_back(slab.address() + i * shape_.far_bytes);
    for (std::uint32_t i = 0; i < end_slot - first_slot; ++i)
      slots.push_back(slab.address() + (end - first) * shape_.far_bytes + i * shape_.refinement_bytes);
    FOVEA_TRY(device_->upload(far_table_, first * sizeof(std::uint64_t), std::as_bytes(std::span(pages))));
    if (!slots.empty()) FOVEA_TRY(device_->upload(refinement_table_, first_slot * sizeof(std::uint64_t), std::as_bytes(std::span(slots))));
    slabs_.push_back(std::move(slab));
  }
  return {};
}

Result<void> TierStore::restart(std::uint32_t kept) {
  if (kept > 0) {
    if (!can_keep(kept))
      return fail(ErrorCode::usage, "the KV cache in tiers", "position " + std::to_string(kept) + " has left the window and its keys are no longer kept as f16",
                  "start the sequence again");
    return {};
  }
  furthest_ = 0;
  while (slabs_.size() > 1) slabs_.pop_back();
  std::vector<std::uint64_t> entries(shape_.pages);
  for (std::uint32_t page = 0; page < shape_.pages; ++page) {
    const std::uint32_t slot = page < shape_.sinks ? page : shape_.sinks + (page - shape_.sinks) % shape_.ring;
    entries[page] = fresh_.address() + slot * shape_.fresh_bytes;
  }
  FOVEA_TRY(device_->upload(table_, 0, std::as_bytes(std::span(entries))));
  const std::array<std::uint32_t, shader::kTierWords> words{shape_.sinks, shape_.sinks, 0, 0};
  FOVEA_TRY(device_->upload(words_, 0, std::as_bytes(std::span(words))));
  FOVEA_TRY(device_->upload(heat_, 0, std::vector<std::byte>(heat_.bytes())));
  return device_->upload(slots_, 0, std::vector<std::byte>(slots_.bytes()));
}

Result<void> TierStore::record_heat(KernelRecorder& kernels, const AttentionShape& attention, std::uint32_t layer, std::uint64_t query,
                                    PageHeatArgs::Part part) const {
  const std::uint64_t of_layer = std::uint64_t{kv_heads_} * shape_.pages * sizeof(float);
  return record_page_heat(kernels, {.shape = attention, .query = query, .scores = scores_.address(), .heat = heat_.address() + layer * of_layer,
                                    .pages = shape_.pages, .part = part});
}

TierArgs TierStore::args(std::uint64_t state, std::uint32_t tokens, std::optional<std::uint32_t> layer) const {
  return {.push = {.pages = table_.address(), .fresh = fresh_.address(), .staged = layer ? staged_.address() : 0, .far_pages = far_table_.address(), .refinements = refinement_table_.address(),
                   .heat = heat_.address(), .slots = slots_.address(), .tiers = words_.address(), .state = state, .kv_heads = kv_heads_,
                   .layers = layers_, .first_layer = layer.value_or(0), .page_count = shape_.pages, .sinks = shape_.sinks, .ring = shape_.ring, .window = shape_.window,
                   .most_slots = shape_.refinements, .hot = shape_.hot},
          .head_width = head_width_, .layers = layer ? 1 : layers_, .tokens = tokens};
}

Result<void> TierStore::record_unpack(KernelRecorder& kernels, std::uint64_t state, std::uint32_t layer) const {
  return record_tier_unpack(kernels, args(state, 1, layer), shape_.pages);
}

Result<void> TierStore::record_choice(KernelRecorder& kernels, std::uint64_t state, std::optional<std::uint32_t> layer) const {
  return record_tier_choice(kernels, args(state, 1, layer));
}

Result<void> TierStore::record_store(KernelRecorder& kernels, std::uint64_t state, std::uint32_t tokens, std::optional<std::uint32_t> layer) const {
  return record_tier_store(kernels, args(state, tokens, layer));
}

KvTierFacts TierStore::facts() const {
  KvTierFacts facts{.pages = pages_of(furthest_), .first_far = shape_.sinks, .far = shape_.settled(furthest_) - shape_.sinks,
                    .window = shape_.window, .fresh_bytes = fresh_.bytes(), .ranking_bytes = heat_.bytes() + slots_.bytes()};
  facts.hot = shape_.refined(facts.far);
  const auto room = std::min<std::uint32_t>(static_cast<std::uint32_t>(slabs_.size()) * pages_per_slab_, shape_.far_pages);
  facts.far_bytes = room * shape_.far_bytes;
  facts.refinement_bytes = shape_.refined(room) * shape_.refinement_bytes;
  return facts;
}

Result<KvTierFacts> TierStore::full_facts() const {
  KvTierFacts facts = TierStore::facts();
  std::vector<std::uint32_t> all(slots_.bytes() / sizeof(std::uint32_t));
  FOVEA_TRY(device_->download(slots_, 0, std::as_writable_bytes(std::span(all))));
  std::vector<std::vector<std::uint32_t>>& layers = facts.hot_pages;
  for (std::uint32_t layer = 0; layer < layers_; ++layer) {
    const auto of_layer = std::span(all).subspan(layer * (1 + shape_.refinements), 1 + shape_.refinements);
    layers.emplace_back(of_layer.begin() + 1, of_layer.begin() + 1 + std::min(of_layer[0], shape_.refinements));
    std::ranges::sort(layers.back());
  }
  facts.told = facts.far;
  return facts;
}

}  // namespace fovea
