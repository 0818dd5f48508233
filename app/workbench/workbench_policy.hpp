// What the window chooses for the models that it opens from now on, among what this version runs.
#pragma once

#include <optional>

#include "engine/api/activation_type.hpp"
#include "engine/api/expert_rule.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/api/sparse_attention.hpp"

namespace fovea {

struct WorkbenchPolicy {
  std::optional<KvType> kv;                   // nullopt: what suits the device
  std::optional<SparseAttention> attention;   // nullopt: dense
  std::optional<ExpertRule> experts;          // as far as it fits a model; nullopt: the model's own choice
  std::optional<ActivationType> activations;  // nullopt: what suits the device
  KvTiers kv_tiers;                           // where kv is in tiers
};

// Whether a mixture that runs the rule runs it without its semantic router, which was trained for a model of another shape.
[[nodiscard]] inline bool leaves_router_out(const std::optional<ExpertRule>& chosen, const ModelSummary& model) {
  return chosen && chosen->prior && model.experts_rule && !model.experts_rule->prior;
}

}  // namespace fovea
