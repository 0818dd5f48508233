// The Vulkan instance, with the validation layer where it is asked for and installed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/gpu/vulkan_api.hpp"

namespace fovea::gpu {

class Instance {
 public:
  // nullopt: FOVEA_VALIDATION=1 in the environment asks for validation.
  [[nodiscard]] static Result<std::shared_ptr<Instance>> create(std::optional<bool> validation);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  [[nodiscard]] const VulkanApi& api() const { return api_; }
  [[nodiscard]] VkInstance handle() const { return instance_; }
  [[nodiscard]] bool validating() const { return messenger_ != VK_NULL_HANDLE; }
  [[nodiscard]] std::uint64_t validation_messages() const { return messages_; }
  // Called by the layer, on the thread that made the wrong call.
  void count_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
                     const char* text);

 private:
  Instance() = default;
  [[nodiscard]] bool find_validation() const;

  VulkanApi api_;
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  std::uint64_t messages_ = 0;
};

}  // namespace fovea::gpu
