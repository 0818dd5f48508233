// The grammar of a policy's parts, on the command line and in files: mode[:key=value,...].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace fovea {

struct Spec {
  std::string mode;
  std::vector<std::pair<std::string, std::string>> parameters;  // in the order written, each key once

  [[nodiscard]] const std::string* find(std::string_view key) const;  // nullptr = not given
};

// A mode and keys are of [a-z0-9_-], values of anything but ',' and '='. Error: what is malformed, for a person.
[[nodiscard]] tl::expected<Spec, std::string> parse_spec(std::string_view text);
// As it would be written.
[[nodiscard]] std::string to_string(const Spec& spec);

// A whole number without a sign, all of the text; nullopt otherwise.
[[nodiscard]] std::optional<std::uint32_t> parse_count(std::string_view text);
// A number from 0 to 1 in decimal notation, likewise.
[[nodiscard]] std::optional<double> parse_share(std::string_view text);

}  // namespace fovea
