#include "engine/gpu/vulkan_api.hpp"

#include <dlfcn.h>

namespace fovea::gpu {
namespace {

tl::unexpected<Error> missing_function(const char* name) {
  return fail(ErrorCode::device, "Vulkan", std::string("the loader or driver has no function ") + name,
              "install a loader and driver for Vulkan 1.3");
}

}  // namespace

Result<VulkanApi> VulkanApi::open() {
  void* library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return fail(ErrorCode::device, "Vulkan", "the loader libvulkan.so.1 is not installed",
                "install the Vulkan loader and a driver (the GPU's own, or Mesa's lavapipe for the CPU)");
  VulkanApi api;
  api.vkGetInstanceProcAddr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (api.vkGetInstanceProcAddr == nullptr) return missing_function("vkGetInstanceProcAddr");
#define FOVEA_LOAD(name)                                                              \
  api.name = reinterpret_cast<PFN_##name>(api.vkGetInstanceProcAddr(nullptr, #name)); \
  if (api.name == nullptr) return missing_function(#name);
  FOVEA_VULKAN_GLOBAL(FOVEA_LOAD)
#undef FOVEA_LOAD
  return api;
}

Result<void> VulkanApi::load_instance(VkInstance instance) {
#define FOVEA_LOAD(name)                                                       \
  name = reinterpret_cast<PFN_##name>(vkGetInstanceProcAddr(instance, #name)); \
  if (name == nullptr) return missing_function(#name);
  FOVEA_VULKAN_INSTANCE(FOVEA_LOAD)
#undef FOVEA_LOAD
#define FOVEA_LOAD(name) name = reinterpret_cast<PFN_##name>(vkGetInstanceProcAddr(instance, #name));
  FOVEA_VULKAN_OPTIONAL(FOVEA_LOAD)
#undef FOVEA_LOAD
  return {};
}

Result<void> VulkanApi::load_device(VkDevice device) {
#define FOVEA_LOAD(name)                                                   \
  name = reinterpret_cast<PFN_##name>(vkGetDeviceProcAddr(device, #name)); \
  if (name == nullptr) return missing_function(#name);
  FOVEA_VULKAN_DEVICE(FOVEA_LOAD)
#undef FOVEA_LOAD
  return {};
}

std::string result_name(VkResult result) {
  switch (result) {
    case VK_SUCCESS:
      return "VK_SUCCESS";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    case VK_NOT_READY:
      return "VK_NOT_READY";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_INVALID_SHADER_NV:
      return "VK_ERROR_INVALID_SHADER_NV";
    default:
      return "VkResult " + std::to_string(static_cast<int>(result));
  }
}

Error vulkan_error(std::string what, VkResult result) {
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY)
    return Error{ErrorCode::memory, std::move(what), "out of memory (" + result_name(result) + ")",
                 "close other programs that use the device, or choose a smaller model or context"};
  return Error{ErrorCode::device, std::move(what), "the driver said " + result_name(result),
               "update the graphics driver, or choose another device with --device"};
}

std::string version_text(std::uint32_t version) {
  return std::to_string(VK_API_VERSION_MAJOR(version)) + "." + std::to_string(VK_API_VERSION_MINOR(version)) + "." +
         std::to_string(VK_API_VERSION_PATCH(version));
}

}  // namespace fovea::gpu
