// The choice of a prompt's experts under a policy, and its walk over their numbers.
#include <fmt/format.h>

#include <random>
#include <span>

#include "engine/kernels/expert_choice.hpp"
#include "tests/bench/kernel_bench.hpp"

namespace fovea {

Result<void> Bench::expert_choice() {
  constexpr std::uint32_t kTokens = 2048;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2);
  for (const auto& [experts, slots] : {std::pair{64u, 8u}, std::pair{128u, 8u}}) {
    std::vector<float> logits(std::size_t{kTokens} * experts);
    for (float& logit : logits) logit = normal(random);
    FOVEA_TRY(device_->upload(scratch_, 0, std::as_bytes(std::span(logits))));
    const std::uint64_t weights = output_.address() + (64u << 20), memory = output_.address() + (128u << 20), facts = memory + (1u << 20);
    for (const std::uint32_t position : {0u, 2048u}) {
      FOVEA_TRY(set_state(position, kTokens));
      const auto name = [&](const std::string& what) { return fmt::format("{}, {} of {} experts, {} tokens from position {}", what, slots, experts, kTokens, position); };
      for (const std::uint32_t count : {shader::kCountMass, shader::kCountEntropy})
        for (const float target : {0.0f, 4.0f}) {
          const ExpertChoiceRule rule{.count = count, .least = 1, .most = slots, .threshold = 0.7f, .target = target};
          const ExpertChoiceArgs args{.router = {.logits = scratch_.address(), .experts = output_.address(), .weights = weights, .state = state_.address(),
                                                 .stride = experts, .expert_count = experts, .slots = slots, .tokens = kTokens},
                                      .rule = rule, .memory = memory, .facts = facts};
          const std::vector<std::uint32_t> words = initial_router_memory(rule, experts, slots);
          FOVEA_TRY(device_->upload(output_, 128u << 20, std::as_bytes(std::span(words))));
          const std::string by = count == shader::kCountMass ? "mass" : "entropy";
          FOVEA_TRY(time(name(fmt::format("choice by {}{}", by, target > 0 ? " of a wished mean" : "")), 8, 0, 0,
                         [&](KernelRecorder& kernels, std::uint32_t) { return record_expert_choice(kernels, args); }));
          if (target == 0) continue;
          // The walk alone, over what the choice left.
          const shader::ExpertChoicePush push{.logits = scratch_.address(), .experts = output_.address(), .weights = weights, .state = state_.address(),
                                              .memory = memory, .facts = facts, .stride = experts};
          for (const std::uint32_t subgroups : {4u, 8u, 16u, 32u}) {
            const std::uint32_t lanes = device_->facts().subgroup;
            if (subgroups * lanes > device_->facts().max_workgroup_invocations) continue;
            FOVEA_TRY(time(name(fmt::format("walk by {}, {} subgroups", by, subgroups)), 8, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
              return kernels.dispatch(ShaderId::expert_numbers, {lanes * subgroups, experts, slots, 1, lanes, count, shader::kLoadOff}, push, 1);
            }));
          }
        }
    }
  }
  return {};
}

}  // namespace fovea
