#include "engine/gpu/device_choice.hpp"

#include <algorithm>
#include <string_view>

namespace fovea::gpu {
namespace {

// Higher is preferred.
int rank(const DeviceFacts& facts) {
  if (facts.type == "discrete") return 4;
  if (facts.type == "integrated") return 3;
  if (facts.type == "virtual") return 2;
  return facts.cpu ? 1 : 0;
}

bool better(const DeviceFacts& a, const DeviceFacts& b) {
  if (rank(a) != rank(b)) return rank(a) > rank(b);
  return a.memory_bytes > b.memory_bytes;
}

std::string listing(const std::vector<DeviceFacts>& devices) {
  std::string text;
  for (const DeviceFacts& facts : devices)
    text += (text.empty() ? "" : ", ") + std::to_string(facts.index) + " = " + facts.name;
  return text;
}

// Why `loser` was not taken although it could have been.
std::string passed_over(const DeviceFacts& loser, const DeviceFacts& winner) {
  const std::string other = "device " + std::to_string(winner.index) + ", " + winner.name;
  if (loser.cpu && !winner.cpu) return "passed over: " + loser.name + " is a CPU driver and there is a GPU: " + other;
  if (rank(loser) != rank(winner))
    return "passed over: a " + winner.type + " device comes before a " + loser.type + " one: " + other;
  if (loser.memory_bytes < winner.memory_bytes) return "passed over: " + other + ", has more memory";
  return "passed over: as good as " + other + ", which comes first";
}

std::string reason(const DeviceFacts& winner, const std::vector<DeviceFacts>& devices) {
  const auto usable = std::count_if(devices.begin(), devices.end(), [](const auto& d) { return d.usable; });
  if (usable == 1) return devices.size() == 1 ? "chosen: the only device" : "chosen: the only usable device";
  std::string best = "chosen: the " + winner.type + " device";
  const auto peers =
      std::count_if(devices.begin(), devices.end(), [&](const auto& d) { return d.usable && rank(d) == rank(winner); });
  if (peers > 1) {
    const auto level = std::count_if(devices.begin(), devices.end(), [&](const auto& d) {
      return d.usable && rank(d) == rank(winner) && d.memory_bytes == winner.memory_bytes;
    });
    best += level > 1 ? " that comes first among equals" : " with the most memory";
  }
  return best;
}

}  // namespace

Result<std::size_t> choose(std::vector<DeviceFacts>& devices, std::int32_t wanted) {
  if (devices.empty())
    return fail(ErrorCode::device, "Vulkan", "no device is there",
                "install the GPU's Vulkan driver, or Mesa's lavapipe for the CPU");
  std::size_t chosen = devices.size();
  if (wanted >= 0) {
    chosen = static_cast<std::size_t>(wanted);
    if (chosen >= devices.size())
      return fail(ErrorCode::usage, "Device " + std::to_string(wanted),
                  "there " + std::string(devices.size() == 1 ? "is 1 device"
                                                             : "are " + std::to_string(devices.size()) + " devices"),
                  "choose one of: " + listing(devices));
    if (!devices[chosen].usable)
      return fail(ErrorCode::device, "Device " + std::to_string(wanted) + ", " + devices[chosen].name,
                  devices[chosen].why, "choose another device or update its driver");
  } else {
    for (std::size_t i = 0; i < devices.size(); ++i)
      if (devices[i].usable && (chosen == devices.size() || better(devices[i], devices[chosen]))) chosen = i;
    if (chosen == devices.size()) {
      std::string why;
      for (const DeviceFacts& facts : devices) why += (why.empty() ? "" : "; ") + facts.name + " " + facts.why;
      return fail(ErrorCode::device, "No device is usable", why,
                  "update the graphics driver, or install Mesa's lavapipe");
    }
  }
  const DeviceFacts& winner = devices[chosen];
  for (DeviceFacts& facts : devices) {
    facts.chosen = &facts == &winner;
    if (!facts.usable) continue;
    if (facts.chosen)
      facts.why = wanted >= 0 ? "chosen: asked for by its number" : reason(winner, devices);
    else
      facts.why = wanted >= 0 ? "passed over: device " + std::to_string(winner.index) + " was asked for"
                              : passed_over(facts, winner);
  }
  return chosen;
}

Result<std::size_t> choose_device(std::vector<PhysicalDevice>& devices, std::int32_t wanted) {
  std::vector<DeviceFacts> facts;
  for (const PhysicalDevice& device : devices) facts.push_back(device.facts);
  FOVEA_ASSIGN(const std::size_t chosen, choose(facts, wanted));
  for (std::size_t i = 0; i < devices.size(); ++i) devices[i].facts = facts[i];
  return chosen;
}

Result<std::vector<DeviceFacts>> list_devices(std::int32_t wanted) {
  FOVEA_ASSIGN(const auto instance, Instance::create(std::nullopt));
  FOVEA_ASSIGN(const auto devices, physical_devices(*instance));
  std::vector<DeviceFacts> facts;
  for (const PhysicalDevice& device : devices) facts.push_back(device.facts);
  // A list without a usable device is still a list that says why; a number that does not exist is a mistake.
  auto chosen = choose(facts, wanted);
  if (!chosen && (facts.empty() || chosen.error().code == ErrorCode::usage))
    return tl::unexpected<Error>(std::move(chosen).error());
  return facts;
}

}  // namespace fovea::gpu
