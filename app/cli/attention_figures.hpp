// What attention did, as JSON prints it.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/api/model_summary.hpp"

namespace fovea::cli {

// Of a run of `model`, whose policy tells what choosing costs; 1 of dense attention.
[[nodiscard]] double flops_ratio(const AttentionWork& work, const ModelSummary& model);
// {policy,density,flops_ratio}, and of sparse attention {prefill,decode}: {density,flops_ratio,layers:[...]} beside them.
[[nodiscard]] nlohmann::ordered_json attention_json(const ModelSummary& model, const AttentionFacts& facts);

}  // namespace fovea::cli
