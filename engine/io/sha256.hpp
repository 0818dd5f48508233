// SHA-256 (FIPS 180-4): what tells a file from another of the same name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>

#include "engine/base/result.hpp"

namespace fovea {

// 64 hexadecimal digits.
[[nodiscard]] std::string sha256(std::span<const std::byte> bytes);
// Of a whole file, some 300 MB a second. Errors: unreadable, stopped.
[[nodiscard]] Result<std::string> file_sha256(const std::filesystem::path& path, std::stop_token stop = {});

}  // namespace fovea
