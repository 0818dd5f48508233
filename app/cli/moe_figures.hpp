// The "moe" part of what commands print: how evenly the experts of a run were used.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/api/model_summary.hpp"
#include "engine/api/trace.hpp"

namespace fovea::cli {

// {policy,k_mean,cv,utilization,entropy,dead,...}: over the whole run, prefill and decode apart, and per layer. For a
// dense model every figure is null (not applicable), for what was not recorded too.
[[nodiscard]] nlohmann::ordered_json moe_json(const ModelSummary& model, const TraceSnapshot& trace);

// The same keys where nothing was recorded: only what the policy itself fixes is told.
[[nodiscard]] nlohmann::ordered_json moe_json(const ModelSummary& model);

}  // namespace fovea::cli
