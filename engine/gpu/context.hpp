// What every object of the room shares: functions, device, queue, facts, and whether the device is still there.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/gpu/device.hpp"
#include "engine/gpu/device_choice.hpp"
#include "engine/gpu/instance.hpp"

namespace fovea::gpu {

struct Context {
  std::shared_ptr<Instance> instance;
  VulkanApi vk;
  PhysicalDevice physical;
  VkDevice device = VK_NULL_HANDLE;
  VkQueue queue = VK_NULL_HANDLE;

  // Set once, when the device is lost or stops answering; every later call returns it.
  std::optional<Error> lost;
  // The device hangs with our work on it: nothing may be freed, since it may still be in use.
  bool abandoned = false;

  [[nodiscard]] static Result<std::shared_ptr<Context>> create(const DeviceOptions& options);
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  [[nodiscard]] Result<void> check() const;
  // The error for a failed call; a lost device is remembered.
  [[nodiscard]] tl::unexpected<Error> failed(std::string what, VkResult result);
  // Marks the device lost and returns the error.
  [[nodiscard]] tl::unexpected<Error> lose(std::string why);
};

}  // namespace fovea::gpu
