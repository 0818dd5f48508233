// The grammar of a policy's parts, on the command line and in files: mode[:key=value,...].
#pragma once

#include <algorithm>
#include <cstddef>
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
// "4/2/2/3": numbers with / between them, one for each layer, each as `parse` has it; nullopt where one is none.
template <class Number>
[[nodiscard]] std::optional<std::vector<Number>> parse_list(std::string_view text, std::optional<Number> (*parse)(std::string_view)) {
  std::vector<Number> numbers;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    const auto number = parse(text.substr(at, end - at));
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    at = end + 1;
  }
  return numbers;
}

}  // namespace fovea
