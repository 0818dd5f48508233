#include "engine/text/utf8_stream.hpp"

#include <utility>

#include "engine/text/utf8.hpp"

namespace fovea {

std::string Utf8Stream::push(std::string_view bytes) {
  const std::string joined = std::exchange(pending_, {}).append(bytes);
  std::string ready;
  ready.reserve(joined.size());
  for (std::string_view rest = joined; !rest.empty();) {
    const Utf8Step step = utf8_step(rest);
    if (step.kind == Utf8Step::Kind::unfinished) {
      pending_ = rest;
      break;
    }
    if (step.kind == Utf8Step::Kind::complete)
      ready += rest.substr(0, step.length);
    else
      ready += "\uFFFD";
    rest.remove_prefix(step.length);
  }
  return ready;
}

std::size_t Utf8Stream::finish() { return std::exchange(pending_, {}).size(); }

}  // namespace fovea
