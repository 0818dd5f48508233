// What a run takes because of the device that it runs on, and why: plain values.
#pragma once

#include <string>
#include <vector>

namespace fovea {

struct DeviceFit {
  std::string what;    // "kv", "activations", "batch", "steps", "prompt_products", ...
  std::string taken;   // "f16"
  std::string reason;  // a sentence in which %1, %2, ... stand for the figures that decided; the window translates it
  std::vector<std::string> figures;  // at most nine
  std::string option;  // by which a person overrules it; empty: by none
  bool asked = false;  // a person did
};
using DeviceFits = std::vector<DeviceFit>;

// The reason with its figures, in English.
[[nodiscard]] std::string why(const DeviceFit& fit);

}  // namespace fovea
