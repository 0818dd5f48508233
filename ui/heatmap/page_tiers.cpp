#include "ui/heatmap/page_tiers.hpp"

#include <algorithm>
#include <utility>

namespace fovea {

PageTiers::PageTiers(std::shared_ptr<const KvTierFacts> facts, std::span<const StepTiming> steps) : facts_(std::move(facts)) {
  for (const StepTiming& step : steps)
    if (step.prefill) batches_.push_back({step.first_token, step.first_token + step.tokens});
}

std::uint32_t PageTiers::settled(std::uint32_t query) const {
  const auto batch = std::ranges::find_if(batches_, [query](const Batch& b) { return query >= b.first && query < b.end; });
  // Pages change tier behind a step; a decoded token is a step of its own.
  const std::uint32_t positions = batch != batches_.end() ? batch->first : query;
  return settled_pages(positions, facts_->first_far, facts_->window, kAttentionPage);
}

std::optional<PageTier> PageTiers::of_row(std::uint32_t layer, std::uint32_t page, std::uint32_t settled) const {
  return page >= settled ? PageTier::f16 : facts_->tier(layer, page);
}

TierCounts tier_counts(const KvTierFacts& facts, std::uint32_t layer) {
  TierCounts counts;
  for (std::uint32_t page = 0; page < facts.pages; ++page) {
    const std::optional<PageTier> tier = facts.tier(layer, page);
    ++(!tier ? counts.untold : *tier == PageTier::f16 ? counts.f16 : *tier == PageTier::eight_bits ? counts.eight_bits : counts.four_bits);
  }
  return counts;
}

}  // namespace fovea
