// GPU time per kernel, as the device's own timestamps tell it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fovea {

struct KernelTime {
  std::string kernel;       // its tag in the plan: "attention", "gate+up"
  double microseconds = 0;  // GPU time
  std::uint32_t count = 0;  // stretches of the plan that bear the tag
};

// Kernels of the timed steps of one phase, summed. Steps that were not timed are absent, so the sums belong to `tokens`
// tokens and not to the run.
struct KernelTimes {
  std::vector<KernelTime> kernels;  // in order of first use
  std::uint32_t steps = 0, tokens = 0;

  void add(std::span<const KernelTime> step, std::uint32_t step_tokens);
  [[nodiscard]] double microseconds() const;  // of all kernels
};

// The most time first; equals keep their order.
[[nodiscard]] std::vector<KernelTime> longest_first(std::vector<KernelTime> kernels);

}  // namespace fovea
