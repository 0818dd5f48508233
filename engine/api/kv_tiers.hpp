// What a KV cache in tiers holds at one moment.
#pragma once

#include <cstdint>
#include <vector>

namespace fovea {

// Pages of kAttentionPage positions, the same in every layer; bytes are the allocator's, of all layers. The sum of the four is
// what keys and values take.
struct KvTierFacts {
  std::uint32_t pages = 0;                   // that hold a position
  std::uint32_t first_far = 0, far = 0;      // far: pages [first_far, first_far + far); the others are f16
  std::uint32_t hot = 0;                     // of the far ones, in each layer
  std::uint64_t fresh_bytes = 0;             // f16 slots, a batch's included
  std::uint64_t far_bytes = 0;               // of every far page there is room for
  std::uint64_t refinement_bytes = 0;        // four bits more of a value for the hot ones
  std::uint64_t ranking_bytes = 0;           // how hot pages are, and which are refined
  // The hot pages by layer, ascending, of the first `told` far ones: they are asked for when nothing is in flight.
  std::vector<std::vector<std::uint32_t>> hot_pages;
  std::uint32_t told = 0;
};

}  // namespace fovea
