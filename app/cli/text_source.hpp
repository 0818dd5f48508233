// Where a prompt or a text comes from: an argument, a file or standard input; bounded, whatever it is.
#pragma once

#include <cstddef>
#include <string>

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

// -p TEXT and -f FILE, of which exactly one must be given; at most one where it is not `required`.
void add_text_options(CLI::App& parser, TextSource& source, bool required = true);

[[nodiscard]] Result<std::string> read_text(const TextSource& source);

}  // namespace fovea::cli
