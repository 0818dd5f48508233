#include "engine/reference/page_guide.hpp"

#include <algorithm>
#include <cmath>

namespace fovea::reference {

void move_guide(PageGuide& guide, const PageGuideRule& rule, std::span<const HeadChoices> heads, std::size_t position, std::size_t tokens) {
  constexpr double kMemory = 256, kTokens = 64, kGain = 5, kLeastLogit = -1, kMostLogit = 9;
  const double memory = 1 - std::exp(-static_cast<double>(tokens) / kMemory), log_keys = std::log(static_cast<double>(position + tokens));
  double remote = 0, chosen = 0;
  for (std::size_t head = 0; head < heads.size(); ++head) {
    remote += heads[head].remote;
    chosen += heads[head].chosen;
    if (heads[head].choices <= 0) continue;
    const double now = heads[head].entropy / heads[head].choices;
    double& average = guide.entropy[head];
    average = average == 0 ? now : average + memory * (now - average);
  }
  guide.remote += remote;
  guide.chosen += chosen;
  if (remote == 0) return;
  if (rule.target) {
    const double first = std::log(rule.mass / (1 - rule.mass));
    const double error = *rule.target - chosen / remote + *rule.target - guide.chosen / guide.remote;
    guide.logit = std::clamp(first + guide.logit + kGain * std::min(1.0, static_cast<double>(tokens) / kTokens) * error, kLeastLogit, kMostLogit) - first;
    guide.mass = 1 / (1 + std::exp(-first - guide.logit));
  }
  if (!rule.by_entropy) return;
  std::vector<double> keys;
  for (const double entropy : guide.entropy) keys.push_back(std::exp(entropy * log_keys));
  double mean = 0, sum = 0;
  for (const double count : keys) mean += count / static_cast<double>(keys.size());
  for (std::size_t head = 0; head < keys.size(); ++head) sum += guide.weights[head] = std::clamp(keys[head] / mean, 0.5, 2.0);
  for (double& weight : guide.weights) weight *= static_cast<double>(keys.size()) / sum;
}

}  // namespace fovea::reference
