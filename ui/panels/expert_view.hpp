// What the experts' panel can show.
#pragma once

#include <cstddef>

namespace fovea {

enum class ExpertView {
  use,          // calls per expert, and the main expert of every token and layer
  layers,       // all layers by all experts
  skew,         // share of the calls that the busiest take
  reuse,        // hit rate of the experts used last
  transitions,  // from a layer's main expert to the next layer's
  classes,      // experts by kind of token
  scheduling,   // the three layers that schedule a mixture's work, and whether each is in use
};
inline constexpr std::size_t kExpertViews = 7;

}  // namespace fovea
