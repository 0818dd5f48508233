#include "engine/gpu/instance.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace fovea::gpu {
namespace {

constexpr const char* validation_layer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                          VkDebugUtilsMessageTypeFlagsEXT types,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void* instance) {
  const char* text = data != nullptr && data->pMessage != nullptr ? data->pMessage : "";
  static_cast<Instance*>(instance)->count_message(severity, types, text);
  return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info(Instance* instance) {
  auto info = tagged<VkDebugUtilsMessengerCreateInfoEXT>(VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
  info.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                     VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
  info.pfnUserCallback = on_message;
  info.pUserData = instance;
  return info;
}

bool asked_by_environment() {
  const char* value = std::getenv("FOVEA_VALIDATION");
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

}  // namespace

void Instance::count_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
                             const char* text) {
  std::fprintf(stderr, "vulkan: %s\n", text);
  // The loader's own warnings (a driver file it cannot read, say) are general: shown, but no fault of our calls.
  const bool general_warning =
      types == VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT && severity < VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  if (!general_warning) ++messages_;
}

bool Instance::find_validation() const {
  std::uint32_t count = 0;
  api_.vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  api_.vkEnumerateInstanceLayerProperties(&count, layers.data());
  layers.resize(count);
  for (const VkLayerProperties& layer : layers)
    if (std::strcmp(layer.layerName, validation_layer) == 0) return true;
  return false;
}

Result<std::shared_ptr<Instance>> Instance::create(std::optional<bool> validation) {
  FOVEA_ASSIGN(VulkanApi api, VulkanApi::open());
  std::uint32_t loader_version = 0;
  api.vkEnumerateInstanceVersion(&loader_version);
  if (loader_version < VK_API_VERSION_1_3)
    return fail(ErrorCode::device, "Vulkan", "the loader is of version " + version_text(loader_version),
                "install a loader for Vulkan 1.3 or newer");
  std::shared_ptr<Instance> self(new Instance);
  self->api_ = api;

  bool validate = validation.value_or(asked_by_environment());
  if (validate && !self->find_validation()) {
    static bool said = false;
    if (!said) std::fprintf(stderr, "Vulkan validation: %s is not installed; going on without it\n", validation_layer);
    said = true;
    validate = false;
  }

  auto application = tagged<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "Fovea";
  application.pEngineName = "Fovea";
  application.apiVersion = VK_API_VERSION_1_3;
  const char* const extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(self.get());
  auto info = tagged<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  if (validate) {
    info.pNext = &messenger;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &validation_layer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &extension;
  }
  VkResult made = api.vkCreateInstance(&info, nullptr, &self->instance_);
  if (made == VK_ERROR_LAYER_NOT_PRESENT || (validate && made == VK_ERROR_EXTENSION_NOT_PRESENT)) {
    std::fprintf(stderr, "Vulkan validation: %s does not load (%s); going on without it\n", validation_layer,
                 result_name(made).c_str());
    validate = false;
    info.pNext = nullptr;
    info.enabledLayerCount = info.enabledExtensionCount = 0;
    made = api.vkCreateInstance(&info, nullptr, &self->instance_);
  }
  if (made == VK_ERROR_INCOMPATIBLE_DRIVER)
    return fail(ErrorCode::device, "Vulkan", "no driver is installed",
                "install the GPU's Vulkan driver, or Mesa's lavapipe for the CPU");
  if (made != VK_SUCCESS) return tl::unexpected<Error>(vulkan_error("Making a Vulkan instance", made));
  FOVEA_TRY(self->api_.load_instance(self->instance_));

  if (validate) {
    const auto create_messenger = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        api.vkGetInstanceProcAddr(self->instance_, "vkCreateDebugUtilsMessengerEXT"));
    if (create_messenger != nullptr) create_messenger(self->instance_, &messenger, nullptr, &self->messenger_);
  }
  return self;
}

Instance::~Instance() {
  if (instance_ == VK_NULL_HANDLE || api_.vkDestroyInstance == nullptr) return;
  if (messenger_ != VK_NULL_HANDLE) {
    const auto destroy_messenger = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        api_.vkGetInstanceProcAddr(instance_, "vkDestroyDebugUtilsMessengerEXT"));
    if (destroy_messenger != nullptr) destroy_messenger(instance_, messenger_, nullptr);
  }
  api_.vkDestroyInstance(instance_, nullptr);
}

}  // namespace fovea::gpu
