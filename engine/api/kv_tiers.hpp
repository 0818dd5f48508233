// What a KV cache in tiers holds at one moment.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace fovea {

// How the keys and values of a page are kept.
enum class PageTier { f16, eight_bits, four_bits };

// Pages from the first on that have left the window, sinks included, once `positions` are in the cache. `sinks` and `window`: pages
// that stay f16, at the start and behind the newest one.
[[nodiscard]] constexpr std::uint32_t settled_pages(std::uint32_t positions, std::uint32_t sinks, std::uint32_t window, std::uint32_t page_positions) {
  const std::uint32_t newest = positions / page_positions;
  return std::max(sinks, newest - std::min(newest, window));
}

// Pages of kAttentionPage positions, the same in every layer; bytes are the allocator's, of all layers. The sum of the four is
// what keys and values take.
struct KvTierFacts {
  std::uint32_t pages = 0;                   // that hold a position
  std::uint32_t first_far = 0, far = 0;      // far: pages [first_far, first_far + far); the others are f16
  std::uint32_t window = 0;                  // pages behind the newest one that stay f16
  std::uint32_t hot = 0;                     // of the far ones, in each layer
  std::uint64_t fresh_bytes = 0;             // f16 slots, a batch's included
  std::uint64_t far_bytes = 0;               // of every far page there is room for
  std::uint64_t refinement_bytes = 0;        // four bits more of a value for the hot ones
  std::uint64_t ranking_bytes = 0;           // how hot pages are, and which are refined
  // The hot pages by layer, ascending, of the first `told` far ones: they are asked for when nothing is in flight.
  std::vector<std::vector<std::uint32_t>> hot_pages;
  std::uint32_t told = 0;
  // Of a page that holds a position, as it is kept now; nullopt: it has left the window since hot pages were told, and has 8 bits or 4.
  [[nodiscard]] std::optional<PageTier> tier(std::uint32_t layer, std::uint32_t page) const;
};

}  // namespace fovea
