// Negative log-likelihood of a text and the perplexity that follows, as llama-perplexity defines both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fovea {

// Of one position's logits, at least one; in double.
[[nodiscard]] double log_sum_exp(std::span<const float> logits);

class NllScore {
 public:
  // The loss of `target` under one position's logits: log sum exp(logits) - logits[target], in double.
  // `target` must be an index into `logits`.
  void add(std::span<const float> logits, std::size_t target);
  void add(double loss);  // nats; also a difference of two losses of one token

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double mean() const;        // nats per token
  [[nodiscard]] double perplexity() const;  // exp(mean)
  // Of the perplexity: perplexity * sqrt(variance of the losses / (count - 1)), the variance taken over count; 0 below
  // two tokens.
  [[nodiscard]] double standard_error() const;
  [[nodiscard]] double standard_error_of_mean() const;  // nats: sqrt(variance of the losses / (count - 1)); 0 below two tokens

 private:
  // Mean and squared deviations, updated one by one (Welford 1962), so that nothing cancels.
  double mean_ = 0, squares_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace fovea
