#include "app/cli/device_figures.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace fovea::cli {

nlohmann::ordered_json fits_json(const DeviceFits& fits) {
  auto list = nlohmann::ordered_json::array();
  for (const DeviceFit& fit : fits) {
    const auto option = fit.option.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(fit.option);
    list.push_back({{"what", fit.what}, {"taken", fit.taken}, {"why", why(fit)}, {"option", option}, {"asked", fit.asked}});
  }
  return list;
}

std::string fit_line(const DeviceFit& fit) {
  return fmt::format("    {}: {}{}; {}{}\n", fit.what, fit.taken, fit.asked ? " (asked for)" : "", why(fit), fit.option.empty() ? "" : " (" + fit.option + ")");
}

}  // namespace fovea::cli
