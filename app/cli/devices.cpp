// `devices`: the Vulkan devices of this machine, and which one would be used and why.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/command.hpp"
#include "app/cli/device_figures.hpp"
#include "app/cli/options.hpp"
#include "engine/gpu/device.hpp"
#include "engine/session/device_fits.hpp"

namespace fovea::cli {
namespace {

struct DevicesOptions {
  CommonOptions common;
  bool probe = false;
};

// `copy_gbs`: null where it was not measured.
nlohmann::ordered_json to_json(const gpu::DeviceFacts& device, const nlohmann::ordered_json& copy_gbs) {
  return {{"index", device.index},
          {"name", device.name},
          {"type", device.type},
          {"driver", device.driver},
          {"api", device.api},
          {"memory_bytes", device.memory_bytes},
          {"subgroup", device.subgroup},
          {"cooperative_matrix", device.cooperative_matrix},
          {"integer_dot", device.integer_dot},
          {"timestamps", device.timestamps},
          {"usable", device.usable},
          {"chosen", device.chosen},
          {"why", device.why},
          {"copy_gb_per_s", copy_gbs},
          {"adaptation", fits_json(device_fits(device))}};
}

std::string to_text(const gpu::DeviceFacts& device) {
  std::string fits;
  for (const DeviceFit& fit : device_fits(device)) fits += fit_line(fit);
  return fits.insert(0, fmt::format(
      "{} {}: {}\n    {}, {}, Vulkan {}, {:.1f} GiB, subgroups of {}, cooperative matrix {}, integer dot {}\n    {}\n",
      device.chosen ? '*' : ' ', device.index, printable(device.name), device.type, printable(device.driver),
      device.api, static_cast<double>(device.memory_bytes) / (1u << 30), device.subgroup,
      device.cooperative_matrix ? "yes" : "no", device.integer_dot ? "yes" : "no", printable(device.why)));
}

Result<void> run_devices(const DevicesOptions& options, Process& process) {
  FOVEA_ASSIGN(const std::vector<gpu::DeviceFacts> devices, gpu::list_devices(options.common.device));
  auto list = nlohmann::ordered_json::array();
  for (const auto& device : devices) {
    nlohmann::ordered_json copy = nullptr;
    if (options.probe && device.chosen) {
      FOVEA_ASSIGN(copy, measure_copy_bandwidth(static_cast<std::int32_t>(device.index)));
    }
    if (options.common.json) {
      list.push_back(to_json(device, copy));
      continue;
    }
    process.out.write(to_text(device));
    if (!copy.is_null()) process.out.write(fmt::format("    copies {:.1f} GB/s within its memory, read and written counted (measured)\n", copy.get<double>()));
  }
  if (options.common.json) process.out.write_json(list);
  return {};
}

}  // namespace

void add_devices(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("devices", "List the Vulkan devices and what they can do");
  const auto options = std::make_shared<DevicesOptions>();
  add_device_option(*parser, options->common);
  add_json_option(*parser, options->common);
  parser->add_flag("--probe", options->probe, "Measure how fast the chosen device copies within its memory");
  commands.push_back({parser, [options](Process& process) { return run_devices(*options, process); }});
}

}  // namespace fovea::cli
