#include "engine/api/divergence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/api/nll_score.hpp"

namespace fovea {
double kl_divergence(std::span<const float> standard, std::span<const float> judged) {
  const double of_standard = log_sum_exp(standard), of_judged = log_sum_exp(judged);
  double divergence = 0;
  for (std::size_t i = 0; i < standard.size(); ++i) {
    const double p = static_cast<double>(standard[i]) - of_standard;
    divergence += std::exp(p) * (p - (static_cast<double>(judged[i]) - of_judged));
  }
  return std::max(divergence, 0.0);
}

bool same_top(std::span<const float> a, std::span<const float> b) {
  const auto top = [](std::span<const float> logits) { return std::ranges::max_element(logits) - logits.begin(); };
  return top(a) == top(b);
}

void Divergence::add(std::span<const float> standard, std::span<const float> judged) {
  divergences_.push_back(kl_divergence(standard, judged));
  same_top_ += fovea::same_top(standard, judged) ? 1 : 0;
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
