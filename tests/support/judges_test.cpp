// The judges judged: a comparison that lets anything pass proves nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/tensor/dequantize.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Values = std::vector<float>;

TEST(NearEnough, takes_what_is_equal_and_what_is_near) {
  EXPECT_TRUE(near_enough(Values{1, -2, 0}, Values{1, -2, 0}));
  EXPECT_TRUE(near_enough(Values{1.000001f, -2, 0}, Values{1, -2, 0}));
  EXPECT_TRUE(near_enough(Values{0, -0.0f}, Values{0, 0}));
}

TEST(NearEnough, refuses_a_wrong_size_and_emptiness) {
  EXPECT_FALSE(near_enough(Values{1, 2}, Values{1, 2, 3}));
  EXPECT_FALSE(near_enough(Values{1, 2, 3}, Values{1, 2}));
  EXPECT_FALSE(near_enough(Values{}, Values{}));
}

TEST(NearEnough, refuses_what_is_not_a_number_wherever_it_is) {
  EXPECT_FALSE(near_enough(Values{1, kNan}, Values{1, 2}));
  EXPECT_FALSE(near_enough(Values{1, kInfinity}, Values{1, 2}));
  EXPECT_FALSE(near_enough(Values{1, kNan}, Values{1, kNan}));  // an expectation of NaN is a mistake of the test
  EXPECT_FALSE(near_enough(Values{1, 2}, Values{1, kNan}));
  EXPECT_FALSE(near_enough(Values{1, kInfinity}, Values{1, kInfinity}));
}

TEST(NearEnough, refuses_a_wrong_sign_a_shift_and_zeros) {
  EXPECT_FALSE(near_enough(Values{-1, 2}, Values{1, 2}));
  EXPECT_FALSE(near_enough(Values{-1, -2}, Values{1, 2}));
  EXPECT_FALSE(near_enough(Values{2, 3, 1}, Values{1, 2, 3}));
  EXPECT_FALSE(near_enough(Values{0, 0}, Values{1, 2}));
  EXPECT_FALSE(near_enough(Values{1e-30f, 0}, Values{0, 0}));
}

TEST(NearEnough, refuses_a_transposed_matrix) {
  Seeded random(1);
  const Values a = random.normals(35);
  Values transposed;
  for (std::size_t column = 0; column < 7; ++column)
    for (std::size_t row = 0; row < 5; ++row) transposed.push_back(a[row * 7 + column]);
  EXPECT_FALSE(near_enough(transposed, a, {0.1, 0.1}));
}

TEST(NearEnough, sees_one_wrong_element_among_many_and_small_errors_everywhere) {
  Values expected(1'000'000, 1.0f), one = expected, all = expected;
  one[777'777] = 1.001f;
  EXPECT_LT(difference(one, expected).relative_l2, 1e-5);
  EXPECT_EQ(difference(one, expected).worst, 777'777u);
  EXPECT_FALSE(near_enough(one, expected, {1e-5, 1e-4}));
  expected[0] = all[0] = 1000;  // hides an error of 1e-4 from the scaled maximum
  for (std::size_t i = 1; i < all.size(); ++i) all[i] = 1.0001f;
  EXPECT_LT(difference(all, expected).scaled_max, 1e-6);
  EXPECT_FALSE(near_enough(all, expected, {1e-5, 1e-5}));
}

TEST(NearEnough, measures_as_it_says) {
  const Difference d = difference(Values{3, 4.5f}, Values{3, 4});
  EXPECT_DOUBLE_EQ(d.relative_l2, 0.1);
  EXPECT_DOUBLE_EQ(d.scaled_max, 0.125);
  EXPECT_EQ(d.worst, 1u);
}

TEST(SeededValues, are_the_same_every_time_and_hold_what_they_promise) {
  Seeded a(7), b(7), c(8);
  const Values mixed = a.mixed(1000);
  EXPECT_TRUE(mixed == b.mixed(1000));
  EXPECT_FALSE(mixed == c.mixed(1000));
  const auto count = [&](auto what) { return std::count_if(mixed.begin(), mixed.end(), what); };
  EXPECT_GT(count([](float v) { return v == 0 && std::signbit(v); }), 20);
  EXPECT_GT(count([](float v) { return v == 0 && !std::signbit(v); }), 20);
  EXPECT_GT(count([](float v) { return std::abs(v) > 100; }), 20);
  EXPECT_GT(count([](float v) { return v != 0 && std::abs(v) < std::numeric_limits<float>::min(); }), 10);
  EXPECT_GT(count([](float v) { return v < -0.5f; }), 100);
  EXPECT_EQ(count([](float v) { return !std::isfinite(v); }), 0);
}

TEST(StoredValues, of_every_type_are_finite_and_of_the_size_asked_for) {
  for (const DType type : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q5_0, DType::Q4_K,
                           DType::Q5_K, DType::Q6_K}) {
    Seeded random(3);
    const auto bytes = stored_values(type, 256 * 64, random, 0.5);
    Values values(256 * 64);
    dequantize(type, bytes, values);
    double squares = 0;
    for (const float v : values) squares += static_cast<double>(v) * static_cast<double>(v);
    const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
    EXPECT_TRUE(deviation > 0.25 && deviation < 1.0) << name(type) << ": " << deviation;
  }
}

class Guards : public KernelTest {};

TEST_F(Guards, tell_a_write_on_either_side_and_what_was_left_alone) {
  GuardBuffer out = output(8);
  EXPECT_TRUE(out.guards_intact());
  EXPECT_TRUE(GuardBuffer::is_poison(out.values<float>().back()));
  EXPECT_TRUE(std::isnan(out.values<float>().front()));
  const Values one{1};
  for (const std::uint64_t at :
       {GuardBuffer::kGuardBytes - 4, GuardBuffer::kGuardBytes + 32, 2 * GuardBuffer::kGuardBytes + 28}) {
    ASSERT_TRUE(device().upload(out.buffer(), at, std::as_bytes(std::span(one))));
    EXPECT_FALSE(out.guards_intact()) << at;
    out.reset();
    EXPECT_TRUE(out.guards_intact());
  }
  out.set_initial<float>(one);
  EXPECT_EQ(out.values<float>().front(), 1.0f);
  EXPECT_TRUE(out.guards_intact());
}

}  // namespace
}  // namespace fovea::test
