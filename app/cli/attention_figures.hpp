// What attention did, as JSON prints it.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/api/kv_tiers.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/api/page_trace.hpp"

namespace fovea::cli {

// {policy,density,flops_ratio}, and of sparse attention {fallback_share,prefill,decode} beside them, the last two
// {density,flops_ratio,fallback_share,layers:[...]}.
[[nodiscard]] nlohmann::ordered_json attention_json(const ModelSummary& model, const AttentionFacts& facts);

// To the above, from measured rows: {measured_rows,mass_recall:{mean,p5},oracle_recall:{mean,p5},entropy,kept_entropy,
// flat:{share,recall},layers:[{recall:{mean,p5},...the same}]}; null where nothing was measured, or nothing left out.
void add_recall(nlohmann::ordered_json& attention, MeasuredRows rows, const ModelSummary& model);

// {f16:{pages,bytes},far:{pages,bytes},hot:{pages,bytes},ranking_bytes} of a cache in tiers; null of another.
[[nodiscard]] nlohmann::ordered_json tiers_json(const KvTierFacts* tiers);

}  // namespace fovea::cli
