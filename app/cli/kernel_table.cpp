#include "app/cli/kernel_table.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace fovea::cli {

std::string kernel_table(const std::string& heading, const std::vector<KernelTime>& kernels) {
  double total = 0;
  for (const KernelTime& kernel : kernels) total += kernel.microseconds;
  std::string text = fmt::format("\n{}\n{:<40} {:>12} {:>8} {:>8}\n", heading, "kernel", "us", "share", "count");
  for (const KernelTime& kernel : longest_first(kernels))
    text += fmt::format("{:<40} {:>12.1f} {:>7.1f}% {:>8}\n", kernel.kernel, kernel.microseconds,
                        total > 0 ? 100 * kernel.microseconds / total : 0.0, kernel.count);
  return text + fmt::format("{:<40} {:>12.1f}\n\n", "all", total);
}

nlohmann::ordered_json kernel_json(const std::vector<KernelTime>& kernels) {
  auto list = nlohmann::ordered_json::array();
  for (const KernelTime& kernel : longest_first(kernels))
    list.push_back({{"kernel", kernel.kernel}, {"microseconds", kernel.microseconds}, {"count", kernel.count}});
  return list;
}

}  // namespace fovea::cli
