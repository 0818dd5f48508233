// Turns a stream of bytes into a stream of whole code points: half a code point is withheld until it is complete.
#pragma once

#include <string>
#include <string_view>

namespace fovea {

class Utf8Stream {
 public:
  // Whole code points ready so far. Bytes that can never become UTF-8 are replaced by U+FFFD, one per maximal subpart
  // (Unicode 15, 3.9); an unfinished tail stays inside.
  [[nodiscard]] std::string push(std::string_view bytes);
  // What is left at the end of a run: nothing is shown for an unfinished code point; returns how many bytes were
  // dropped.
  std::size_t finish();

 private:
  std::string pending_;
};

}  // namespace fovea
