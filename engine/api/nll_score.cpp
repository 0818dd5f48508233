#include "engine/api/nll_score.hpp"

#include <algorithm>
#include <cmath>

namespace fovea {

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return std::log(sum) + largest;
}

void NllScore::add(std::span<const float> logits, std::size_t target) {
  add(log_sum_exp(logits) - static_cast<double>(logits[target]));
}

void NllScore::add(double loss) {
  ++count_;
  const double before = loss - mean_;
  mean_ += before / static_cast<double>(count_);
  squares_ += before * (loss - mean_);
}

double NllScore::mean() const { return mean_; }

double NllScore::perplexity() const { return std::exp(mean_); }

double NllScore::standard_error() const { return perplexity() * standard_error_of_mean(); }

double NllScore::standard_error_of_mean() const {
  if (count_ < 2) return 0;
  const double variance = squares_ / static_cast<double>(count_);
  return std::sqrt(variance / static_cast<double>(count_ - 1));
}

}  // namespace fovea
