// Products with eight rows side by side against the reference over activations in 8 bits, in odd shapes.
#include "engine/kernels/eight_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "engine/reference/matvec.hpp"
#include "engine/reference/quantize.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/tensor/eight_rows.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr float kEpsilon = 1e-5f;
// As in dot_test.cpp: what is normed first is rounded to the neighbouring step now and then.
constexpr Tolerance kExact{.relative_l2 = 5e-6, .scaled_max = 5e-6};
constexpr Tolerance kRounded{.relative_l2 = 2e-3, .scaled_max = 3e-3};

class EightRowsKernel : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (!IsSkipped() && !gains_by_eight_rows(device().facts(), DType::Q6_K, 256, 8)) GTEST_SKIP() << "only a CPU driver of eight lanes multiplies eight rows side by side";
  }
  EightRows place_in_eights(const StoredMatrix& weights) {
    std::vector<std::byte> laid(eight_rows_bytes(weights.columns, weights.rows));
    lay_in_eights(weights.bytes, weights.columns, weights.rows, laid);
    return {place_bytes(laid), weights.columns, weights.rows};
  }
  // Sampling's order of a logit, written down another way than in shaders/sample/ordered_key.glsl.
  static std::uint32_t key(float logit) {
    const auto bits = std::bit_cast<std::uint32_t>(logit);
    return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  }
  void check(std::uint32_t columns, std::uint32_t rows, bool with_norm, bool with_keys, const std::vector<float>& x, std::uint64_t seed) {
    SCOPED_TRACE(std::to_string(columns) + " columns, " + std::to_string(rows) + " rows" + (with_norm ? ", normed" : "") + (with_keys ? ", keys" : ""));
    Seeded random(seed);
    const StoredMatrix weights = stored_matrix(DType::Q6_K, columns, rows, random);
    const std::vector<float> norm = random.normals(columns);
    std::vector<float> input = x, rounded(columns), expected(rows);
    if (with_norm) reference::rms_norm(x, norm, kEpsilon, input);
    reference::round_to_8_bits(input, rounded);
    reference::matvec(weights.view(), rounded, expected);
    GuardBuffer y = output(rows), keys = output(rows / 8), words = output(eight_input_bytes(columns) / sizeof(float));
    const EightRows placed = place_in_eights(weights);
    const std::uint64_t at = place(x), norms = place(norm);
    run(
        [&](KernelRecorder& kernels, std::uint64_t) {
          return record_eight_rows(kernels, {.weights = placed, .x = at, .norm = {.weight = with_norm ? norms : 0, .epsilon = kEpsilon}, .words = words.address(), .y = y.address(),
                                             .keys = with_keys ? keys.address() : 0});
        },
        {&y, &keys, &words});
    const std::vector<float> logits = y.values<float>();
    EXPECT_TRUE(near_enough(logits, expected, with_norm ? kRounded : kExact));
    if (!with_keys) return;
    const std::vector<std::uint32_t> left = keys.values<std::uint32_t>();
    for (std::size_t i = 0; i < rows; i += 8) ASSERT_EQ(left[i / 8], key(*std::max_element(logits.begin() + i, logits.begin() + i + 8))) << "rows from " << i;
  }
};

TEST_F(EightRowsKernel, equal_the_reference) {
  struct Case {
    std::uint32_t columns, rows;
    bool with_norm, with_keys;
  };
  // Fewer rows than a subgroup takes, sets and a part, sets for more than a workgroup, a number that wants each digit of a set's. Each
  // shape is seconds of a driver's translating.
  constexpr Case kCases[]{{256, 8, false, true}, {256, 24, true, false}, {256, 40, true, true}, {256, 1096, false, true}, {256, 40'008, true, true},
                          {512, 1096, true, true}, {768, 40, false, true}, {1024, 24, true, true}};
  std::uint64_t seed = 1;
  for (const Case& c : kCases) {
    if (!gains_by_eight_rows(device().facts(), DType::Q6_K, c.columns, c.rows)) ADD_FAILURE() << c.columns << " x " << c.rows << " is not taken";
    Seeded random(seed);
    check(c.columns, c.rows, c.with_norm, c.with_keys, random.mixed(c.columns), seed);
    ++seed;
  }
}

// Whole numbers that fill their 16 bits: all weights and activations as large as can be, of one sign and of both.
TEST_F(EightRowsKernel, have_room_for_the_largest_sums) {
  for (const float sign : {1.0f, -1.0f})
    for (const bool alternates : {false, true}) {
      const std::uint32_t columns = 256, rows = 8;
      Seeded random(7);
      StoredMatrix weights = stored_matrix(DType::Q6_K, columns, rows, random);
      for (std::size_t row = 0; row < rows; ++row) std::fill_n(weights.bytes.begin() + static_cast<std::ptrdiff_t>(row * 210), 192, row % 2 == 0 ? std::byte{0} : std::byte{0xFF});
      std::vector<float> x(columns, sign), rounded(columns), expected(rows);
      for (std::size_t i = 0; alternates && i < columns; i += 2) x[i] = -sign;
      reference::round_to_8_bits(x, rounded);
      reference::matvec(weights.view(), rounded, expected);
      GuardBuffer y = output(rows), words = output(eight_input_bytes(columns) / sizeof(float));
      const EightRows placed = place_in_eights(weights);
      const std::uint64_t at = place(x);
      run([&](KernelRecorder& kernels, std::uint64_t) { return record_eight_rows(kernels, {.weights = placed, .x = at, .words = words.address(), .y = y.address()}); }, {&y, &words});
      if (alternates)
        for (const float value : y.values<float>()) EXPECT_EQ(value, 0.0f);
      else
        EXPECT_TRUE(near_enough(y.values<float>(), expected, kExact));
    }
}

TEST_F(EightRowsKernel, of_no_activations_are_zero) {
  std::vector<float> x(512, 0.0f);
  check(512, 1096, false, true, x, 11);
  check(512, 1096, true, true, x, 12);
}

TEST(EightRowsGain, is_a_cpu_drivers_of_eight_lanes) {
  gpu::DeviceFacts facts;
  facts.cpu = true;
  facts.subgroup = 8;
  facts.max_push_constant_bytes = 256;
  EXPECT_TRUE(gains_by_eight_rows(facts, DType::Q6_K, 512, 16384));
  EXPECT_FALSE(gains_by_eight_rows(facts, DType::Q6_K, 512, 16388));
  EXPECT_FALSE(gains_by_eight_rows(facts, DType::Q6_K, 2048, 16384));
  EXPECT_FALSE(gains_by_eight_rows(facts, DType::Q4_K, 512, 16384));
  facts.max_push_constant_bytes = 128;
  EXPECT_FALSE(gains_by_eight_rows(facts, DType::Q6_K, 512, 16384));
  facts.max_push_constant_bytes = 256;
  facts.subgroup = 4;
  EXPECT_FALSE(gains_by_eight_rows(facts, DType::Q6_K, 512, 16384));
  facts.subgroup = 8;
  facts.cpu = false;
  EXPECT_FALSE(gains_by_eight_rows(facts, DType::Q6_K, 512, 16384));
}

}  // namespace
}  // namespace fovea::test
