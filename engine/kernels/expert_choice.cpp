#include "engine/kernels/expert_choice.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fovea {

std::vector<std::uint32_t> initial_router_memory(const ExpertChoiceRule& rule, std::uint32_t experts, std::uint32_t slots) {
  std::vector<std::uint32_t> words(router_memory_words(experts));
  float control = 0;
  if (rule.count == shader::kCountMass) {
    const float mass = std::clamp(rule.threshold, 0.05f, 0.9995f);
    control = std::log(mass / (1 - mass));
  } else if (rule.count == shader::kCountEntropy) {
    control = std::log(rule.threshold);
  }
  words[shader::kMemoryThreshold] = std::bit_cast<std::uint32_t>(control);
  words[shader::kMemoryGammaGain] = std::bit_cast<std::uint32_t>(0.5f);
  // Until something is known every expert is called as often as any other.
  const float even = static_cast<float>(slots) / static_cast<float>(experts);
  std::fill_n(words.begin() + shader::kMemoryHead, experts, std::bit_cast<std::uint32_t>(even));
  return words;
}

Result<void> record_expert_choice(KernelRecorder& kernels, const ExpertChoiceArgs& args) {
  const RouterArgs& router = args.router;
  const ExpertChoiceRule& rule = args.rule;
  const shader::ExpertChoicePush push{.logits = router.logits, .experts = router.experts, .weights = router.weights,
                                      .state = router.state, .memory = args.memory, .bias = args.bias, .facts = args.facts,
                                      .stride = router.stride, .least = rule.least, .most = rule.most,
                                      .threshold = rule.threshold, .target = rule.target, .gamma = rule.gamma,
                                      .gamma_most = rule.gamma_most, .cv = rule.cv, .retained = rule.retained, .tau = rule.tau,
                                      .decay = std::exp2(-static_cast<float>(shader::kRouterBlock) / rule.half_life)};
  const std::uint32_t lanes = kernels.subgroup();
  // A subgroup for each token of a block; one on a CPU driver, which runs them one after another.
  const std::uint32_t fit = std::max(1u, kernels.facts().max_workgroup_invocations / lanes);
  const std::uint32_t subgroups = kernels.cpu_form() ? 1 : std::min({router.tokens, shader::kRouterBlock, fit});
  // A batch that begins within a block has a part of one more.
  const std::uint32_t blocks = router.tokens == 1 ? 1 : router.tokens / shader::kRouterBlock + 1 + (router.tokens % shader::kRouterBlock != 0 ? 1 : 0);
  return kernels.dispatch(ShaderId::expert_choice,
                          {lanes * subgroups, router.expert_count, router.slots, router.normalize ? 1u : 0u, lanes, rule.count,
                           rule.load, rule.remembers() ? 1u : 0u},
                          push, rule.remembers() ? 1 : blocks);
}

}  // namespace fovea
