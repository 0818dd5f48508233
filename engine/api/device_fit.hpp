// What a run takes because of the device that it runs on, and why: plain values.
#pragma once

#include <string>
#include <vector>

namespace fovea {

struct DeviceFit {
  std::string what;    // "kv", "activations", "batch", "steps", "prompt_products", ...
  std::string taken;   // "f16"
  std::string why;     // a sentence, with the figures that decided
  std::string option;  // by which a person overrules it; empty: by none
  bool asked = false;  // a person did
};
using DeviceFits = std::vector<DeviceFit>;

}  // namespace fovea
