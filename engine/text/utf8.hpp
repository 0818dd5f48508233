// Where code points begin and end in bytes that may not be UTF-8 at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fovea {

struct Utf8Step {
  enum class Kind { complete, unfinished, malformed };
  Kind kind = Kind::malformed;
  // complete: bytes of the code point; unfinished: bytes of the prefix, all there are; malformed: bytes of the maximal
  // subpart that can never become a code point (Unicode 15, 3.9, table 3-7).
  std::size_t length = 1;
};

// What `bytes` starts with; it must not be empty.
[[nodiscard]] Utf8Step utf8_step(std::string_view bytes);
[[nodiscard]] bool is_utf8(std::string_view bytes);
// The code point of a complete step.
[[nodiscard]] char32_t code_point(std::string_view bytes);
[[nodiscard]] std::string to_utf8(char32_t code_point);

}  // namespace fovea
