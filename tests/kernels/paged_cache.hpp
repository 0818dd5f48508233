// A KV cache as the attention kernels see it, laid out by the test: pages in shuffled order with gaps between them,
// NaN wherever nothing was put, and a trap page behind every table entry that no position needs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "engine/reference/attention.hpp"
#include "engine/tensor/half.hpp"
#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/attention.h"
#include "tests/support/guard_buffer.hpp"
#include "tests/support/seeded.hpp"

namespace fovea::test {

class PagedCache {
 public:
  static constexpr std::uint32_t kLayers = 3, kLayer = 1;  // the one under test has neighbours
  static constexpr std::uint16_t kNan = 0x7E00;

  // Pages for positions [first, end) of a cache of type `kv`.
  PagedCache(gpu::Device& device, std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t first,
             std::uint32_t end, std::uint64_t seed, DType kv = DType::F16)
      : kv_(kv),
        kv_heads_(kv_heads),
        head_width_(head_width),
        first_page_(first / shader::kPageKeys),
        slots_((end - 1) / shader::kPageKeys + 2 - first_page_),
        memory_(device, slots_.size() * page_stride()),
        halves_(memory_.bytes() / 2, kNan) {
    std::iota(slots_.begin(), slots_.end(), 0u);
    Seeded random(seed);
    for (std::size_t i = slots_.size() - 1; i > 0; --i)
      std::swap(slots_[i], slots_[random.below(static_cast<std::uint32_t>(i + 1))]);
    const std::uint64_t trap = memory_.address() + slots_.back() * page_stride();
    table_.assign(first_page_ + slots_.size() + 1, trap);
    for (std::size_t i = 0; i + 1 < slots_.size(); ++i)
      table_[first_page_ + i] = memory_.address() + slots_[i] * page_stride();
    commit();
  }

  [[nodiscard]] DType type() const { return kv_; }
  [[nodiscard]] std::uint32_t layer_offset() const { return static_cast<std::uint32_t>(kLayer * layer_bytes()); }
  [[nodiscard]] const std::vector<std::uint64_t>& table() const { return table_; }
  [[nodiscard]] GuardBuffer& memory() { return memory_; }

  // Where an element of an F16 cache lies, counted in halves.
  [[nodiscard]] std::size_t at(bool value, std::uint32_t kv_head, std::uint32_t position,
                               std::uint32_t dimension) const {
    return plane(value, position) / 2 +
           (std::size_t{kv_head} * shader::kPageKeys + position % shader::kPageKeys) * head_width_ + dimension;
  }
  // Of a Q8_0 cache: where an element's quant lies, in bytes, and the scale of a block, in halves.
  [[nodiscard]] std::size_t quant_at(bool value, std::uint32_t kv_head, std::uint32_t position,
                                     std::uint32_t dimension) const {
    const std::size_t key = position % shader::kPageKeys, piece = dimension / shader::kKvPiece;
    const std::size_t of_head = value ? key * pieces() + piece : piece * shader::kPageKeys + key;
    return plane(value, position) + (std::size_t{kv_head} * pieces() * shader::kPageKeys + of_head) * shader::kKvPiece +
           dimension % shader::kKvPiece;
  }
  [[nodiscard]] std::size_t scale_at(bool value, std::uint32_t kv_head, std::uint32_t position,
                                     std::uint32_t block) const {
    const std::size_t key = position % shader::kPageKeys;
    const std::size_t quants = std::size_t{kv_heads_} * shader::kPageKeys * pieces() * shader::kKvPiece;
    return (plane(value, position) + quants) / 2 + std::size_t{kv_head} * blocks() * shader::kPageKeys +
           (value ? key * blocks() + block : block * shader::kPageKeys + key);
  }
  [[nodiscard]] std::uint32_t pieces() const { return (head_width_ + shader::kKvPiece - 1) / shader::kKvPiece; }
  [[nodiscard]] std::uint32_t blocks() const { return (head_width_ + shader::kKvBlock - 1) / shader::kKvBlock; }
  // Random keys and values for positions [0, count), in the cache and as floats (position, kv head, dimension).
  void fill(std::uint32_t count, Seeded& random) {
    const std::size_t elements = std::size_t{count} * kv_heads_ * head_width_;
    keys = random.normals(elements);
    values = random.normals(elements);
    std::size_t i = 0;
    for (std::uint32_t position = 0; position < count; ++position)
      for (std::uint32_t head = 0; head < kv_heads_; ++head, i += head_width_) {
        store(false, head, position, std::span(keys).subspan(i, head_width_));
        store(true, head, position, std::span(values).subspan(i, head_width_));
      }
    commit();
    if (kv_ == DType::F16) {
      reference::round_to_half(keys);
      reference::round_to_half(values);
    } else {
      reference::round_to_q8_0(keys, head_width_);
      reference::round_to_q8_0(values, head_width_);
    }
  }
  // The key or value that the device wrote to a position for one head, as it will be read.
  [[nodiscard]] std::vector<float> stored(bool value, std::uint32_t head, std::uint32_t position) const {
    const std::vector<std::uint16_t> halves = memory_.values<std::uint16_t>();
    const auto* const quants = reinterpret_cast<const std::int8_t*>(halves.data());
    std::vector<float> row(head_width_);
    for (std::uint32_t d = 0; d < head_width_; ++d)
      row[d] = kv_ == DType::F16 ? half_to_float(halves[at(value, head, position, d)])
                                 : static_cast<float>(quants[quant_at(value, head, position, d)]) *
                                       half_to_float(halves[scale_at(value, head, position, d / shader::kKvBlock)]);
    return row;
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
  [[nodiscard]] std::size_t layer_bytes() const {
    return std::size_t{2} * kv_heads_ * shader::kPageKeys * kv_row_bytes(kv_, head_width_);
  }
  [[nodiscard]] std::size_t page_stride() const { return kLayers * layer_bytes() + kGapHalves * 2; }
  // Where the layer's keys or values of a position's page begin, in bytes.
  [[nodiscard]] std::size_t plane(bool value, std::uint32_t position) const {
    return slots_[position / shader::kPageKeys - first_page_] * page_stride() + kLayer * layer_bytes() +
           (value ? layer_bytes() / 2 : 0);
  }
  void store(bool value, std::uint32_t head, std::uint32_t position, std::span<const float> x) {
    if (kv_ == DType::F16) {
      for (std::uint32_t d = 0; d < head_width_; ++d) halves_[at(value, head, position, d)] = float_to_half(x[d]);
      return;
    }
    auto* const bytes = reinterpret_cast<std::byte*>(halves_.data());
    for (std::uint32_t d = 0; d < pieces() * shader::kKvPiece; ++d)
      bytes[quant_at(value, head, position, d)] = std::byte{0};
    for (std::uint32_t block = 0; block < blocks(); ++block) {
      const std::uint32_t first = block * shader::kKvBlock, end = std::min(first + shader::kKvBlock, head_width_);
      float peak = 0;
      for (std::uint32_t d = first; d < end; ++d) peak = std::max(peak, std::abs(x[d]));
      const float scale = peak / 127, inverse = 1 / scale;
      halves_[scale_at(value, head, position, block)] = float_to_half(scale);
      for (std::uint32_t d = first; d < end; ++d)
        bytes[quant_at(value, head, position, d)] = static_cast<std::byte>(std::lround(x[d] * inverse));
    }
  }
  void commit() { memory_.set_initial<std::uint16_t>(halves_); }

  DType kv_;
  std::uint32_t kv_heads_, head_width_, first_page_;
  std::vector<std::uint32_t> slots_;  // of the pages in memory; the last is the trap
  GuardBuffer memory_;
  std::vector<std::uint16_t> halves_;
  std::vector<std::uint64_t> table_;
};

}  // namespace fovea::test
