#include "engine/tensor/eight_rows.hpp"

#include <cstring>

#include "engine/tensor/half.hpp"
#include "shaders/interface/eight_rows.h"

namespace fovea {
namespace {

constexpr std::size_t kRows = 8, kSuper = 256, kSuperBytes = 210;  // columns and bytes of a block of Q6_K

// A block's 16 columns of one row (dequantize.cpp has the layout of Q6_K): `super` is the stored block, `part` of 16.
void lay(const std::byte* super, std::size_t part, std::byte* words, std::byte* scale) {
  const std::size_t half = part / 8, place = part % 8 / 2, first = part % 2 * 16;  // of 128 columns; of their four 32s; within these
  const std::byte* low = super + 64 * half + 32 * (place % 2) + first;
  const std::byte* high = super + 128 + 32 * half + first;
  for (std::size_t i = 0; i < shader::kEightColumns; ++i) {
    const unsigned nibble = std::to_integer<unsigned>(low[i]) >> (4 * (place / 2)) & 15u, above = std::to_integer<unsigned>(high[i]) >> (2 * place) & 3u;
    words[i / 4 * 4 * kRows + i % 4] = static_cast<std::byte>(nibble | above << 4);
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, super + 208, sizeof bits);
  const float value = half_to_float(bits) * static_cast<float>(std::to_integer<std::int8_t>(super[192 + part]));
  std::memcpy(scale, &value, sizeof value);
}

}  // namespace

bool lies_in_eights(DType type, std::uint32_t columns, std::uint32_t rows) {
  return type == DType::Q6_K && columns > 0 && columns % kSuper == 0 && rows > 0 && rows % kRows == 0;
}

std::uint64_t eight_rows_bytes(std::uint32_t columns, std::uint32_t rows) {
  return std::uint64_t{rows} / kRows * (columns / shader::kEightColumns) * shader::kEightBytes;
}

std::uint64_t eight_input_bytes(std::uint32_t columns) { return (std::uint64_t{columns} / 2 + columns / 8 + columns / 16) * sizeof(std::uint32_t); }

void lay_in_eights(std::span<const std::byte> stored, std::uint32_t columns, std::uint32_t rows, std::span<std::byte> out) {
  const std::size_t row_bytes = columns / kSuper * kSuperBytes, blocks = columns / shader::kEightColumns;
  if (!lies_in_eights(DType::Q6_K, columns, rows) || stored.size() != rows * row_bytes || out.size() != eight_rows_bytes(columns, rows)) return;
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t block = 0; block < blocks; ++block) {
      std::byte* to = out.data() + (row / kRows * blocks + block) * shader::kEightBytes;
      std::byte* lane = to + row % kRows * 4;
      lay(stored.data() + row * row_bytes + block / 16 * kSuperBytes, block % 16, lane, lane + shader::kEightColumns * kRows);
    }
}

}  // namespace fovea
