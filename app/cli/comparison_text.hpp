// A comparison as a person reads it in a terminal.
#pragma once

#include <string>

#include "engine/runs/comparison.hpp"

namespace fovea::cli {

[[nodiscard]] std::string comparison_text(const Comparison& comparison);

}  // namespace fovea::cli
