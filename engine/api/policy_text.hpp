// A policy as it would be written on the command line, all that matters of it named.
#pragma once

#include <string>

namespace fovea {

struct PolicyText {
  std::string attention = "dense", moe = "static", kv = "f16", activations = "auto";
  bool operator==(const PolicyText&) const = default;
};

}  // namespace fovea
