#include "engine/api/policy_scores.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fovea {

namespace {

double mean(std::span<const double> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

PairedLosses paired_losses(std::span<const double> judged, std::span<const double> standard) {
  PairedLosses losses;
  const std::size_t count = std::min(judged.size(), standard.size());
  if (count == 0) return losses;
  losses.perplexity = std::exp(mean(judged.first(count)));
  losses.standard = std::exp(mean(standard.first(count)));
  // Differences first: those of equal policies are zero, whatever the losses.
  std::vector<double> differences(count);
  for (std::size_t i = 0; i < count; ++i) differences[i] = judged[i] - standard[i];
  const double difference = mean(differences);
  losses.delta_percent = 100 * std::expm1(difference);
  if (count < 2) return losses;
  double squares = 0;
  for (const double d : differences) squares += (d - difference) * (d - difference);
  const double of_mean = std::sqrt(squares / static_cast<double>(count - 1) / static_cast<double>(count));
  losses.delta_stderr_percent = 100 * std::exp(difference) * of_mean;
  return losses;
}

std::optional<PairFigures> pair_figures(const PairScores& scores) {
  const std::size_t count = scores.count();
  if (count == 0) return std::nullopt;
  const PairedLosses losses = paired_losses(scores.nll_b, scores.nll_a);
  PairFigures figures{.kl_mean = mean(scores.kl),
                      .perplexity_a = losses.standard,
                      .perplexity_b = losses.perplexity,
                      .delta_ppl_percent = losses.delta_percent,
                      .delta_stderr_percent = losses.delta_stderr_percent};
  std::vector<double> sorted = scores.kl;
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((count * 99 + 99) / 100 - 1);
  std::ranges::nth_element(sorted, at);
  figures.kl_p99 = *at;
  figures.same_top = static_cast<double>(std::count(scores.same_top.begin(), scores.same_top.end(), 1)) / static_cast<double>(count);
  return figures;
}

}  // namespace fovea
