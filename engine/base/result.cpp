#include "engine/base/result.hpp"

#include <algorithm>

namespace fovea {

std::string Error::sentence() const {
  std::string line = what;
  if (!why.empty()) line += ": " + why;
  if (!advice.empty()) line += "; " + advice;
  // One line by contract: file names and metadata may carry line breaks of their own.
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return line;
}

}  // namespace fovea
