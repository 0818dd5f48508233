#include "app/cli/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace fovea::cli {

bool StandardOutput::write(std::string_view text) {
  while (error_ == 0 && !text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0)
      text.remove_prefix(static_cast<std::size_t>(written));
    else if (written < 0 && errno != EINTR)
      error_ = errno;
  }
  return error_ == 0;
}

bool StandardOutput::write_json(const nlohmann::ordered_json& value) { return write(json_line(value)); }

Result<void> StandardOutput::finish() const {
  if (error_ == 0 || error_ == EPIPE) return {};
  return fail(ErrorCode::file, "standard output", std::strerror(error_), "make room or write it somewhere else");
}

std::string json_line(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080..U+009F are C2 80..C2 9F; some terminals obey them as they do ESC.
    const bool high_control = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                              static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte < 0x20 || byte == 0x7f || high_control)
      shown += '?';
    else
      shown += text[i];
    if (high_control) ++i;
  }
  return shown;
}

}  // namespace fovea::cli
