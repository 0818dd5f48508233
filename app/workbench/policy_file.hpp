// Reads a policy file, {"attention":SPEC,"moe":SPEC,"kv":SPEC} with every key optional, and holds it against what this
// version runs.
#pragma once

#include <QString>

#include "engine/base/result.hpp"

namespace fovea {

// Errors: no such file, no such object, a mode that this version does not run.
[[nodiscard]] Result<void> check_policy_file(const QString& path);

}  // namespace fovea
