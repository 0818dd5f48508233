// The Vulkan functions the room calls, found at run time: a machine without a loader gets a sentence, not a program
// that does not start.
#pragma once

#include <cstdint>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <string>

#include "engine/base/result.hpp"

// clang-format off
#define FOVEA_VULKAN_GLOBAL(X) \
  X(vkEnumerateInstanceVersion) X(vkEnumerateInstanceLayerProperties) X(vkEnumerateInstanceExtensionProperties) \
  X(vkCreateInstance)

#define FOVEA_VULKAN_INSTANCE(X) \
  X(vkDestroyInstance) X(vkEnumeratePhysicalDevices) X(vkGetPhysicalDeviceProperties) \
  X(vkGetPhysicalDeviceProperties2) X(vkGetPhysicalDeviceFeatures2) X(vkGetPhysicalDeviceMemoryProperties) \
  X(vkGetPhysicalDeviceQueueFamilyProperties) X(vkEnumerateDeviceExtensionProperties) X(vkCreateDevice) \
  X(vkGetDeviceProcAddr)

// Functions of extensions: null where no driver has them.
#define FOVEA_VULKAN_OPTIONAL(X) \
  X(vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR) X(vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV)

#define FOVEA_VULKAN_DEVICE(X) \
  X(vkDestroyDevice) X(vkGetDeviceQueue) X(vkDeviceWaitIdle) X(vkQueueSubmit2) X(vkCreateSemaphore) \
  X(vkDestroySemaphore) X(vkWaitSemaphores) X(vkGetSemaphoreCounterValue) X(vkGetBufferDeviceAddress) \
  X(vkGetDeviceBufferMemoryRequirements) X(vkCreateShaderModule) X(vkDestroyShaderModule) X(vkCreatePipelineLayout) \
  X(vkDestroyPipelineLayout) X(vkCreatePipelineCache) X(vkDestroyPipelineCache) X(vkGetPipelineCacheData) \
  X(vkCreateComputePipelines) X(vkDestroyPipeline) X(vkCreateCommandPool) X(vkDestroyCommandPool) \
  X(vkAllocateCommandBuffers) X(vkBeginCommandBuffer) X(vkEndCommandBuffer) X(vkCmdBindPipeline) \
  X(vkCmdPushConstants) X(vkCmdDispatch) X(vkCmdDispatchIndirect) X(vkCmdPipelineBarrier2) X(vkCmdCopyBuffer) \
  X(vkCmdFillBuffer) X(vkCmdUpdateBuffer) X(vkCreateQueryPool) X(vkDestroyQueryPool) X(vkResetQueryPool) X(vkCmdResetQueryPool) \
  X(vkCmdWriteTimestamp2) X(vkGetQueryPoolResults)
// clang-format on

namespace fovea::gpu {

// A Vulkan structure that says what it is and is zero otherwise.
template <class T>
[[nodiscard]] constexpr T tagged(VkStructureType type) {
  T structure{};
  structure.sType = type;
  return structure;
}

struct VulkanApi {
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr = nullptr;
#define FOVEA_DECLARE(name) PFN_##name name = nullptr;
  FOVEA_VULKAN_GLOBAL(FOVEA_DECLARE)
  FOVEA_VULKAN_INSTANCE(FOVEA_DECLARE)
  FOVEA_VULKAN_OPTIONAL(FOVEA_DECLARE)
  FOVEA_VULKAN_DEVICE(FOVEA_DECLARE)
#undef FOVEA_DECLARE

  // Opens the loader and its global functions. The library stays open for the life of the program: drivers leave
  // threads and exit handlers behind that outlast an instance.
  [[nodiscard]] static Result<VulkanApi> open();
  [[nodiscard]] Result<void> load_instance(VkInstance instance);
  [[nodiscard]] Result<void> load_device(VkDevice device);
};

// "VK_ERROR_DEVICE_LOST"; the number where it has no name here.
[[nodiscard]] std::string result_name(VkResult result);

// The error for a call that failed for any reason but a lost device: memory where memory ran out, else device.
[[nodiscard]] Error vulkan_error(std::string what, VkResult result);

// "1.3.230"
[[nodiscard]] std::string version_text(std::uint32_t version);

}  // namespace fovea::gpu
