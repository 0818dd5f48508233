// The calibration of a frozen bias, over routers whose load is uneven by construction.
#include "engine/session/bias_calibration.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/api/trace.hpp"

namespace fovea {
namespace {

constexpr std::uint32_t kExperts = 16, kUsed = 4;

// A router with favourites: probability exp(favour + noise), the choice by probability times exp(bias) where tau lets it.
LayerRouting route(std::mt19937& random, std::span<const float> bias, double spread, std::uint32_t tokens, double tau) {
  LayerRouting sum{.tokens = tokens, .counts = std::vector<std::uint64_t>(kUsed), .calls = std::vector<std::uint64_t>(kExperts)};
  for (std::uint32_t t = 0; t < tokens; ++t) {
    std::vector<double> score(kExperts), moved(kExperts);
    for (std::uint32_t e = 0; e < kExperts; ++e) {
      double noise = -6;
      for (int i = 0; i < 12; ++i) noise += static_cast<double>(random()) / 4294967296.0;
      score[e] = std::exp(noise + spread * (e / 15.0 - .5));
    }
    const auto best_of = [](const std::vector<double>& values) {
      std::vector<std::uint32_t> order(kExperts);
      std::iota(order.begin(), order.end(), 0u);
      std::ranges::stable_sort(order, [&](auto a, auto b) { return values[a] > values[b]; });
      order.resize(kUsed);
      return order;
    };
    const auto own = best_of(score);
    for (std::uint32_t e = 0; e < kExperts; ++e) moved[e] = score[e] >= tau * score[own.back()] ? score[e] * std::exp(static_cast<double>(bias[e])) : 0;
    moved[own.front()] = 1e300;
    double best = 0, kept = 0;
    for (const auto e : own) best += score[e];
    for (const auto e : best_of(moved)) {
      kept += score[e];
      ++sum.calls[e];
    }
    sum.moved_mass += kept / best;
  }
  return sum;
}

struct End {
  double before, after, utilization, mass;
  CalibrationEnd end;
};
End calibrate(double spread, const CalibrationGoal& goal, double tau) {
  std::mt19937 random(3);
  BiasCalibration calibration(1, kExperts, goal);
  const LayerRouting before = route(random, calibration.bias(), spread, 8000, tau);
  for (int i = 0; i < 40; ++i) calibration.add({route(random, calibration.bias(), spread, 1000, tau)});
  const LayerRouting after = route(random, calibration.bias(), spread, 8000, tau);
  const std::vector<float> bias = calibration.bias();
  EXPECT_NEAR(std::accumulate(bias.begin(), bias.end(), 0.0f), 0, 1e-3f);
  return {utilization_figures(before.calls)->cv, utilization_figures(after.calls)->cv, utilization_figures(after.calls)->utilization, after.moved_mass / 8000, calibration.end(0)};
}

TEST(BiasCalibration, EvensTheLoadWhereTheGuardLetsIt) {
  const End end = calibrate(2, {.cv = .07, .retained = .9}, .1);
  EXPECT_GT(end.before, .41);
  EXPECT_LT(end.after, .1);
  EXPECT_GT(end.utilization, .85);
  EXPECT_GE(end.mass, .9);
  EXPECT_EQ(end.end, CalibrationEnd::reached);
}

TEST(BiasCalibration, GivesWayToTheGuardAndSaysSo) {
  const End end = calibrate(3, {.cv = .02, .retained = .97}, .1);
  EXPECT_GT(end.after, .07);
  EXPECT_LT(end.after, end.before);
  EXPECT_GE(end.mass, .96);
  EXPECT_EQ(end.end, CalibrationEnd::guard);
}

TEST(BiasCalibration, LeavesWhatIsEvenAndWhatHasAnotherShape) {
  BiasCalibration calibration(2, 4, {.cv = .07, .retained = .97});
  const LayerRouting even{.tokens = 4, .moved_mass = 4, .counts = {4}, .calls = {1, 1, 1, 1}};
  calibration.add({even, even});
  calibration.add({even});
  calibration.add({LayerRouting{}, LayerRouting{}});
  EXPECT_EQ(calibration.bias(), std::vector<float>(8, 0));
  EXPECT_EQ(calibration.end(1), CalibrationEnd::reached);
}

}  // namespace
}  // namespace fovea
