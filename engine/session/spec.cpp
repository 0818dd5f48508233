#include "engine/session/spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

tl::unexpected<std::string> malformed(std::string_view text, std::string_view why) {
  return tl::unexpected<std::string>(
      fmt::format("{} is not of the form mode[:key=value,...]: {}", shown_name(text), why));
}

}  // namespace

const std::string* Spec::find(std::string_view key) const {
  for (const auto& [name, value] : parameters)
    if (name == key) return &value;
  return nullptr;
}

tl::expected<Spec, std::string> parse_spec(std::string_view text) {
  constexpr std::size_t longest = 4096;
  if (text.size() > longest) return malformed(text, "it is too long");
  Spec spec;
  const std::size_t colon = text.find(':');
  spec.mode = text.substr(0, colon);
  if (!is_word(spec.mode)) return malformed(text, "the mode is missing or has characters other than a-z, 0-9, - and _");
  if (colon == std::string_view::npos) return spec;

  std::string_view rest = text.substr(colon + 1);
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const std::string_view pair = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);

    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return malformed(text, "a parameter has no '='");
    const std::string_view key = pair.substr(0, equals), value = pair.substr(equals + 1);
    if (!is_word(key)) return malformed(text, "a key is missing or has characters other than a-z, 0-9, - and _");
    if (value.empty() || value.find('=') != std::string_view::npos)
      return malformed(text, fmt::format("'{}' has no value, or more than one", key));
    if (spec.find(key) != nullptr) return malformed(text, fmt::format("'{}' is given twice", key));
    spec.parameters.emplace_back(key, value);
  }
  return spec;
}

std::string to_string(const Spec& spec) {
  std::string text = spec.mode;
  char separator = ':';
  for (const auto& [key, value] : spec.parameters) {
    text += fmt::format("{}{}={}", separator, key, value);
    separator = ',';
  }
  return text;
}

std::optional<std::uint32_t> parse_count(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_share(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0) || !(value <= 1)) return std::nullopt;
  return value;
}

}  // namespace fovea
