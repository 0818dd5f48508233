// Where a prompt or a text comes from: an argument, a file or standard input; bounded, whatever it is.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace CLI {
class App;
}

namespace fovea::cli {

inline constexpr std::size_t kLongestText = std::size_t{256} << 20;  // bytes

struct TextSource {
  std::string prompt;  // "-" = standard input
  std::string file;    // used when not empty
};

// -p TEXT and -f FILE, of which exactly one must be given.
void add_text_options(CLI::App& parser, TextSource& source);

[[nodiscard]] Result<std::string> read_text(const TextSource& source);

// The whole file, or its first `first_bytes`. `what` names it in errors.
// Errors: missing, unreadable, a folder, longer than `longest` where all of it was asked for.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path, std::string_view what,
                                            std::size_t longest = kLongestText,
                                            std::optional<std::size_t> first_bytes = std::nullopt);

}  // namespace fovea::cli
