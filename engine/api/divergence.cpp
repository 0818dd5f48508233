#include "engine/api/divergence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/api/nll_score.hpp"

namespace fovea {
namespace {

struct Compared {
  double standard = 0, judged = 0;  // log sum exp
  double kl = 0;
};

// With p = exp(s - S) of logits s and S = log sum exp(s), and likewise j and J: sum p ((s - S) - (j - J)) = sum p (s - j) - S + J.
// One exponential for each logit: these are most of what scoring a text costs.
Compared compare(std::span<const float> standard, std::span<const float> judged) {
  const double largest = *std::ranges::max_element(standard);
  double sum = 0, weighted = 0;
  for (std::size_t i = 0; i < standard.size(); ++i) {
    const double logit = standard[i], weight = std::exp(logit - largest);
    sum += weight;
    weighted += weight * (logit - static_cast<double>(judged[i]));
  }
  Compared result{.standard = std::log(sum) + largest, .judged = log_sum_exp(judged)};
  result.kl = std::max(weighted / sum - result.standard + result.judged, 0.0);
  return result;
}

}  // namespace

double kl_divergence(std::span<const float> standard, std::span<const float> judged) { return compare(standard, judged).kl; }

PairedPrediction paired_prediction(std::span<const float> standard, std::span<const float> judged, std::size_t target) {
  const Compared compared = compare(standard, judged);
  return {.standard_loss = compared.standard - static_cast<double>(standard[target]),
          .judged_loss = compared.judged - static_cast<double>(judged[target]),
          .kl = compared.kl,
          .same_top = same_top(standard, judged)};
}

bool same_top(std::span<const float> a, std::span<const float> b) {
  const auto top = [](std::span<const float> logits) { return std::ranges::max_element(logits) - logits.begin(); };
  return top(a) == top(b);
}

void Divergence::add(const PairedPrediction& prediction) {
  divergences_.push_back(prediction.kl);
  same_top_ += prediction.same_top ? 1 : 0;
}

double Divergence::kl_mean() const {
  if (divergences_.empty()) return 0;
  return std::accumulate(divergences_.begin(), divergences_.end(), 0.0) / static_cast<double>(count());
}

double Divergence::kl_p99() const {
  if (divergences_.empty()) return 0;
  std::vector<double> sorted = divergences_;
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((count() * 99 + 99) / 100 - 1);
  std::ranges::nth_element(sorted, at);
  return *at;
}

double Divergence::same_top() const { return divergences_.empty() ? 1 : static_cast<double>(same_top_) / static_cast<double>(count()); }

}  // namespace fovea
