// The semantic router of a model as a policy of experts takes it.
#pragma once

#include "engine/api/expert_rule.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/base/result.hpp"

namespace fovea {

// `wanted` with the parameters of its file, or of the one beside the model where it names none.
// Errors: no such file, one of another model (by shape, size and SHA-256), a router that has not learned need although a weight
// other than 0 would use it.
[[nodiscard]] Result<ExpertPrior> read_expert_prior(const ExpertPrior& wanted, const ModelSummary& model);

}  // namespace fovea
