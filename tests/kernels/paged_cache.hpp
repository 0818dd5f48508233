// A KV cache as the attention kernels see it, laid out by the test: pages in shuffled order with gaps between them,
// NaN wherever nothing was put, and a trap page behind every table entry that no position needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "engine/reference/attention.hpp"
#include "engine/tensor/half.hpp"
#include "shaders/interface/attention.h"
#include "tests/support/guard_buffer.hpp"
#include "tests/support/seeded.hpp"

namespace fovea::test {

class PagedCache {
 public:
  static constexpr std::uint32_t kLayers = 3, kLayer = 1;  // the one under test has neighbours
  static constexpr std::uint16_t kNan = 0x7E00;

  // Pages for positions [first, end).
  PagedCache(gpu::Device& device, std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t first,
             std::uint32_t end, std::uint64_t seed)
      : kv_heads_(kv_heads),
        head_width_(head_width),
        first_page_(first / shader::kPageKeys),
        slots_((end - 1) / shader::kPageKeys + 2 - first_page_),
        memory_(device, (slots_.size()) * std::uint64_t{page_halves() + kGapHalves} * 2),
        halves_(memory_.bytes() / 2, kNan) {
    std::iota(slots_.begin(), slots_.end(), 0u);
    Seeded random(seed);
    for (std::size_t i = slots_.size() - 1; i > 0; --i)
      std::swap(slots_[i], slots_[random.below(static_cast<std::uint32_t>(i + 1))]);
    const std::uint64_t trap = memory_.address() + std::uint64_t{slots_.back()} * (page_halves() + kGapHalves) * 2;
    table_.assign(first_page_ + slots_.size() + 1, trap);
    for (std::size_t i = 0; i + 1 < slots_.size(); ++i)
      table_[first_page_ + i] = memory_.address() + std::uint64_t{slots_[i]} * (page_halves() + kGapHalves) * 2;
    commit();
  }

  [[nodiscard]] std::uint32_t layer_offset() const { return kLayer * layer_halves() * 2; }
  [[nodiscard]] const std::vector<std::uint64_t>& table() const { return table_; }
  [[nodiscard]] GuardBuffer& memory() { return memory_; }

  // Where an element lies, counted in halves.
  [[nodiscard]] std::size_t at(bool value, std::uint32_t kv_head, std::uint32_t position,
                               std::uint32_t dimension) const {
    const std::size_t page = slots_[position / shader::kPageKeys - first_page_];
    return page * (page_halves() + kGapHalves) + kLayer * layer_halves() + (value ? layer_halves() / 2 : 0) +
           (std::size_t{kv_head} * shader::kPageKeys + position % shader::kPageKeys) * head_width_ + dimension;
  }
  // Random keys and values for positions [0, count), in the cache and as floats (position, kv head, dimension).
  void fill(std::uint32_t count, Seeded& random) {
    const std::size_t elements = std::size_t{count} * kv_heads_ * head_width_;
    keys = random.normals(elements);
    values = random.normals(elements);
    reference::round_to_half(keys);
    reference::round_to_half(values);
    std::size_t i = 0;
    for (std::uint32_t position = 0; position < count; ++position)
      for (std::uint32_t head = 0; head < kv_heads_; ++head)
        for (std::uint32_t d = 0; d < head_width_; ++d, ++i) {
          halves_[at(false, head, position, d)] = float_to_half(keys[i]);
          halves_[at(true, head, position, d)] = float_to_half(values[i]);
        }
    commit();
  }
  // What one query head of `group` per KV head gets from the first `count` positions.
  void attend(std::span<const float> query, std::uint32_t query_head, std::uint32_t group, std::uint32_t count,
              std::span<float> out, std::span<float> weights = {}) const {
    const std::size_t head = std::size_t{query_head / group} * head_width_;
    reference::attention(
        query,
        {std::span(keys).subspan(head), std::span(values).subspan(head), std::size_t{kv_heads_} * head_width_, count},
        out, weights);
  }

  std::vector<float> keys, values;

 private:
  static constexpr std::uint32_t kGapHalves = 128;
  [[nodiscard]] std::uint32_t layer_halves() const { return 2 * kv_heads_ * shader::kPageKeys * head_width_; }
  [[nodiscard]] std::uint32_t page_halves() const { return kLayers * layer_halves(); }
  void commit() { memory_.set_initial<std::uint16_t>(halves_); }

  std::uint32_t kv_heads_, head_width_, first_page_;
  std::vector<std::uint32_t> slots_;  // of the pages in memory; the last is the trap
  GuardBuffer memory_;
  std::vector<std::uint16_t> halves_;
  std::vector<std::uint64_t> table_;
};

}  // namespace fovea::test
