#include "engine/tensor/dequantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fovea {
namespace {

std::vector<std::byte> contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text((std::istreambuf_iterator<char>(file)), {});
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

struct Case {
  const char* stem;
  DType type;
};

class DequantizeFixture : public testing::TestWithParam<Case> {};

// 8,192 real weights as ggml stores them and as ggml reads them back.
TEST_P(DequantizeFixture, EqualsGgmlBitForBit) {
  const std::filesystem::path folder = std::filesystem::path(FOVEA_SHARED) / "fixtures/quant";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the block fixtures are not on this machine";
  const auto blocks = contents(folder / (std::string(GetParam().stem) + ".blocks"));
  const auto expected = contents(folder / (std::string(GetParam().stem) + ".f32"));
  ASSERT_EQ(expected.size(), 8192 * sizeof(float));
  ASSERT_EQ(blocks.size(), row_bytes(GetParam().type, 8192));
  std::vector<float> decoded(8192);
  dequantize(GetParam().type, blocks, decoded);
  EXPECT_EQ(std::memcmp(decoded.data(), expected.data(), expected.size()), 0);
}

INSTANTIATE_TEST_SUITE_P(Types, DequantizeFixture,
                         testing::Values(Case{"f16", DType::F16}, Case{"bf16", DType::BF16}, Case{"q8_0", DType::Q8_0},
                                         Case{"q4_0", DType::Q4_0}, Case{"q5_0", DType::Q5_0},
                                         Case{"q4_K", DType::Q4_K}, Case{"q5_K", DType::Q5_K},
                                         Case{"q6_K", DType::Q6_K}),
                         [](const auto& entry) { return std::string(entry.param.stem); });

// Small blocks worked out by hand, so that the layouts are pinned without the fixtures.
TEST(Dequantize, SmallBlocksByHand) {
  std::vector<std::byte> q8(34), q4(18), q5(22);
  std::vector<float> out(32);
  q8[1] = std::byte{0x38};  // d = 0.5
  q8[2] = std::byte{0xff};  // -1
  q8[33] = std::byte{127};
  dequantize(DType::Q8_0, q8, out);
  EXPECT_EQ(out[0], -0.5f);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[31], 63.5f);

  q4[1] = std::byte{0x3c};  // d = 1
  q4[2] = std::byte{0xf1};
  dequantize(DType::Q4_0, q4, out);
  EXPECT_EQ(out[0], 1.0f - 8);
  EXPECT_EQ(out[16], 15.0f - 8);
  EXPECT_EQ(out[1], -8.0f);

  q5[1] = std::byte{0x3c};
  q5[2] = std::byte{0x01};  // fifth bit of element 0
  q5[5] = std::byte{0x80};  // and of element 31
  q5[6] = std::byte{0x03};
  dequantize(DType::Q5_0, q5, out);
  EXPECT_EQ(out[0], 16.0f + 3 - 16);
  EXPECT_EQ(out[16], -16.0f);
  EXPECT_EQ(out[31], 0.0f);
}

TEST(Dequantize, SuperBlocksByHand) {
  std::vector<float> out(256);
  // Q4_K: d = 1, dmin = 1, scale 5 and min 2 for the first 32, upper bits for group 4.
  std::vector<std::byte> q4(144);
  q4[1] = q4[3] = std::byte{0x3c};
  q4[4] = std::byte{5 | 0x40};  // group 0 scale 5; upper bits of group 4's scale = 1
  q4[8] = std::byte{2};
  q4[12] = std::byte{0x03};  // group 4: scale low bits 3, min low bits 0
  q4[16] = std::byte{0x0f};
  q4[16 + 64] = std::byte{0x01};
  dequantize(DType::Q4_K, q4, out);
  EXPECT_EQ(out[0], 5.0f * 15 - 2);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_EQ(out[32], 0.0f);
  EXPECT_EQ(out[128], 19.0f);

  std::vector<std::byte> q6(210);
  q6[209] = std::byte{0x3c};
  q6[192] = std::byte{2};
  q6[192 + 2] = std::byte{0xff};  // -1: elements 32-47
  q6[0] = std::byte{0x0f};
  q6[128] = std::byte{0x03};  // upper bits 3 of element 0, 0 of element 32
  dequantize(DType::Q6_K, q6, out);
  EXPECT_EQ(out[0], 2.0f * (63 - 32));
  EXPECT_EQ(out[16], 0.0f);
  EXPECT_EQ(out[32], 32.0f);
}

TEST(Dequantize, FloatsComeOutAsStored) {
  const std::vector<float> stored{1.5f, -0.0f, 3e38f};
  std::vector<float> out(3);
  dequantize(DType::F32, std::as_bytes(std::span(stored)), out);
  EXPECT_EQ(std::memcmp(out.data(), stored.data(), sizeof(float) * 3), 0);
}

TEST(Dequantize, BrokenContractGivesNoNumbers) {
  std::vector<std::byte> blocks(34);
  std::vector<float> out(64);
  dequantize(DType::Q8_0, blocks, out);  // too few blocks
  for (const float value : out) EXPECT_TRUE(std::isnan(value));
  std::vector<float> short_row(31);
  dequantize(DType::Q8_0, blocks, short_row);  // not a whole block
  EXPECT_TRUE(std::isnan(short_row[0]));
  std::vector<std::byte> q2(84);
  std::vector<float> block(256);
  dequantize(DType::Q2_K, q2, block);  // a type that does not run
  EXPECT_TRUE(std::isnan(block[0]));
}

}  // namespace
}  // namespace fovea
