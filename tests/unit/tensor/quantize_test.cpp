#include "engine/tensor/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/tensor/dequantize.hpp"

namespace fovea {
namespace {

struct Case {
  DType type;
  double error;  // relative squared error that normal values may have: of the step that their block's range allows, with a fifth to spare
  friend void PrintTo(const Case& c, std::ostream* out) { *out << name(c.type); }
};

class Quantize : public testing::TestWithParam<Case> {
 protected:
  static std::vector<float> through(std::span<const float> values) {
    const DType type = GetParam().type;
    std::vector<std::byte> blocks(row_bytes(type, values.size()) + 1, std::byte{0xA5});
    quantize(type, values, std::span(blocks).first(blocks.size() - 1));
    EXPECT_EQ(blocks.back(), std::byte{0xA5});
    std::vector<float> back(values.size());
    dequantize(type, std::span(blocks).first(blocks.size() - 1), back);
    return back;
  }
  static double error(std::span<const float> values, std::span<const float> back) {
    double off = 0, squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double x = static_cast<double>(values[i]), d = static_cast<double>(back[i]) - x;
      off += d * d;
      squares += x * x;
    }
    return off / squares;
  }
};

TEST_P(Quantize, loses_no_more_than_its_bits_must) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(256 * 32);
  for (float& value : values) value = normal(random);
  const double lost = error(values, through(values));
  EXPECT_LT(lost, GetParam().error);
  EXPECT_GT(lost, GetParam().error / 4);
}

TEST_P(Quantize, keeps_what_it_can_write) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values(256 * 4);
  for (float& value : values) value = normal(random);
  const std::vector<float> once = through(values);
  EXPECT_LT(error(once, through(once)), GetParam().error / 3);
  EXPECT_EQ(through(std::vector<float>(256, 0.0f)), std::vector<float>(256, 0.0f));
}

TEST_P(Quantize, takes_whatever_numbers_come) {
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f, 1e-30f}) {
    std::vector<float> values(256, 0.5f);
    values[7] = odd;
    for (const float value : through(values)) EXPECT_TRUE(std::isfinite(value));
  }
  std::vector<float> negative(256);
  for (std::size_t i = 0; i < negative.size(); ++i) negative[i] = -1 - static_cast<float>(i % 32) / 32;
  EXPECT_LT(error(negative, through(negative)), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(Types, Quantize,
                         testing::Values(Case{DType::Q8_0, 3e-5}, Case{DType::Q6_K, 4e-4}, Case{DType::Q5_K, 1.7e-3}, Case{DType::Q4_K, 7e-3},
                                         Case{DType::Q5_0, 1.9e-3}, Case{DType::Q4_0, 8e-3}),
                         [](const auto& entry) { return std::string(name(entry.param.type)); });

TEST(QuantizeTypes, makes_no_other_types) {
  std::vector<std::byte> blocks(512, std::byte{9});
  quantize(DType::F16, std::vector<float>(256, 1.0f), blocks);
  quantize(DType::Q8_0, std::vector<float>(33, 1.0f), blocks);
  EXPECT_EQ(blocks, std::vector<std::byte>(512, std::byte{9}));
  EXPECT_FALSE(quantizes_to(DType::F16));
}

}  // namespace
}  // namespace fovea
