// The calibration of frozen prices, over routers whose load is uneven by construction.
#include "engine/session/price_calibration.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/api/trace.hpp"

namespace fovea {
namespace {

struct Shape {
  std::uint32_t experts = 16, used = 4;
  double deviation = 1;  // of a token's logits
};
constexpr std::uint32_t kExperts = Shape{}.experts;

// A router with favourites: probability exp(favour + noise), the choice by the probability's part of the own choice less the price.
LayerRouting route(std::mt19937& random, std::span<const float> prices, double spread, std::uint32_t tokens, Shape shape = {}) {
  LayerRouting sum{.tokens = tokens, .counts = std::vector<std::uint64_t>(shape.used), .calls = std::vector<std::uint64_t>(shape.experts)};
  for (std::uint32_t t = 0; t < tokens; ++t) {
    std::vector<double> score(shape.experts), moved(shape.experts);
    for (std::uint32_t e = 0; e < shape.experts; ++e) {
      double noise = -6;
      for (int i = 0; i < 12; ++i) noise += static_cast<double>(random()) / 4294967296.0;
      score[e] = std::exp(shape.deviation * noise + spread * (e / (shape.experts - 1.0) - .5));
    }
    const auto best_of = [&](const std::vector<double>& values) {
      std::vector<std::uint32_t> order(shape.experts);
      std::iota(order.begin(), order.end(), 0u);
      std::ranges::stable_sort(order, [&](auto a, auto b) { return values[a] > values[b]; });
      order.resize(shape.used);
      return order;
    };
    const auto own = best_of(score);
    double best = 0, kept = 0;
    for (const auto e : own) best += score[e];
    for (std::uint32_t e = 0; e < shape.experts; ++e) moved[e] = score[e] / best - static_cast<double>(prices[e]);
    moved[own.front()] = 1e300;
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
End calibrate(double spread, const CalibrationGoal& goal) {
  std::mt19937 random(3);
  PriceCalibration calibration(1, kExperts, goal);
  const LayerRouting before = route(random, calibration.prices(), spread, 4000);
  for (int i = 0; i < 40; ++i) calibration.add({route(random, calibration.prices(), spread, 500)});
  const std::vector<float> found = calibration.found();
  const LayerRouting after = route(random, found, spread, 4000);
  EXPECT_NEAR(std::accumulate(found.begin(), found.end(), 0.0f), 0, 1e-3f);
  return {utilization_figures(before.calls)->cv, utilization_figures(after.calls)->cv, utilization_figures(after.calls)->utilization, after.moved_mass / 4000, calibration.end(0)};
}

TEST(PriceCalibration, EvensTheLoadWhereTheGuardLetsIt) {
  const End end = calibrate(2, {.cv = .07, .retained = .9});
  EXPECT_GT(end.before, .41);
  EXPECT_LT(end.after, .1);
  EXPECT_GT(end.utilization, .85);
  EXPECT_GE(end.mass, .9);
  EXPECT_EQ(end.end, CalibrationEnd::reached);
}

// What is found keeps what the guard asks for, though single stretches swing about it.
TEST(PriceCalibration, GivesWayToTheGuardAndSaysSo) {
  const End end = calibrate(3, {.cv = .02, .retained = .97});
  EXPECT_GT(end.after, .07);
  EXPECT_LT(end.after, .7 * end.before);
  EXPECT_NEAR(end.mass, .97, .004);
  EXPECT_EQ(end.end, CalibrationEnd::guard);
}

// The first stretch moves a price by a quarter of an expert's part of its token for each mean load too much. Where too little was kept,
// prices shrink with the root of what was lost too much.
TEST(PriceCalibration, TakesAStepAlongTheLoadAndFindsTheMeanOfTheWay) {
  PriceCalibration calibration(1, 4, {.cv = .07, .retained = .9});
  const auto stretch = [](double kept) { return RoutingWork{LayerRouting{.tokens = 8, .moved_mass = 8 * kept, .counts = {0, 8}, .calls = {6, 4, 4, 2}}}; };
  calibration.add(stretch(1));
  EXPECT_EQ(calibration.prices(), (std::vector<float>{.0625f, 0, 0, -.0625f}));
  EXPECT_EQ(calibration.found(), calibration.prices());
  calibration.add(stretch(.6));
  EXPECT_EQ(calibration.guarded(0), 1u);
  EXPECT_NEAR(calibration.prices()[0], .0625 * .95 / 2, 1e-6);
  EXPECT_NEAR(calibration.found()[0], (.0625 + 3 * .0625 * .95 / 2) / 4, 1e-6);
}

// Of a random router: on tokens that nothing was learned from.
TEST(PriceCalibration, EvensARandomRouterOf64ExpertsWithinTheGuard) {
  constexpr std::uint32_t kTokens = 4000;
  constexpr Shape kShape{64, 8, 2};
  std::mt19937 random(9);
  PriceCalibration calibration(1, kShape.experts, {.cv = .07, .retained = .95});
  const LayerRouting own = route(random, calibration.prices(), 2.5, kTokens, kShape);
  for (int i = 0; i < 24; ++i) calibration.add({route(random, calibration.prices(), 2.5, 500, kShape)});
  calibration.settle();
  for (int i = 0; i < 24; ++i) calibration.add({route(random, calibration.prices(), 2.5, 500, kShape)});
  const LayerRouting after = route(random, calibration.found(), 2.5, kTokens, kShape);
  EXPECT_GE(utilization_figures(own.calls)->cv, .41);
  EXPECT_LE(utilization_figures(after.calls)->cv, .15);
  EXPECT_GE(after.moved_mass / kTokens, .95);
}

// What the way of the prices leaves between what is kept and what must be is used once they are still, and what it lacks is brought in.
TEST(PriceCalibration, SettlesWhereTheGuardIs) {
  constexpr std::uint32_t kTokens = 4000;
  for (const double retained : {.95, .97}) {
    std::mt19937 random(3);
    PriceCalibration calibration(1, kExperts, {.cv = .02, .retained = retained});
    for (int i = 0; i < 6; ++i) calibration.add({route(random, calibration.prices(), 3, 500)});
    const LayerRouting moved = route(random, calibration.found(), 3, kTokens);
    calibration.settle();
    for (int i = 0; i < 10; ++i) calibration.add({route(random, calibration.prices(), 3, 500)});
    EXPECT_EQ(calibration.prices(), calibration.found());
    const LayerRouting settled = route(random, calibration.found(), 3, kTokens);
    EXPECT_GT(std::abs(moved.moved_mass / kTokens - retained), .004);
    EXPECT_NEAR(settled.moved_mass / kTokens, retained + .05 * (1 - retained), .002);
    EXPECT_EQ(utilization_figures(settled.calls)->cv < utilization_figures(moved.calls)->cv, settled.moved_mass < moved.moved_mass);
  }
}

TEST(PriceCalibration, LeavesWhatIsEvenAndWhatHasAnotherShape) {
  PriceCalibration calibration(2, 4, {.cv = .07, .retained = .97});
  const LayerRouting even{.tokens = 4, .moved_mass = 4, .counts = {4}, .calls = {1, 1, 1, 1}};
  calibration.add({even, even});
  calibration.add({even});
  calibration.add({LayerRouting{}, LayerRouting{}});
  EXPECT_EQ(calibration.prices(), std::vector<float>(8, 0));
  EXPECT_EQ(calibration.found(), std::vector<float>(8, 0));
  EXPECT_EQ(calibration.end(1), CalibrationEnd::reached);
}

}  // namespace
}  // namespace fovea
