// Speed over steps, beside the bound of bytes and steps, kernels summed over steps.
#include "engine/api/throughput.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fovea {
namespace {

std::vector<StepTiming> run_of(std::uint32_t decoded, float decode_ms) {
  std::vector<StepTiming> steps{{0, 100, 50, true}, {100, 20, 10, true}};
  for (std::uint32_t i = 0; i < decoded; ++i) steps.push_back({120 + i, 1, decode_ms, false});
  return steps;
}

TEST(PhaseSpeed, KeepsPrefillAndDecodeApart) {
  const auto steps = run_of(10, 20);
  const auto prefill = phase_speed(steps, true), decode = phase_speed(steps, false);
  ASSERT_TRUE(prefill && decode);
  EXPECT_DOUBLE_EQ(prefill->tokens_per_second, 2000);
  EXPECT_EQ(prefill->tokens, 120u);
  EXPECT_DOUBLE_EQ(prefill->mean_depth, 50);
  EXPECT_DOUBLE_EQ(decode->tokens_per_second, 50);
  EXPECT_DOUBLE_EQ(decode->mean_depth, 124.5);
}

TEST(PhaseSpeed, OverAWindowTakesTheNewestSteps) {
  auto steps = run_of(200, 20);
  for (std::size_t i = steps.size() - 50; i < steps.size(); ++i) steps[i].milliseconds = 40;
  const auto now = phase_speed(steps, false, 1000);
  ASSERT_TRUE(now);
  EXPECT_EQ(now->tokens, 25u);
  EXPECT_DOUBLE_EQ(now->tokens_per_second, 25);
  EXPECT_DOUBLE_EQ(now->mean_depth, 120 + 199 - 12);
}

TEST(PhaseSpeed, OfDecodedGroupsIsThatOfTheirTokens) {
  const auto alone = phase_speed(run_of(12, 20), false);
  std::vector<StepTiming> steps{{0, 100, 50, true}, {100, 20, 10, true}, {120, 1, 20, false}};
  for (const std::uint32_t first : {121u, 125u}) steps.push_back({first, 4, 80, false});
  steps.push_back({129, 3, 60, false});
  const auto groups = phase_speed(steps, false);
  ASSERT_TRUE(alone && groups);
  EXPECT_EQ(groups->tokens, alone->tokens);
  EXPECT_DOUBLE_EQ(groups->tokens_per_second, alone->tokens_per_second);
  EXPECT_DOUBLE_EQ(groups->mean_depth, alone->mean_depth);
}

TEST(PhaseSpeed, OfAPhaseWithoutStepsIsAbsent) {
  EXPECT_FALSE(phase_speed({}, false));
  EXPECT_FALSE(phase_speed(run_of(0, 0), false, 1000));
  EXPECT_FALSE(phase_speed(run_of(3, 0), false)) << "steps that took no time tell no speed";
}

TEST(PhaseSpeed, SaysUnderWhichConditions) {
  auto steps = run_of(100, 20);
  steps[2].recording = steps[2].timing = true;
  const auto all = phase_speed(steps, false), now = phase_speed(steps, false, 1000);
  ASSERT_TRUE(all && now);
  EXPECT_TRUE(all->recording && all->timing);
  EXPECT_FALSE(now->recording || now->timing) << "that step is no part of the last second";
}

TEST(TokenBytes, GrowWithTheDepth) {
  const TokenBytes bytes{1000, 10};
  EXPECT_DOUBLE_EQ(bytes.at(0), 1010);  // it writes its own position
  EXPECT_DOUBLE_EQ(bytes.at(99.5), 2005);
}

TEST(DecodeBound, IsBytesAtThePeakAndStepsOneAfterAnother) {
  const DecodeBound bytes = decode_bound({.bytes = 2e9}, 50, 400);
  EXPECT_DOUBLE_EQ(bytes.gb_per_s.value(), 100);
  EXPECT_DOUBLE_EQ(bytes.bytes_us.value(), 5000);
  EXPECT_FALSE(bytes.steps_us);
  EXPECT_DOUBLE_EQ(bytes.tokens_per_second.value(), 200);
  EXPECT_DOUBLE_EQ(bytes.fraction.value(), 0.25);
  const DecodeBound both = decode_bound({.bytes = 2e9, .steps = 1000}, 50, 800);
  EXPECT_DOUBLE_EQ(both.bytes_us.value(), 2500);
  EXPECT_DOUBLE_EQ(both.steps_us.value(), 2400);
  EXPECT_DOUBLE_EQ(both.tokens_per_second.value(), 1e6 / 4900);
  EXPECT_DOUBLE_EQ(both.fraction.value(), 50 * 4900 / 1e6);
}

TEST(DecodeBound, LacksWhatIsNotKnown) {
  const DecodeBound no_peak = decode_bound({.bytes = 2e9, .steps = 10}, 50, std::nullopt);
  EXPECT_TRUE(no_peak.gb_per_s && no_peak.steps_us);
  EXPECT_FALSE(no_peak.bytes_us || no_peak.tokens_per_second || no_peak.fraction) << "steps alone bound too little";
  const DecodeBound no_speed = decode_bound({.bytes = 2e9}, 0, 400);
  EXPECT_TRUE(no_speed.tokens_per_second);
  EXPECT_FALSE(no_speed.gb_per_s || no_speed.fraction) << "not measured is not zero";
  const DecodeBound no_bytes = decode_bound({}, 50, 400);
  EXPECT_FALSE(no_bytes.gb_per_s || no_bytes.tokens_per_second || no_bytes.fraction);
}

TEST(TokenWork, CountsStepsOnAGpuAlone) {
  ModelSummary model;
  model.token_steps = 38;
  model.device.type = "cpu";
  EXPECT_EQ(token_work(model, 5).steps, 0u);
  model.device.type = "discrete";
  EXPECT_EQ(token_work(model, 5).steps, 38u);
  EXPECT_DOUBLE_EQ(token_work(model, 5).bytes, 5);
}

TEST(KernelTimes, AreSummedOverSteps) {
  KernelTimes times;
  const std::vector<KernelTime> first{{"norm", 2, 3}, {"attention", 5, 1}}, second{{"norm", 4, 3}, {"trace", 1, 1}};
  times.add(first, 1);
  times.add(second, 1);
  EXPECT_EQ(times.steps, 2u);
  EXPECT_EQ(times.tokens, 2u);
  EXPECT_DOUBLE_EQ(times.microseconds(), 12);
  ASSERT_EQ(times.kernels.size(), 3u);
  EXPECT_EQ(times.kernels[0].kernel, "norm");
  EXPECT_EQ(times.kernels[0].count, 6u);
  EXPECT_DOUBLE_EQ(times.kernels[0].microseconds, 6);
  const auto sorted = longest_first(times.kernels);
  EXPECT_EQ(sorted[0].kernel, "norm");
  EXPECT_EQ(sorted[2].kernel, "trace");
}

}  // namespace
}  // namespace fovea
