// Finds the model that opens when none is named: the largest *.gguf of resources/models (or of $FOVEA_MODELS) beside the program or in the source tree.
#pragma once

#include <filesystem>

#include "engine/base/result.hpp"

namespace fovea {

// Error: none found, with the places that were looked at.
[[nodiscard]] Result<std::filesystem::path> embedded_model();

}  // namespace fovea
