// The router's choice under a policy: how many experts each token gets, and which, by their load. Slots that a token does
// not use hold shader::kNoExpert, and the products skip them (ExpertBatch::varies). Twin: engine/reference/expert_choice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/experts.hpp"
#include "shaders/interface/expert_choice.h"

namespace fovea {

struct ExpertChoiceRule {
  std::uint32_t count = shader::kCountFixed;
  std::uint32_t least = 1, most = 1;  // at most the slots
  float threshold = 1, target = 0;
  std::uint32_t load = shader::kLoadOff;
  float gamma = -1, gamma_most = 0.95f, cv = 0.07f, retained = 0.97f, tau = 0.5f;
  float half_life = 2048;             // of a load, in tokens
  // Of a new expert, the one behind the model's own (kEscort*): its share of all calls until it has had so many, and the most
  // weight of a call.
  std::uint32_t escort = shader::kEscortNone, escort_calls = 1000;
  float escort_share = 0.05f, escort_weight = 0.05f;
  // What a semantic router says of a batch's tokens (kernels/semantic_router.hpp): addresses, 0 where none predicts this layer.
  std::uint64_t shift = 0;      // float (tokens): added to the logit of the mass, or to the logarithm of the factor; 1 stays 1
  std::uint64_t predicted = 0;  // uint (tokens, mask_words)
  // Whether it is remembered how often experts were called.
  [[nodiscard]] bool evens() const { return load != shader::kLoadOff && load != shader::kLoadBias && load != shader::kLoadFixedPrice; }
  // Whether what a token gets hangs on the tokens before it.
  [[nodiscard]] bool remembers() const { return escort != shader::kEscortNone || evens() || (target > 0 && count != shader::kCountFixed); }
};

// Words of what a layer's router remembers, and of its sums.
[[nodiscard]] constexpr std::uint32_t router_memory_words(std::uint32_t experts) {
  return shader::kMemoryHead + 2 * experts + shader::kEscortWords;
}
[[nodiscard]] constexpr std::uint32_t router_fact_words(std::uint32_t experts, std::uint32_t slots) {
  return shader::kRouterFactHead + slots + experts + 1;
}
// What it remembers at the beginning of a sequence, in `slots` of `experts`.
// `bias`: a number for each expert: of log scores where the rule's load is kLoadBias, its price where it is kLoadFixedPrice.
[[nodiscard]] std::vector<std::uint32_t> initial_router_memory(const ExpertChoiceRule& rule, std::uint32_t experts, std::uint32_t slots,
                                                               std::span<const float> bias = {});

struct ExpertChoiceArgs {
  RouterArgs router;
  ExpertChoiceRule rule;     // that `memory` was made with
  std::uint64_t memory = 0;  // uint (router_memory_words)
  std::uint64_t facts = 0;   // uint (router_fact_words), added to
};
// A step of its own, as prompts and CPU drivers take it.
[[nodiscard]] Result<void> record_expert_choice(KernelRecorder& kernels, const ExpertChoiceArgs& args);

// The same choice for one token, made by the gate and up product; not with an escort.
[[nodiscard]] FoldedPolicy folded_policy(const ExpertChoiceArgs& args);
// Behind all layers of a token that was chosen for so, where the rule remembers: what every layer remembers moves if the
// token ended a block. Reads no result of the token's and may run beside what comes next.
struct RouterMemoryArgs {
  ExpertChoiceRule rule;
  std::uint64_t memory = 0;  // uint (layers, router_memory_words)
  std::uint64_t state = 0;
  std::uint32_t layers = 0, experts = 0, slots = 0;
};
[[nodiscard]] Result<void> record_router_memory(KernelRecorder& kernels, const RouterMemoryArgs& args);

}  // namespace fovea
