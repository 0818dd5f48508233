// What the window chooses for the models that it opens from now on, among what this version runs.
#pragma once

#include <optional>

#include "engine/api/activation_type.hpp"
#include "engine/api/expert_rule.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/sparse_attention.hpp"

namespace fovea {

struct WorkbenchPolicy {
  std::optional<KvType> kv;                   // nullopt: what suits the device
  std::optional<SparseAttention> attention;   // nullopt: dense
  std::optional<ExpertRule> experts;          // as far as it fits a model; nullopt: the model's own choice
  std::optional<ActivationType> activations;  // nullopt: what suits the device
  KvTiers kv_tiers;                           // where kv is in tiers
};

}  // namespace fovea
