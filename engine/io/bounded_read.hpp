// Texts of unknown origin, read to a limit: devices and pipes never end.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace fovea {

// Until the end, or until `first_bytes` are there. `what` names the source in errors.
// Errors: unreadable, longer than `longest` where all of it was asked for.
[[nodiscard]] Result<std::string> read_stream(std::FILE* stream, std::string_view what, std::size_t longest,
                                              std::optional<std::size_t> first_bytes = std::nullopt);
// The same of a file. Errors: also missing, a folder.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, std::string_view what,
                                            std::size_t longest, std::optional<std::size_t> first_bytes = std::nullopt);

}  // namespace fovea
