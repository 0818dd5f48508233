// Names out of a file, made safe to print in a sentence: quoted, shortened, control bytes replaced.
#pragma once

#include <string>
#include <string_view>

namespace fovea {

[[nodiscard]] inline std::string shown_name(std::string_view stored) {
  constexpr std::size_t longest = 80;
  std::string shown = "'";
  for (const char c : stored.substr(0, longest)) shown += c >= 0x20 && c < 0x7f ? c : '?';
  if (stored.size() > longest) shown += "...";
  return shown + "'";
}

}  // namespace fovea
