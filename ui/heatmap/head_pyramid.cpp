#include "ui/heatmap/head_pyramid.hpp"

#include <algorithm>

namespace fovea {

namespace {
std::size_t offset_of(std::size_t row) { return row * (row + 1) / 2; }
}  // namespace

void HeadPyramid::absorb(const HeadTrace& head) {
  for (const auto& chunk : head.chunks) {
    const std::uint32_t end = chunk->first_query + chunk->rows;
    for (std::uint32_t query = std::max(chunk->first_query, next_query_); query < end; ++query) {
      const auto weights = chunk->row(query);
      if (weights.empty()) break;
      absorb_row(query, weights);
      next_query_ = query + 1;
    }
  }
}

void HeadPyramid::absorb_row(std::uint32_t query, std::span<const std::uint16_t> weights) {
  const std::size_t block = query / kBlock;
  if (block >= recorded_.size()) {
    recorded_.resize(block + 1, false);
    maxima_.resize(offset_of(block + 1), 0);
  }
  recorded_[block] = true;
  std::uint16_t* const maxima = maxima_.data() + offset_of(block);
  for (std::size_t key = 0, column = 0; key < weights.size(); key += kBlock, ++column) {
    const auto last =
        weights.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(key + kBlock, weights.size()));
    const auto first = weights.begin() + static_cast<std::ptrdiff_t>(key);
    maxima[column] = std::max(maxima[column], *std::max_element(first, last));
  }
}

std::span<const std::uint16_t> HeadPyramid::row(std::uint32_t row) const {
  if (row >= recorded_.size() || !recorded_[row]) return {};
  return {maxima_.data() + offset_of(row), std::size_t{row} + 1};
}

}  // namespace fovea
