#include "engine/tensor/eight_rows.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "engine/tensor/dequantize.hpp"
#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

std::vector<std::byte> stored_rows(std::uint32_t columns, std::uint32_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(rows * row_bytes(DType::Q6_K, columns));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (std::size_t at = 0; at < bytes.size(); at += 210) {
    const std::uint16_t scale = float_to_half(0.001f * static_cast<float>(static_cast<int>(random() % 200) - 100));
    std::memcpy(bytes.data() + at + 208, &scale, 2);
  }
  return bytes;
}

TEST(EightRows, holds_the_weights_of_eight_rows_side_by_side) {
  for (const auto& [columns, rows] : {std::pair{256u, 8u}, {768u, 24u}, {512u, 16u}}) {
    SCOPED_TRACE(std::to_string(columns) + " x " + std::to_string(rows));
    const std::vector<std::byte> stored = stored_rows(columns, rows, columns);
    std::vector<std::byte> laid(eight_rows_bytes(columns, rows) + 1, std::byte{0xA5});
    lay_in_eights(stored, columns, rows, std::span(laid).first(laid.size() - 1));
    EXPECT_EQ(laid.back(), std::byte{0xA5});
    std::vector<float> expected(std::size_t{rows} * columns);
    dequantize(DType::Q6_K, stored, expected);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t column = 0; column < columns; ++column) {
        const std::byte* block = laid.data() + (row / 8 * (columns / 16) + column / 16) * 160;
        const auto q = static_cast<float>(std::to_integer<int>(block[column % 16 / 4 * 32 + row % 8 * 4 + column % 4]) - 32);
        float scale = 0;
        std::memcpy(&scale, block + 128 + row % 8 * 4, sizeof scale);
        ASSERT_EQ(scale * q, expected[row * columns + column]) << "row " << row << ", column " << column;
      }
  }
}

TEST(EightRows, are_of_whole_blocks_and_whole_eights_alone) {
  EXPECT_TRUE(lies_in_eights(DType::Q6_K, 512, 16384));
  EXPECT_FALSE(lies_in_eights(DType::Q6_K, 512, 16385));
  EXPECT_FALSE(lies_in_eights(DType::Q6_K, 384, 16384));
  EXPECT_FALSE(lies_in_eights(DType::Q6_K, 0, 8));
  EXPECT_FALSE(lies_in_eights(DType::Q6_K, 256, 0));
  EXPECT_FALSE(lies_in_eights(DType::Q8_0, 512, 16384));
  EXPECT_EQ(eight_rows_bytes(512, 16384), 10'485'760u);
  EXPECT_EQ(eight_input_bytes(512), 1408u);
}

TEST(EightRows, of_a_wrong_size_are_left_alone) {
  const std::vector<std::byte> stored = stored_rows(256, 8, 1);
  const std::vector<std::byte> untouched(eight_rows_bytes(256, 8), std::byte{0xA5});
  std::vector<std::byte> laid = untouched;
  lay_in_eights(std::span(stored).first(stored.size() - 1), 256, 8, laid);
  lay_in_eights(stored, 256, 8, std::span(laid).first(laid.size() - 1));
  lay_in_eights(stored, 210, 8, laid);
  EXPECT_TRUE(laid == untouched);
}

}  // namespace
}  // namespace fovea
