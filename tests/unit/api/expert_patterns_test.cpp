#include "engine/api/expert_patterns.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace fovea {
namespace {

std::vector<ExpertChoice> choose(std::initializer_list<std::uint16_t> experts) {
  std::vector<ExpertChoice> chosen;
  for (const std::uint16_t expert : experts) chosen.push_back({expert, 0.5f});
  return chosen;
}

// Golden counts of algorithms.md, appendix C.
TEST(BusiestShares, OfEvenOneHotAndZipfUse) {
  const std::vector<std::uint64_t> even(8, 100);
  const auto of_even = busiest_shares(even);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_DOUBLE_EQ(of_even[i], static_cast<double>(i + 1) / 8);
  EXPECT_EQ(busiest_shares(std::vector<std::uint64_t>{0, 0, 800, 0}), std::vector<double>(4, 1.0));
  const auto zipf = busiest_shares(std::vector<std::uint64_t>{50, 57, 67, 80, 100, 133, 200, 400});
  EXPECT_DOUBLE_EQ(zipf[0], 400.0 / 1087);
  EXPECT_DOUBLE_EQ(zipf[3], 833.0 / 1087);
  EXPECT_TRUE(busiest_shares(std::vector<std::uint64_t>(4, 0)).empty());
  EXPECT_TRUE(busiest_shares({}).empty());
}

TEST(ExpertReuse, DistancesAreThoseOfDistinctExperts) {
  ExpertReuse reuse(2, 4);
  EXPECT_TRUE(reuse.hit_rates(false, std::nullopt).empty());
  for (const std::uint16_t expert : std::vector<std::uint16_t>{0, 1, 1, 0, 2, 0}) reuse.add(0, choose({expert}), false);
  // 0 first, 1 first, 1 at once, 0 behind one, 2 first, 0 behind one.
  EXPECT_EQ(reuse.hit_rates(false, 0), (std::vector<double>{1.0 / 6, 3.0 / 6, 3.0 / 6, 3.0 / 6}));
  EXPECT_TRUE(reuse.hit_rates(false, 1).empty());
  EXPECT_TRUE(reuse.hit_rates(true, 0).empty());
  EXPECT_EQ(reuse.hit_rates(false, std::nullopt), reuse.hit_rates(false, 0));
}

TEST(ExpertReuse, AllOfATokenAreLookedUpBeforeOneCounts) {
  ExpertReuse reuse(1, 4);
  reuse.add(0, choose({3, 1}), true);
  reuse.add(0, choose({1, 3}), false);  // found at the second and the first place
  EXPECT_EQ(reuse.hit_rates(true, 0), std::vector<double>(4, 0.0)) << "first calls are never hits";
  EXPECT_EQ(reuse.hit_rates(false, 0), (std::vector<double>{0.5, 1, 1, 1})) << "what the prompt used is remembered";
  reuse.add(0, choose({9}), false);  // no expert of this model
  reuse.add(7, choose({1}), false);  // nor a layer
  EXPECT_EQ(reuse.hit_rates(false, 0), (std::vector<double>{0.5, 1, 1, 1}));
}

// Against a memory of n experts that is simulated in plain words.
TEST(ExpertReuse, IsTheHitRateOfAMemoryOfTheLastExperts) {
  std::mt19937 random(3);
  std::vector<std::uint16_t> calls;
  for (int i = 0; i < 500; ++i) calls.push_back(static_cast<std::uint16_t>(std::min(random() % 9, random() % 9)));
  ExpertReuse reuse(1, 9);
  for (const std::uint16_t expert : calls) reuse.add(0, choose({expert}), false);
  const auto rates = reuse.hit_rates(false, 0);
  for (std::size_t n = 1; n <= 9; ++n) {
    std::deque<std::uint16_t> kept;
    int hits = 0;
    for (const std::uint16_t expert : calls) {
      const auto at = std::ranges::find(kept, expert);
      hits += at != kept.end() ? 1 : 0;
      if (at != kept.end()) kept.erase(at);
      kept.push_front(expert);
      if (kept.size() > n) kept.pop_back();
    }
    EXPECT_DOUBLE_EQ(rates[n - 1], hits / 500.0) << n;
  }
}

TEST(ExpertTransitions, CountsFromLayerToLayer) {
  ExpertTransitions transitions(3, 4);
  ASSERT_TRUE(transitions.counts());
  for (const auto& main : {std::vector<std::uint16_t>{0, 2, 1}, {0, 2, 3}, {1, 2, kUnusedSlot}, {3, kUnusedSlot, 1}}) transitions.add(main, false);
  transitions.add(std::vector<std::uint16_t>{2, 2, 2}, true);
  transitions.add(std::vector<std::uint16_t>{2, 2}, true);  // not all layers
  const auto first = transitions.from(0, false), second = transitions.from(1, false);
  ASSERT_EQ(first.size(), 16u);
  EXPECT_EQ(first[0 * 4 + 2], 2u);
  EXPECT_EQ(first[1 * 4 + 2], 1u);
  EXPECT_EQ(second[2 * 4 + 1], 1u);
  EXPECT_EQ(second[2 * 4 + 3], 1u);
  std::uint32_t sum = 0;
  for (const std::uint32_t n : first) sum += n;
  EXPECT_EQ(sum, 3u);
  EXPECT_EQ(transitions.from(0, true)[2 * 4 + 2], 1u);
  EXPECT_TRUE(transitions.from(2, false).empty());
}

TEST(ExpertTransitions, AreNotCountedWhereTheyWouldTakeTooMuchMemory) {
  ExpertTransitions transitions(100, 60000);
  EXPECT_FALSE(transitions.counts());
  transitions.add(std::vector<std::uint16_t>(100, 1), false);
  EXPECT_TRUE(transitions.from(0, false).empty());
  EXPECT_FALSE(ExpertTransitions(1, 4).counts()) << "one layer has no next";
}

TEST(Foresight, HoldsTheBestGuessAgainstTheMostFrequent) {
  const auto found = foresight(std::vector<std::uint32_t>{3, 1, 0, 4}, 2);
  ASSERT_TRUE(found);
  EXPECT_DOUBLE_EQ(found->knowing, 7.0 / 8);
  EXPECT_DOUBLE_EQ(found->guessing, 5.0 / 8);
  EXPECT_FALSE(foresight(std::vector<std::uint32_t>(4, 0), 2));
  EXPECT_FALSE(foresight({}, 0));
}

}  // namespace
}  // namespace fovea
