// In which types the experts of a file of higher precision are kept where they may take only so much memory: for each layer, gate and
// up together and down apart, the stored type or a smaller one that this program makes itself (engine/tensor/quantize.hpp).
//
// Greedy by marginal cost, as for a convex hull: from everything as stored, the step of one matrix to one smaller type that adds the
// least use x relative error for each byte saved, until the budget is kept. The relative error is sum (w - q)^2 / sum w^2 over the
// experts of the layer, of every so many rows while it is planned; use is the layer's share of all calls under the policy. How often
// an expert is called is not the same as how much it matters, so no expert is dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "engine/api/expert_precision.hpp"
#include "engine/api/expert_rule.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/model/model_config.hpp"
#include "engine/model/model_weights.hpp"

namespace fovea {

struct PrecisionStep {
  double cost = 0;          // use x error that it adds
  std::uint64_t saved = 0;  // bytes
};
// One matrix and what it could be: entry 0 as stored, then ever smaller.
struct PrecisionChoice {
  std::vector<PrecisionStep> types;  // cost and bytes saved in all, over entry 0
};
// For each the entry taken, so that together at least `wanted` bytes are saved; nullopt: not even the smallest save so many.
[[nodiscard]] std::optional<std::vector<std::size_t>> cheapest_types(const std::vector<PrecisionChoice>& choices, std::uint64_t wanted);

struct PreciseExperts {
  ModelWeights weights;                          // views of the file, or of what was made here
  std::vector<std::vector<std::byte>> made;
  ExpertPrecision facts;
};
// Errors: a dense model, a budget that even the smallest types exceed, stopped. `rule`: the policy of experts, whose layers=
// say how often a layer calls.
[[nodiscard]] Result<PreciseExperts> fit_experts(const ModelWeights& weights, const ModelConfig& config, std::uint64_t budget, const std::optional<ExpertRule>& rule,
                                                 std::stop_token stop);

// What a load does: `asked` as EngineOptions has it; nullopt: experts stay as stored. Where nobody asked and the run that `summary`
// estimates exceeds what may be taken of the device's memory, the budget is what is left of it, as far as smaller types reach.
[[nodiscard]] Result<std::optional<PreciseExperts>> chosen_precision(std::optional<std::uint64_t> asked, const ModelWeights& weights, const ModelConfig& config,
                                                                     const ModelSummary& summary, const gpu::DeviceFacts& facts, std::stop_token stop);
// How it stands in the list of what a load took because of its device.
[[nodiscard]] DeviceFit experts_fit(const ExpertPrecision& precision, bool asked);

}  // namespace fovea
