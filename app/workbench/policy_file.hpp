// Reads a policy file, {"attention":SPEC,"moe":SPEC,"kv":SPEC,"activations":SPEC} with every key optional, and holds it
// against what this version runs.
#pragma once

#include <QString>

#include "engine/api/activation_type.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/base/result.hpp"

namespace fovea {

// What a policy file chooses among what this version runs: attention is dense and experts are static.
struct WorkbenchPolicy {
  KvType kv = KvType::f16;
  ActivationType activations = ActivationType::f32;
};

// Errors: no such file, no such object, a mode that this version does not run.
[[nodiscard]] Result<WorkbenchPolicy> read_policy_file(const QString& path);

}  // namespace fovea
