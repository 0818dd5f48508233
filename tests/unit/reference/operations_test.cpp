// Each reference operation against closed forms and by-hand values.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "engine/reference/attention.hpp"
#include "engine/reference/embed.hpp"
#include "engine/reference/expert_ffn.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/parallel.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/reference/rope.hpp"
#include "engine/reference/router.hpp"

namespace fovea::reference {
namespace {

std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 500.0f;
  return values;
}

WeightView view(const std::vector<float>& values, std::uint32_t columns, std::uint32_t rows,
                std::uint32_t matrices = 1) {
  return {DType::F32, columns, rows, matrices, std::as_bytes(std::span(values)), nullptr};
}

TEST(RmsNorm, DividesByTheRootMeanSquare) {
  const std::vector<float> x{3, -4, 0, 0, 1, 1, 1, 1}, weight{1, 2, 3, 4};
  std::vector<float> out(8);
  rms_norm(x, weight, 0.0f, out);
  EXPECT_FLOAT_EQ(out[0], 3 / 2.5f);
  EXPECT_FLOAT_EQ(out[1], 2 * -4 / 2.5f);
  EXPECT_FLOAT_EQ(out[7], 4.0f);
  rms_norm(x, weight, 3.0f, out);  // the second row's mean square is 1, with epsilon 4
  EXPECT_FLOAT_EQ(out[4], 0.5f);
  std::vector<float> zeros(4);
  rms_norm(zeros, weight, 1e-6f, zeros);
  EXPECT_EQ(zeros[3], 0.0f);
}

TEST(Rope, TurnsPairsOfBothLayouts) {
  RopeParameters p{4, 4, 100.0f, 1.0f, {}, RopeLayout::neighbours};
  const double fast = 3, slow = 3 / 10.0;  // angles of the two pairs at position 3
  std::vector<float> x{1, 0, 0, 1};
  rope(x, 3, p);
  EXPECT_NEAR(x[0], std::cos(fast), 1e-6);
  EXPECT_NEAR(x[1], std::sin(fast), 1e-6);
  EXPECT_NEAR(x[2], -std::sin(slow), 1e-6);
  EXPECT_NEAR(x[3], std::cos(slow), 1e-6);
  p.layout = RopeLayout::halves;
  x = {1, 0, 0, 1};
  rope(x, 3, p);
  EXPECT_NEAR(x[0], std::cos(fast), 1e-6);
  EXPECT_NEAR(x[2], std::sin(fast), 1e-6);
  EXPECT_NEAR(x[1], -std::sin(slow), 1e-6);
  EXPECT_NEAR(x[3], std::cos(slow), 1e-6);
}

TEST(Rope, ScaleFactorsAndPartialWidth) {
  const std::vector<float> factors{2.0f};
  RopeParameters p{4, 2, 10000.0f, 4.0f, factors, RopeLayout::halves};
  std::vector<float> x{1, 0, 7, 8, 1, 0, 7, 8};  // two heads
  rope(x, 8, p);
  for (const std::size_t head : {0u, 4u}) {
    EXPECT_NEAR(x[head], std::cos(1.0), 1e-6);  // 8 / 4 / 2
    EXPECT_NEAR(x[head + 1], std::sin(1.0), 1e-6);
    EXPECT_EQ(x[head + 2], 7);
    EXPECT_EQ(x[head + 3], 8);
  }
}

TEST(Rope, ProductsDependOnTheDistanceAlone) {
  const RopeParameters p{64, 64, 10000.0f, 1.0f, {}, RopeLayout::neighbours};
  const auto product = [&](std::uint32_t a, std::uint32_t b) {
    auto q = random_values(64, 1), k = random_values(64, 2);
    rope(q, a, p);
    rope(k, b, p);
    return std::inner_product(q.begin(), q.end(), k.begin(), 0.0);
  };
  EXPECT_NEAR(product(7, 3), product(5007, 5003), 1e-4);
  EXPECT_GT(std::abs(product(7, 3) - product(7, 4)), 1e-3);
}

TEST(Attention, ALargeScorePicksOneValueAndEqualKeysGiveTheMean) {
  const std::vector<float> keys{1, 0, 9, 9, 0, 1, 9, 9, 1, 1, 9, 9}, values{1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0};
  const KeyValueRows rows{keys, values, 4, 3};
  std::vector<float> out(2), weights(3);
  attention(std::vector<float>{1e4f, -1e4f}, rows, out, weights);
  EXPECT_EQ(out, (std::vector<float>{1, 2}));
  EXPECT_EQ(weights, (std::vector<float>{1, 0, 0}));
  attention(std::vector<float>{0, 0}, rows, out, weights);
  EXPECT_FLOAT_EQ(out[0], 3);
  EXPECT_FLOAT_EQ(out[1], 4);
  EXPECT_FLOAT_EQ(weights[2], 1 / 3.0f);
}

TEST(Attention, ScoresAreDividedByTheRootOfTheWidth) {
  const std::vector<float> keys{1, 0, 0, 0, 0, 0, 0, 0}, values(8);
  std::vector<float> out(4), weights(2);
  attention(std::vector<float>{2, 0, 0, 0}, {keys, values, 4, 2}, out, weights);
  EXPECT_NEAR(weights[0], std::exp(1.0) / (std::exp(1.0) + 1), 1e-6);
}

TEST(Attention, RoundToHalfKeepsElevenBits) {
  std::vector<float> x{1.0f, 1.0f + 0x1p-12f, 70000.0f};
  round_to_half(x);
  EXPECT_EQ(x[0], 1.0f);
  EXPECT_EQ(x[1], 1.0f);
  EXPECT_TRUE(std::isinf(x[2]));
}

TEST(Attention, RoundToQ8KeepsSevenBitsOfTheLargestOfABlock) {
  std::vector<float> x(2 * 40);
  x[0] = 127;  // sets a step of 1
  x[1] = -3.4f;
  x[2] = 2.5f;  // halves go away from zero
  x[3] = -2.5f;
  x[32] = 0.0127f;  // the tail of the first head is a block of its own
  x[39] = 0.00634f;
  x[40] = -254;  // and so does the second head begin
  x[41] = 3.1f;
  round_to_q8_0(x, 40);
  EXPECT_EQ(x[0], 127);
  EXPECT_EQ(x[1], -3);
  EXPECT_EQ(x[2], 3);
  EXPECT_EQ(x[3], -3);
  EXPECT_NEAR(x[32], 0.0127f, 0.0127f * 0x1p-11f);
  EXPECT_NEAR(x[39], 0.0063f, 0.0063f * 0x1p-10f);
  EXPECT_EQ(x[40], -254);
  EXPECT_EQ(x[41], 4);
  EXPECT_EQ(x[79], 0) << "a block of zeros stays one";
}

TEST(Router, ChoosesTheHighestAndOfEqualsTheLowerIndex) {
  const std::vector<float> logits{1, 3, 2, 3, 2};
  const Routing kept = route(logits, 3, false), normalized = route(logits, 3, true);
  EXPECT_EQ(kept.experts, (std::vector<std::uint32_t>{1, 3, 2}));
  EXPECT_EQ(normalized.experts, kept.experts);
  const double all = std::exp(1.0) + 2 * std::exp(2.0) + 2 * std::exp(3.0), chosen = 2 * std::exp(3.0) + std::exp(2.0);
  EXPECT_NEAR(kept.weights[0], std::exp(3.0) / all, 1e-7);
  EXPECT_NEAR(kept.weights[2], std::exp(2.0) / all, 1e-7);
  EXPECT_NEAR(normalized.weights[2], std::exp(2.0) / chosen, 1e-7);
  EXPECT_NEAR(normalized.weights[0] + normalized.weights[1] + normalized.weights[2], 1.0, 1e-6);
}

TEST(Router, LargeLogitsDoNotOverflowAndNanIsChosenLast) {
  const Routing large = route(std::vector<float>{1e30f, 1e30f, 0}, 2, false);
  EXPECT_FLOAT_EQ(large.weights[0], 0.5f);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(route(std::vector<float>{nan, 1, nan, 2}, 2, true).experts, (std::vector<std::uint32_t>{3, 1}));
}

TEST(SwiGlu, IsSiluOfTheGateTimesUp) {
  std::vector<float> out(4);
  swiglu(std::vector<float>{0, 1, -2, 100}, std::vector<float>{5, 2, 3, 0.5f}, out);
  EXPECT_EQ(out[0], 0);
  EXPECT_NEAR(out[1], 2 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(out[2], -6 / (1 + std::exp(2.0)), 1e-6);
  EXPECT_FLOAT_EQ(out[3], 50);
}

TEST(Matvec, SumsRowsOfTheChosenMatrix) {
  const std::uint32_t columns = 13, rows = 5, matrices = 3;
  const auto w = random_values(columns * rows * matrices, 3), x = random_values(2 * columns, 4);
  std::vector<float> y(2 * 2);
  matvec(view(w, columns, rows, matrices), x, y, {.matrix = 2, .first = 3, .count = 2});
  for (std::size_t t = 0; t < 2; ++t)
    for (std::size_t r = 0; r < 2; ++r) {
      double expected = 0;
      for (std::size_t i = 0; i < columns; ++i)
        expected += static_cast<double>(w[(2 * rows + 3 + r) * columns + i]) * static_cast<double>(x[t * columns + i]);
      EXPECT_NEAR(y[t * 2 + r], expected, 1e-5) << t << " " << r;
    }
}

TEST(Matvec, LargeAndSmallTermsAreNotLost) {
  const std::vector<float> w{1e8f, 1, -1e8f}, x{1, 1, 1};
  std::vector<float> y(1);
  matvec(view(w, 3, 1), x, y);
  EXPECT_EQ(y[0], 1.0f);  // a float sum gives 0
}

// Split over threads or row by row: the same bits.
TEST(Matvec, DoesNotDependOnTheSplit) {
  const std::uint32_t columns = 512, rows = 1031;
  const auto w = random_values(columns * rows, 5), x = random_values(4 * columns, 6);
  std::vector<float> all(4 * rows), one(4);
  matvec(view(w, columns, rows), x, all);
  for (std::uint32_t r = 0; r < rows; ++r) {
    matvec(view(w, columns, rows), x, one, {.first = r, .count = 1});
    for (std::size_t t = 0; t < 4; ++t) ASSERT_EQ(all[t * rows + r], one[t]);
  }
}

TEST(Parallel, CoversEveryRowOnce) {
  for (const std::size_t rows : {0u, 1u, 2u, 7u, 1000u}) {
    std::vector<int> seen(rows);
    for_each_row(rows, std::size_t{1} << 30, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) ++seen[i];
    });
    EXPECT_EQ(seen, std::vector<int>(rows, 1));
  }
}

TEST(Embed, CopiesRows) {
  const std::vector<float> w{1, 2, 3, 4, 5, 6};
  std::vector<float> out(4);
  embed(view(w, 2, 3), std::vector<std::int32_t>{2, 0}, out);
  EXPECT_EQ(out, (std::vector<float>{5, 6, 1, 2}));
}

TEST(ExpertFfn, GatesOneExpert) {
  // Width 1, hidden 1, two experts: out = down * silu(gate x) * up x.
  const std::vector<float> gate{1, 2}, up{3, 4}, down{5, 6};
  LayerWeights layer;
  layer.gate = view(gate, 1, 1, 2);
  layer.up = view(up, 1, 1, 2);
  layer.down = view(down, 1, 1, 2);
  std::vector<float> out(2);
  expert_ffn(layer, 1, std::vector<float>{1, -1}, out);
  EXPECT_NEAR(out[0], 6 * 4 * 2 / (1 + std::exp(-2.0)), 1e-4);
  EXPECT_NEAR(out[1], 6 * 4 * 2 / (1 + std::exp(2.0)), 1e-4);
}

}  // namespace
}  // namespace fovea::reference
