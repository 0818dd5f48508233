#include "engine/api/kernel_times.hpp"

#include <algorithm>

namespace fovea {

void KernelTimes::add(std::span<const KernelTime> step, std::uint32_t step_tokens) {
  for (const KernelTime& time : step) {
    const auto same = [&](const KernelTime& known) { return known.kernel == time.kernel; };
    if (const auto known = std::find_if(kernels.begin(), kernels.end(), same); known != kernels.end()) {
      known->microseconds += time.microseconds;
      known->count += time.count;
    } else {
      kernels.push_back(time);
    }
  }
  ++steps;
  tokens += step_tokens;
}

double KernelTimes::microseconds() const {
  double sum = 0;
  for (const KernelTime& time : kernels) sum += time.microseconds;
  return sum;
}

std::vector<KernelTime> longest_first(std::vector<KernelTime> kernels) {
  std::stable_sort(kernels.begin(), kernels.end(),
                   [](const KernelTime& a, const KernelTime& b) { return a.microseconds > b.microseconds; });
  return kernels;
}

}  // namespace fovea
