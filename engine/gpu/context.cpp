#include "engine/gpu/context.hpp"

namespace fovea::gpu {

Result<std::shared_ptr<Context>> Context::create(const DeviceOptions& options) {
  auto self = std::make_shared<Context>();
  FOVEA_ASSIGN(self->instance, Instance::create(options.validation));
  self->vk = self->instance->api();
  FOVEA_ASSIGN(auto devices, physical_devices(*self->instance));
  FOVEA_ASSIGN(const std::size_t chosen, choose_device(devices, options.index));
  self->physical = std::move(devices[chosen]);

  const float priority = 1;
  auto queue = tagged<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queue.queueFamilyIndex = self->physical.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  DeviceFeatures features = self->physical.wanted_features();
  auto info = tagged<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  info.pNext = features.chain();
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<std::uint32_t>(self->physical.extensions.size());
  info.ppEnabledExtensionNames = self->physical.extensions.data();
  const VkResult made = self->vk.vkCreateDevice(self->physical.handle, &info, nullptr, &self->device);
  if (made != VK_SUCCESS)
    return tl::unexpected<Error>(vulkan_error("Opening the device " + self->physical.facts.name, made));
  FOVEA_TRY(self->vk.load_device(self->device));
  self->vk.vkGetDeviceQueue(self->device, self->physical.queue_family, 0, &self->queue);
  return self;
}

Context::~Context() {
  if (device != VK_NULL_HANDLE && vk.vkDestroyDevice != nullptr && !abandoned) vk.vkDestroyDevice(device, nullptr);
  // An instance must outlive its device: a device left hanging keeps it for good.
  if (abandoned) new std::shared_ptr<Instance>(std::move(instance));
}

Result<void> Context::check() const {
  if (lost) return tl::unexpected<Error>(*lost);
  return {};
}

tl::unexpected<Error> Context::failed(std::string what, VkResult result) {
  if (result == VK_ERROR_DEVICE_LOST) return lose("the driver lost the device during: " + what);
  return tl::unexpected<Error>(vulkan_error(std::move(what), result));
}

tl::unexpected<Error> Context::lose(std::string why) {
  if (!lost)
    lost = Error{ErrorCode::device, "Device " + physical.facts.name, std::move(why),
                 "load the model again; if it comes back, update the graphics driver or choose another device"};
  return tl::unexpected<Error>(*lost);
}

}  // namespace fovea::gpu
