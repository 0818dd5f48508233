// The judge of choices in other arithmetic itself.
#include "tests/decoder/page_ties.hpp"

#include <utility>

#include "engine/tensor/half.hpp"
#include "tests/support/seeded.hpp"

namespace fovea::test {
namespace {

constexpr std::size_t kWidth = 16, kKeys = 1000, kHeads = 2;
constexpr double kHalf = 1.0 / 2048;  // a half is off by that of itself at most
const reference::SparseRule kRule{.window = 100, .page = 32, .sinks = 32, .global = 0.25};

struct Asked {
  std::vector<float> keys, queries;
  [[nodiscard]] reference::KeyValueRows rows() const { return {keys, keys, kWidth, kKeys}; }
  [[nodiscard]] reference::PageChoice choice() const { return reference::choose_pages(queries, kWidth, rows(), kRule); }
  [[nodiscard]] testing::AssertionResult judge(std::span<const std::size_t> read, double relative) const {
    const reference::SampledRow row{queries, kKeys};
    return allowed_choice({&row, 1}, kWidth, rows(), kKeys, kRule, choice(), read, relative);
  }
  // Remote pages by falling mass: those chosen, and those left out.
  [[nodiscard]] std::pair<std::vector<std::size_t>, std::vector<std::size_t>> by_mass() const {
    const reference::PageChoice made = choice();
    std::pair<std::vector<std::size_t>, std::vector<std::size_t>> pages;
    for (std::size_t page = 1; page < (kKeys - kRule.window) / 32; ++page)
      (std::ranges::binary_search(made.pages, page) ? pages.first : pages.second).push_back(page);
    for (auto* some : {&pages.first, &pages.second}) std::ranges::sort(*some, [&](std::size_t a, std::size_t b) { return made.mass[a] > made.mass[b]; });
    return pages;
  }
};

Asked asked(std::uint64_t seed) {
  Seeded random(seed);
  Asked made{random.normals(kKeys * kWidth, 1), random.normals(kHeads * kWidth, 2)};
  reference::round_to_half(made.keys);
  return made;
}

std::vector<std::size_t> exchanged(std::vector<std::size_t> pages, std::size_t out, std::size_t in) {
  std::ranges::replace(pages, out, in);
  std::ranges::sort(pages);
  return pages;
}

TEST(PageTies, the_choice_itself_is_allowed_without_any_error) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) EXPECT_TRUE(asked(seed).judge(asked(seed).choice().pages, 0));
}

TEST(PageTies, a_choice_by_queries_and_bounds_in_halves_is_allowed_and_some_differ) {
  std::size_t differ = 0;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const Asked exact = asked(seed);
    Asked rounded = exact;
    reference::round_to_half(rounded.queries);
    const std::vector<std::size_t> read = rounded.choice().pages;
    ASSERT_TRUE(exact.judge(read, kHalf)) << seed;
    differ += read == exact.choice().pages ? 0 : 1;
  }
  EXPECT_GT(differ, 0u) << "a judge that is never asked proves nothing";
  EXPECT_LT(differ, 300u);
}

TEST(PageTies, pages_of_other_masses_do_not_change_places) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Asked exact = asked(seed);
    const auto [chosen, left] = exact.by_mass();
    EXPECT_FALSE(exact.judge(exchanged(exact.choice().pages, chosen.front(), left.back()), kHalf)) << seed;
    EXPECT_FALSE(exact.judge(exchanged(exact.choice().pages, chosen.back(), left.back()), kHalf)) << seed;
  }
}

TEST(PageTies, nearly_equal_ones_do_and_only_within_the_error) {
  // Two pages of the same keys but for a thousandth: at the cut the one may stand for the other.
  std::size_t met = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Asked near = asked(seed);
    const std::size_t twin = near.by_mass().first.back(), place = near.by_mass().second.back();
    for (std::size_t i = 0; i < 32 * kWidth; ++i) near.keys[place * 32 * kWidth + i] = near.keys[twin * 32 * kWidth + i] * (1 - 1.0f / 1024);
    const std::vector<std::size_t> pages = near.choice().pages;
    if (std::ranges::binary_search(pages, twin) == std::ranges::binary_search(pages, place)) continue;
    const std::vector<std::size_t> other = std::ranges::binary_search(pages, twin) ? exchanged(pages, twin, place) : exchanged(pages, place, twin);
    ++met;
    EXPECT_TRUE(near.judge(other, kHalf)) << seed;
    EXPECT_FALSE(near.judge(other, 1e-7)) << seed;
  }
  EXPECT_GT(met, 10u);
}

TEST(PageTies, sinks_window_and_number_of_pages_are_not_negotiable) {
  const Asked exact = asked(1);
  const std::vector<std::size_t> pages = exact.choice().pages;
  const std::size_t left = exact.by_mass().second.front();
  EXPECT_FALSE(exact.judge(exchanged(pages, pages.front(), left), kHalf));
  EXPECT_FALSE(exact.judge(exchanged(pages, pages.back(), left), kHalf));
  EXPECT_FALSE(exact.judge(std::span(pages).first(pages.size() - 1), kHalf));
}

}  // namespace
}  // namespace fovea::test
