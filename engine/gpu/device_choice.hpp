// The Vulkan devices of the machine: what they can do, what they lack, and which one to take.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/gpu/instance.hpp"

namespace fovea::gpu {

// Feature structures linked for a query or for device creation. Copies link themselves anew in chain().
struct DeviceFeatures {
  VkPhysicalDeviceFeatures2 core = tagged<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  VkPhysicalDeviceVulkan11Features v11 =
      tagged<VkPhysicalDeviceVulkan11Features>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES);
  VkPhysicalDeviceVulkan12Features v12 =
      tagged<VkPhysicalDeviceVulkan12Features>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
  VkPhysicalDeviceVulkan13Features v13 =
      tagged<VkPhysicalDeviceVulkan13Features>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES);
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix = tagged<VkPhysicalDeviceCooperativeMatrixFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV matrix_2 = tagged<VkPhysicalDeviceCooperativeMatrix2FeaturesNV>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV);
  // A structure may be chained only where its extension is there.
  bool with_matrix = false, with_matrix_2 = false;

  [[nodiscard]] VkPhysicalDeviceFeatures2* chain();
};

struct PhysicalDevice {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  DeviceFacts facts;
  DeviceFeatures offered;
  std::vector<const char*> extensions;  // to switch on
  std::uint32_t queue_family = 0;
  VkPhysicalDeviceMemoryProperties memory{};
  std::uint64_t max_buffer_bytes = 0;
  double timestamp_nanoseconds = 1;             // per tick
  std::uint64_t timestamp_mask = 0;             // 0: the queue has no timestamps
  VkShaderStageFlags subgroup_size_stages = 0;  // where a required subgroup size may be asked for
  std::array<std::uint32_t, 3> max_workgroup_size{};
  // Identity of driver and device, for the pipeline cache.
  std::uint32_t vendor_id = 0, device_id = 0, driver_version = 0;
  std::array<std::uint8_t, VK_UUID_SIZE> cache_uuid{};
  bool memory_budget = false;  // VK_EXT_memory_budget

  // Everything the engine needs, and of the rest what is there.
  [[nodiscard]] DeviceFeatures wanted_features() const;
};

// As Vulkan enumerates them, facts filled in but for `chosen`.
[[nodiscard]] Result<std::vector<PhysicalDevice>> physical_devices(const Instance& instance);

// Sets chosen and why of every entry; the index of the chosen one. Error: out of range, unusable, or none usable.
[[nodiscard]] Result<std::size_t> choose(std::vector<DeviceFacts>& devices, std::int32_t wanted);
[[nodiscard]] Result<std::size_t> choose_device(std::vector<PhysicalDevice>& devices, std::int32_t wanted);

}  // namespace fovea::gpu
