#include "engine/api/expert_rule.hpp"

#include <algorithm>

namespace fovea {

std::optional<ExpertRule> fitted(const std::optional<ExpertRule>& rule, std::uint32_t experts_used) {
  if (!rule || experts_used == 0) return std::nullopt;
  ExpertRule fit = *rule;
  fit.kmax = std::min(fit.kmax, experts_used);
  fit.kmin = std::min(fit.kmin, fit.kmax == 0 ? experts_used : fit.kmax);
  fit.target_k = std::min(fit.target_k, static_cast<double>(experts_used));
  for (double& target : fit.layer_target_k) target = std::min(target, static_cast<double>(experts_used));
  for (std::uint32_t& most : fit.layer_kmax) most = std::min(most, experts_used);
  const bool whole = fit.layer_kmax.empty() ? fit.kmax == 0 || fit.kmax == experts_used
                                            : std::ranges::all_of(fit.layer_kmax, [&](std::uint32_t most) { return most == experts_used; });
  const bool moves = fit.balance != ExpertBalance::off || fit.reset == LoadReset::frozen || fit.escort;
  if (fit.count == ExpertCount::fixed && whole && !moves) return std::nullopt;
  return fit;
}

}  // namespace fovea
