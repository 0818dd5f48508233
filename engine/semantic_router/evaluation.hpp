// How well a semantic router predicts traces that it has not learned from.
#pragma once

#include <span>

#include "engine/api/semantic_router_facts.hpp"
#include "engine/semantic_router/network.hpp"
#include "engine/semantic_router/trace.hpp"

namespace fovea {

// Traces of another shape are left out.
[[nodiscard]] RouterAccuracy evaluate_router(const RouterNetwork<float>& network, std::span<const RouterTrace> traces);

// The number of experts in the predicted layers that the answers in `need` (K-1 logits of one token) ask for.
[[nodiscard]] std::uint32_t predicted_need(std::span<const float> need);

// Mean over all tokens of the need that is predicted, 1 + sum_j P(need > j); 1 without tokens.
[[nodiscard]] double mean_predicted_need(const RouterNetwork<float>& network, std::span<const RouterTrace> traces);

}  // namespace fovea
