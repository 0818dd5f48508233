#include "engine/api/kv_tiers.hpp"

namespace fovea {

std::optional<PageTier> KvTierFacts::tier(std::uint32_t layer, std::uint32_t page) const {
  if (page < first_far || page >= first_far + far) return PageTier::f16;
  if (page >= first_far + told || layer >= hot_pages.size()) return std::nullopt;
  return std::ranges::binary_search(hot_pages[layer], page) ? PageTier::eight_bits : PageTier::four_bits;
}

}  // namespace fovea
