#include "engine/reference/sample.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_set>

namespace fovea::reference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float without_extremes(float logit) {
  if (std::isnan(logit)) return -kInfinity;
  return logit == kInfinity ? std::numeric_limits<float>::max() : logit;
}

// Relative distance of two logits; equal ones are told apart by index, which no rounding changes.
double distance(float a, float b) {
  if (a == b || std::isinf(a) || std::isinf(b)) return 1;
  const double x = static_cast<double>(a), y = static_cast<double>(b);
  return std::abs(x - y) / std::max(std::abs(x), std::abs(y));
}

double probability_ratio(float logit, float highest, double temperature) {
  return std::exp((static_cast<double>(logit) - static_cast<double>(highest)) / temperature);
}

// The filters, over `order` (logit descending, index ascending); each keeps a head of it.
struct Cut {
  std::span<const float> logits;
  std::vector<std::uint32_t> order;
  double margin = 1;

  [[nodiscard]] float logit(std::size_t rank) const { return logits[order[rank]]; }
  void shorten(std::size_t size) { order.resize(size); }

  void top_k(std::int32_t k) {
    if (k <= 0 || static_cast<std::size_t>(k) >= order.size()) return;
    const auto size = static_cast<std::size_t>(k);
    margin = std::min(margin, distance(logit(size - 1), logit(size)));
    shorten(size);
  }

  void top_p(float p) {
    if (!(p < 1.0f)) return;
    const double wanted = static_cast<double>(p);
    double sum = 0, reached = 0;
    for (std::size_t r = 0; r < order.size(); ++r) sum += probability_ratio(logit(r), logit(0), 1);
    std::size_t size = 0;
    do {
      reached += probability_ratio(logit(size++), logit(0), 1) / sum;
      // p = 0 is no near miss: the first is kept whatever happens.
      if (wanted > 0) margin = std::min(margin, std::abs(reached - wanted));
    } while (size < order.size() && reached < wanted);
    shorten(size);
  }

  void min_p(float p) {
    if (!(p > 0.0f)) return;
    const double least = std::min(static_cast<double>(p), 1.0);
    std::size_t size = 1;
    for (std::size_t r = 1; r < order.size(); ++r) {
      const double ratio = probability_ratio(logit(r), logit(0), 1);
      if (logit(r) != logit(0)) margin = std::min(margin, std::abs(ratio - least) / least);
      if (ratio >= least) size = r + 1;
    }
    shorten(size);
  }
};

Sample greedy(std::span<const float> logits) {
  Sample result;
  const auto best = std::ranges::max_element(logits);
  result.token = static_cast<std::uint32_t>(best - logits.begin());
  for (const float logit : logits) result.margin = std::min(result.margin, distance(*best, logit));
  result.kept = {{result.token, 1.0}};
  return result;
}

}  // namespace

std::vector<float> penalized(std::span<const float> logits, std::span<const std::uint32_t> history,
                             const SampleSettings& settings) {
  std::vector<float> result(logits.begin(), logits.end());
  if (settings.repeat_penalty != 1.0f && settings.repeat_last_n > 0) {
    const std::size_t window = std::min(history.size(), static_cast<std::size_t>(settings.repeat_last_n));
    const std::unordered_set<std::uint32_t> repeated(history.end() - static_cast<std::ptrdiff_t>(window), history.end());
    for (const std::uint32_t token : repeated) {
      if (token >= result.size()) continue;
      float& logit = result[token];
      logit = logit > 0.0f ? logit / settings.repeat_penalty : logit * settings.repeat_penalty;
    }
  }
  for (float& logit : result) logit = without_extremes(logit);
  return result;
}

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int turn = 0; turn < 10; ++turn) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0], b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

double uniform_draw(std::uint64_t seed, std::uint32_t drawn) {
  const std::uint32_t word = philox4x32({drawn, 0, 0, 0}, {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)})[0];
  return static_cast<double>(word >> 8) / 16777216.0;
}

Sample sample(std::span<const float> logits, std::span<const std::uint32_t> history, const SampleSettings& settings,
              std::uint64_t seed, std::uint32_t drawn) {
  const std::vector<float> seen = penalized(logits, history, settings);
  const float highest = *std::ranges::max_element(seen);
  if (!(settings.temperature > 0.0f) || highest == -kInfinity) return greedy(seen);

  Cut cut{seen, std::vector<std::uint32_t>(seen.size())};
  std::iota(cut.order.begin(), cut.order.end(), 0u);
  std::ranges::stable_sort(cut.order, [&](std::uint32_t a, std::uint32_t b) { return seen[a] > seen[b]; });
  cut.top_k(settings.top_k);
  cut.top_p(settings.top_p);
  cut.min_p(settings.min_p);

  Sample result;
  double sum = 0;
  std::ranges::sort(cut.order);
  for (const std::uint32_t token : cut.order) {
    const double ratio = probability_ratio(seen[token], highest, static_cast<double>(settings.temperature));
    result.kept.push_back({token, ratio});
    sum += ratio;
  }
  const double random = uniform_draw(seed, drawn);
  double reached = 0;
  bool found = false;
  for (Candidate& candidate : result.kept) {
    candidate.probability /= sum;
    reached += candidate.probability;
    if (candidate.token != result.kept.back().token) cut.margin = std::min(cut.margin, std::abs(reached - random));
    // Rounding may leave the sum just below the random number: then it is the last that could be drawn.
    if (!found && candidate.probability > 0) result.token = candidate.token;
    found = found || random < reached;
  }
  result.margin = cut.margin;
  return result;
}

}  // namespace fovea::reference
