#include "engine/kernels/expert_choice.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace fovea {

std::vector<std::uint32_t> initial_router_memory(const ExpertChoiceRule& rule, std::uint32_t experts, std::uint32_t slots,
                                                 std::span<const float> bias) {
  std::vector<std::uint32_t> words(router_memory_words(experts));
  const auto put = [&](std::uint32_t word, float value) { words[word] = std::bit_cast<std::uint32_t>(value); };
  words[shader::kRuleLeast] = rule.least;
  words[shader::kRuleMost] = rule.most;
  put(shader::kRuleThreshold, rule.threshold);
  put(shader::kRuleTarget, rule.target);
  put(shader::kRuleGamma, rule.gamma);
  put(shader::kRuleGammaMost, rule.gamma_most);
  put(shader::kRuleCv, rule.cv);
  put(shader::kRuleRetained, rule.retained);
  put(shader::kRuleTau, rule.tau);
  put(shader::kRuleDecay, std::exp2(-static_cast<float>(shader::kRouterBlock) / rule.half_life));
  for (const auto& [word, address] : {std::pair(shader::kRuleShift, rule.shift), {shader::kRulePredicted, rule.predicted}}) {
    words[word] = static_cast<std::uint32_t>(address);
    words[word + 1] = static_cast<std::uint32_t>(address >> 32);
  }

  float control = 0;
  if (rule.count == shader::kCountMass) {
    const float mass = std::clamp(rule.threshold, 0.05f, 0.9995f);
    control = std::log(mass / (1 - mass));
  } else if (rule.count == shader::kCountEntropy) {
    control = std::log(rule.threshold);
  }
  put(shader::kMemoryThreshold, control);
  // Until something is known every expert is called as often as any other.
  const float even = static_cast<float>(slots) / static_cast<float>(experts);
  for (std::uint32_t e = 0; e < experts; ++e) put(shader::kMemoryHead + e, e < bias.size() ? bias[e] : even);

  // In a shadow its calls come on top of the others.
  const std::uint32_t escort = shader::kMemoryHead + 2 * experts;
  const double share = static_cast<double>(rule.escort_share), of_others = rule.escort == shader::kEscortShadow ? share / (1 - share) : share;
  words[escort + shader::kEscortShare] = static_cast<std::uint32_t>(std::ceil(of_others * shader::kEscortUnit));
  words[escort + shader::kEscortLimit] = rule.escort_calls;
  put(escort + shader::kEscortCap, rule.escort_weight);
  words[escort + shader::kEscortCredit] = shader::kEscortOwed * shader::kEscortUnit;
  return words;
}

namespace {

std::vector<std::uint32_t> choice_constants(std::uint32_t local, std::uint32_t lanes, std::uint32_t experts, std::uint32_t slots,
                                            bool normalize, const ExpertChoiceRule& rule, bool remembers, bool closes, std::uint32_t part = shader::kPartAll) {
  return {local, experts, slots, normalize ? 1u : 0u, lanes, rule.count, rule.load, remembers ? 1u : 0u, closes ? 1u : 0u, rule.escort, part};
}

}  // namespace

Result<void> record_expert_choice(KernelRecorder& kernels, const ExpertChoiceArgs& args) {
  const RouterArgs& router = args.router;
  const ExpertChoiceRule& rule = args.rule;
  const shader::ExpertChoicePush push{.logits = router.logits, .experts = router.experts, .weights = router.weights,
                                      .state = router.state, .memory = args.memory, .facts = args.facts, .stride = router.stride};
  const std::uint32_t lanes = kernels.subgroup();
  // A subgroup for each token of a block; one on a CPU driver, which runs them one after another.
  const std::uint32_t fit = std::max(1u, kernels.facts().max_workgroup_invocations / lanes);
  const std::uint32_t subgroups = kernels.cpu_form() ? 1 : std::min({router.tokens, shader::kRouterBlock, fit});
  // A batch that begins within a block has a part of one more.
  const std::uint32_t blocks = router.tokens == 1 ? 1 : router.tokens / shader::kRouterBlock + 1 + (router.tokens % shader::kRouterBlock != 0 ? 1 : 0);
  // Blocks in turn are slow where tokens choose in them. Where only the number of experts hangs on the blocks before, it is
  // all that is found in turn.
  const bool apart = rule.remembers() && !rule.evens() && rule.escort == shader::kEscortNone && router.tokens > shader::kRouterBlock;
  const auto constants = [&](std::uint32_t local, const ExpertChoiceRule& own, bool remembers, std::uint32_t part) {
    return choice_constants(local, lanes, router.expert_count, router.slots, router.normalize, own, remembers, false, part);
  };
  if (!apart)
    return kernels.dispatch(ShaderId::expert_choice, constants(lanes * subgroups, rule, rule.remembers(), shader::kPartAll), push, rule.remembers() ? 1 : blocks);
  ExpertChoiceRule own = rule;
  own.load = shader::kLoadOff;  // the number hangs on the model's own choice
  FOVEA_TRY(kernels.dispatch(ShaderId::expert_choice, constants(lanes * subgroups, own, false, shader::kPartFind), push, blocks));
  kernels.plan().barrier();
  // A subgroup walks, the others fetch: three of them keep up with it (H200, 2,048 tokens, 37 and 21 us; with 31 that fetch 41 and 25).
  const std::uint32_t walking = kernels.cpu_form() ? 1 : std::min(fit, 4u);
  FOVEA_TRY(kernels.dispatch(ShaderId::expert_numbers, {lanes * walking, router.expert_count, router.slots, router.normalize ? 1u : 0u, lanes, rule.count, own.load}, push, 1));
  kernels.plan().barrier();
  return kernels.dispatch(ShaderId::expert_choice, constants(lanes * subgroups, rule, false, shader::kPartChoose), push, blocks);
}

FoldedPolicy folded_policy(const ExpertChoiceArgs& args) {
  return {.memory = args.memory, .facts = args.facts, .count = args.rule.count, .load = args.rule.load, .remembers = args.rule.remembers()};
}

Result<void> record_router_memory(KernelRecorder& kernels, const RouterMemoryArgs& args) {
  const shader::ExpertChoicePush push{.state = args.state, .memory = args.memory, .stride = router_memory_words(args.experts)};
  const std::uint32_t lanes = kernels.subgroup();
  return kernels.dispatch(ShaderId::expert_choice, choice_constants(lanes, lanes, args.experts, args.slots, true, args.rule, true, true), push, args.layers);
}

}  // namespace fovea
