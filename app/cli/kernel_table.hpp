// GPU time per kernel as commands print it, the longest first.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/api/kernel_times.hpp"

namespace fovea::cli {

// `heading`: what the time is of.
[[nodiscard]] std::string kernel_table(const std::string& heading, const std::vector<KernelTime>& kernels);
// [{kernel,microseconds,count}]
[[nodiscard]] nlohmann::ordered_json kernel_json(const std::vector<KernelTime>& kernels);

}  // namespace fovea::cli
