// How far the predictions of one policy are from those of another on the same text.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace fovea {

// What two policies predict at one position.
struct PairedPrediction {
  double standard_loss = 0, judged_loss = 0;  // of the token that follows, nats
  double kl = 0;                              // as kl_divergence()
  bool same_top = true;                       // as same_top()
};
// `target`, the token that follows, is an index into both, which are of one size.
[[nodiscard]] PairedPrediction paired_prediction(std::span<const float> standard, std::span<const float> judged, std::size_t target);

// Kullback-Leibler divergence of the judged distribution from the standard, both as logits of one position: sum p ln(p / q),
// nats, never below 0; exactly 0 for equal logits.
[[nodiscard]] double kl_divergence(std::span<const float> standard, std::span<const float> judged);
[[nodiscard]] bool same_top(std::span<const float> a, std::span<const float> b);  // of equal ones the first counts

class Divergence {
 public:
  void add(const PairedPrediction& prediction);

  [[nodiscard]] std::size_t count() const { return divergences_.size(); }
  // Kullback-Leibler divergence of the judged distribution from the standard, nats: mean, and what 99 % do not exceed.
  [[nodiscard]] double kl_mean() const;
  [[nodiscard]] double kl_p99() const;
  [[nodiscard]] double same_top() const;  // share of positions with the same most likely token

 private:
  std::vector<double> divergences_;
  std::size_t same_top_ = 0;
};

}  // namespace fovea
