// A text that a command writes to a file of its own.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace fovea::cli {

// Error: what the disk says.
[[nodiscard]] Result<void> write_text(const std::string& path, std::string_view text);

}  // namespace fovea::cli
