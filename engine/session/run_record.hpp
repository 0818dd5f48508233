// The record of a run that is over, from what the engine knows of it.
#pragma once

#include "engine/api/run_record.hpp"
#include "engine/session/engine.hpp"

namespace fovea {

// `model`: as the run found it. The sum of the model's file is left out: it takes a pass over the file.
[[nodiscard]] RunRecord record_of(const ModelSummary& model, const Generate& request, const RunResult& result);

// The policy of a loaded model, as it would be written.
[[nodiscard]] PolicyText policy_text(const ModelSummary& model);

}  // namespace fovea
