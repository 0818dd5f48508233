// Texts whose domains a semantic router learns or is measured on: one file is one domain, named after the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/semantic_router/side_file.hpp"
#include "engine/session/router_traces.hpp"

namespace fovea::cli {

struct DomainText {
  std::string name;
  std::vector<TokenId> tokens;
};
// Errors: unreadable, two files of one name, fewer tokens than two windows.
[[nodiscard]] Result<std::vector<DomainText>> read_domain_texts(const Engine& engine, std::span<const std::string> files, std::uint32_t window);

// Where at most `most` windows begin that do not overlap, evenly spread over a text; 0: as many as fit.
[[nodiscard]] std::vector<std::size_t> spread_windows(std::size_t tokens, std::uint32_t window, std::uint32_t most);

// Lines for a person.
[[nodiscard]] std::string accuracy_lines(const RouterAccuracy& accuracy, const std::vector<std::string>& domains);

}  // namespace fovea::cli
