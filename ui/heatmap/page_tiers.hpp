// How the pages of a row were kept when it read them, as far as that is known.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/api/trace.hpp"

namespace fovea {

class PageTiers {
 public:
  PageTiers(std::shared_ptr<const KvTierFacts> facts, std::span<const StepTiming> steps);
  // Pages from the first on that are far for a query or sinks.
  [[nodiscard]] std::uint32_t settled(std::uint32_t query) const;
  // f16 where the page had not left the window before the query's step; else as it is kept now, since which far pages were hot before
  // is not recorded. nullopt: 8 bits or 4, which is not known either.
  [[nodiscard]] std::optional<PageTier> of(std::uint32_t layer, std::uint32_t page, std::uint32_t query) const { return of_row(layer, page, settled(query)); }
  [[nodiscard]] std::optional<PageTier> of_row(std::uint32_t layer, std::uint32_t page, std::uint32_t settled) const;

 private:
  struct Batch {
    std::uint32_t first = 0, end = 0;  // queries of one step of a prompt, ascending
  };
  std::shared_ptr<const KvTierFacts> facts_;
  std::vector<Batch> batches_;
};

// Pages of a layer by tier, as they are kept now.
struct TierCounts {
  std::uint32_t f16 = 0, eight_bits = 0, four_bits = 0, untold = 0;
};
[[nodiscard]] TierCounts tier_counts(const KvTierFacts& facts, std::uint32_t layer);

}  // namespace fovea
