// A recorded head at one eighth of its size, for zoomed-out views: the largest weight of each 8 x 8 block of cells.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/api/trace.hpp"

namespace fovea {

class HeadPyramid {
 public:
  static constexpr std::uint32_t kBlock = 8;

  // Adds the rows that came since the last call: rows arrive in ascending order, recorded ones never change.
  void absorb(const HeadTrace& head);

  // Largest weights of block row `row` (queries 8 row .. 8 row + 7), as half bits, one per block of keys; empty: no
  // query of it was recorded.
  [[nodiscard]] std::span<const std::uint16_t> row(std::uint32_t row) const;

 private:
  void absorb_row(std::uint32_t query, std::span<const std::uint16_t> weights);

  std::uint32_t next_query_ = 0;
  std::vector<std::uint16_t> maxima_;  // block rows one after the other, row r has r + 1 blocks
  std::vector<bool> recorded_;         // per block row
};

}  // namespace fovea
