// What a policy of experts keeps on the device: what every layer's router remembers, and the sums that tell what it did.
// Engine thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/expert_rule.hpp"
#include "engine/api/routing_facts.hpp"
#include "engine/base/result.hpp"
#include "engine/decoder/prior_network.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/expert_choice.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

// The numbers of experts that weights, activations and traces have room for: an escorted expert is the last one, a shadow has a
// slot of its own.
[[nodiscard]] ModelConfig with_escort(ModelConfig config, const ExpertRule& rule);

class ExpertRouting {
 public:
  // `config`: with an escort's expert counted (with_escort); `batch`: most tokens of a submission. Errors: a rule out of range, or
  // none for this model; no memory.
  [[nodiscard]] static Result<ExpertRouting> create(gpu::Device& device, const ModelConfig& config, std::uint32_t batch, const ExpertRule& rule);

  // Behind layer `layer` and a barrier: what a semantic router says of the batch, where one looks at this layer's residual `x`.
  [[nodiscard]] Result<void> record_prior(KernelRecorder& kernels, std::uint32_t layer, std::uint64_t x, std::uint32_t stride, std::uint64_t state,
                                          std::uint32_t tokens) const;

  // Whether there is such a router, which reads the residual beside the products that come next.
  [[nodiscard]] bool predicts() const { return prior_.has_value(); }

  // `args`: of the plain choice, in whose place this is.
  [[nodiscard]] Result<void> record_choice(KernelRecorder& kernels, std::uint32_t layer, const RouterArgs& args) const;
  // Whether the product behind it can make the choice of one token, where kernels fold steps.
  [[nodiscard]] bool folds() const { return !rule_.escort; }
  // The same for one token, where the product behind it makes the choice; record_memory() then comes behind the last layer.
  [[nodiscard]] FoldedPolicy folded(std::uint32_t layer, const RouterArgs& args) const;
  [[nodiscard]] Result<void> record_memory(KernelRecorder& kernels, std::uint64_t state) const;

  // Before a run: sums become zero, and what was remembered is forgotten, unless the rule says never.
  [[nodiscard]] Result<void> begin() const;
  // Forgets at any rate.
  [[nodiscard]] Result<void> forget() const;
  // Sums since begin(); nothing may be in flight.
  [[nodiscard]] Result<RoutingFacts> facts() const;
  // The bias of log scores that now is in force, (layers, experts): what `frozen` would hold still.
  [[nodiscard]] Result<std::vector<float>> bias() const;
  // Another one in place of a frozen one.
  [[nodiscard]] Result<void> choose_bias(std::vector<float> bias);

 private:
  ExpertRouting(gpu::Device& device, const ModelConfig& config, const ExpertRule& rule)
      : device_(&device), layers_(config.layers), experts_(config.experts), slots_(config.experts_used), rule_(rule) {}  // the model's own numbers
  [[nodiscard]] ExpertChoiceRule device_rule(std::uint32_t layer) const;
  [[nodiscard]] ExpertChoiceArgs choice(std::uint32_t layer, const RouterArgs& args) const;
  gpu::Device* device_;
  std::uint32_t layers_, experts_, slots_;
  ExpertRule rule_;
  std::optional<PriorNetwork> prior_;
  gpu::Buffer memory_;  // uint (layers, router_memory_words)
  gpu::Buffer facts_;   // uint (prompt and decode, layers, router_fact_words)
};

}  // namespace fovea
