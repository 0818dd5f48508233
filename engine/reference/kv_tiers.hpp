// What a KV cache in tiers keeps of a page that has left the window, and which of these pages keep more of it. Formulas and
// their sources: shaders/interface/kv_tiers.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/reference/attention.hpp"

namespace fovea::reference {

// Rounds the keys (values) of one head of one full page, `width` numbers each, one after another, to what is read of a far page.
// Keys by channel between the page's smallest and largest, in 8 bits the widest three eighths of the units of eight channels, in 4 the
// others; values in 8 bits where `refined`, else 4, by blocks of 32 along the head (the last what is left) between -peak and peak, in
// steps that are smaller around zero. The numbers are halves already.
void round_to_far_keys(std::span<float> keys, std::size_t width);
void round_to_far_values(std::span<float> values, std::size_t width, bool refined);

// The pages of a layer that are refined, slot by slot, and how they change when pages leave the window.
struct RefinedPages {
  std::vector<std::uint32_t> slots;
  // `page` leaves, the `far`-th to do so: of `far` pages the share `hot` (millionths) may be refined. heat: of every page.
  void leave(std::uint32_t page, std::uint32_t far, std::uint32_t hot, std::span<const float> heat);
};

// Logarithm of the sum of exp(score) over a far page's keys, as it is estimated from the range of each channel, low and high: never
// more than what the range allows. query: not scaled yet.
[[nodiscard]] double far_page_sum(std::span<const float> query, std::span<const float> low, std::span<const float> high, std::size_t keys);

}  // namespace fovea::reference
