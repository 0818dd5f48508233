// `devices`: the Vulkan devices of this machine, and which one would be used and why.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/command.hpp"
#include "app/cli/options.hpp"
#include "engine/gpu/device.hpp"

namespace fovea::cli {
namespace {

nlohmann::ordered_json to_json(const gpu::DeviceFacts& device) {
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
          {"why", device.why}};
}

std::string to_text(const gpu::DeviceFacts& device) {
  return fmt::format(
      "{} {}: {}\n    {}, {}, Vulkan {}, {:.1f} GiB, subgroups of {}, cooperative matrix {}, integer dot {}\n    {}\n",
      device.chosen ? '*' : ' ', device.index, printable(device.name), device.type, printable(device.driver),
      device.api, static_cast<double>(device.memory_bytes) / (1u << 30), device.subgroup,
      device.cooperative_matrix ? "yes" : "no", device.integer_dot ? "yes" : "no", printable(device.why));
}

Result<void> run_devices(const CommonOptions& options, Process& process) {
  FOVEA_ASSIGN(const std::vector<gpu::DeviceFacts> devices, gpu::list_devices(options.device));
  if (options.json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& device : devices) list.push_back(to_json(device));
    process.out.write_json(list);
    return {};
  }
  for (const auto& device : devices) process.out.write(to_text(device));
  return {};
}

}  // namespace

void add_devices(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("devices", "List the Vulkan devices and what they can do");
  const auto options = std::make_shared<CommonOptions>();
  add_device_option(*parser, *options);
  add_json_option(*parser, *options);
  commands.push_back({parser, [options](Process& process) { return run_devices(*options, process); }});
}

}  // namespace fovea::cli
