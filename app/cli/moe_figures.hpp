// The "moe" part of what commands print: how many experts tokens got, and how evenly they were used.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/api/model_summary.hpp"
#include "engine/api/routing_facts.hpp"

namespace fovea::cli {

// {policy,k_mean,k_histogram,cv,utilization,entropy,gini,dead,expert_bytes_per_token,...}: over the whole run, prefill and
// decode apart, and per layer. For a dense model every figure is null (not applicable), for what was not recorded too.
// `counted`: what a policy's kernels counted, for the masses; `shown`: the same, or what was recorded.
[[nodiscard]] nlohmann::ordered_json moe_json(const ModelSummary& model, const RoutingFacts& shown, const RoutingFacts& counted);

// The same keys where nothing was recorded: only what the policy itself fixes is told.
[[nodiscard]] nlohmann::ordered_json moe_json(const ModelSummary& model);

// Of all that was counted in one layer: {k_mean,k_histogram,cv,cv_floor,utilization,entropy,gini,dead}; of all layers the means
// (dead: all), with {worst_cv,worst_layer}; and of a policy's choices {retained_mass,mass_of_best,agreement}.
void put_figures(nlohmann::ordered_json& into, const LayerRouting& routing);
void put_figures(nlohmann::ordered_json& into, const RoutingWork& work);
void put_masses(nlohmann::ordered_json& into, const LayerRouting& counted);

// One line for a person; empty where the model chooses for itself.
[[nodiscard]] std::string moe_line(const ModelSummary& model, const RoutingWork& work);

}  // namespace fovea::cli
