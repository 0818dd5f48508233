// Standard output whose reader may go away at any moment, and what is made safe before it is printed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace fovea::cli {

// Unbuffered. After the first failed write everything else is dropped: a closed pipe is an ordinary end, any other
// failure (a full disk) is reported once, by finish().
class StandardOutput {
 public:
  // False once writing has failed: nobody will see what comes next.
  bool write(std::string_view text);
  // One JSON value on a line of its own.
  bool write_json(const nlohmann::ordered_json& value);
  [[nodiscard]] Result<void> finish() const;

 private:
  int error_ = 0;  // errno of the write that failed
};

// One line of JSON; bytes that are not UTF-8 become U+FFFD, so that it never fails.
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& value);

// Text out of a file, for a terminal: control characters, which could move the cursor or worse, are replaced by '?'.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace fovea::cli
