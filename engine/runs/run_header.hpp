// What of a run is told in words and single numbers: the header of its file, and of what commands print.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/api/run_record.hpp"

namespace fovea {

// Model, device, policy, seed, sampling, timings, memory, counts; no text, no arrays.
[[nodiscard]] nlohmann::ordered_json run_header(const RunRecord& run);
// Error: what of it is missing or no such thing. Text, tokens and arrays of the trace stay empty.
[[nodiscard]] tl::expected<RunRecord, std::string> read_run_header(const nlohmann::json& header);

// The header with the figures that follow: text, experts, attention, and what was recorded; as commands print it.
[[nodiscard]] nlohmann::ordered_json run_json(const RunRecord& run);

// How evenly experts were used: cv, cv_floor, utilization, entropy, gini and dead of `into`; nullptr: they are null.
void put_utilization(nlohmann::ordered_json& into, const UtilizationFigures* figures);

[[nodiscard]] nlohmann::ordered_json policy_json(const PolicyText& policy);

}  // namespace fovea
