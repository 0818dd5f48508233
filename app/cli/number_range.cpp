#include "app/cli/number_range.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "engine/io/shown_name.hpp"

namespace fovea::cli {
namespace {

template <class Number>
std::optional<Number> parse(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

NumberCheck whole_number(std::int64_t lowest, std::int64_t highest) {
  return [=](const std::string& text) -> std::string {
    const auto value = parse<std::int64_t>(text);
    if (value && *value >= lowest && *value <= highest) return "";
    return fmt::format("{} is not a whole number from {} to {}", shown_name(text), lowest, highest);
  };
}

NumberCheck real_number(double lowest, double highest) {
  return [=](const std::string& text) -> std::string {
    const auto value = parse<double>(text);
    // Written so that what is not a number, which compares with nothing, fails too.
    if (value && *value >= lowest && *value <= highest) return "";
    return fmt::format("{} is not a number from {} to {}", shown_name(text), lowest, highest);
  };
}

}  // namespace fovea::cli
