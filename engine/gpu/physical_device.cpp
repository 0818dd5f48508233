// Reads what each device offers and what it lacks.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>

#include "engine/gpu/device_choice.hpp"

namespace fovea::gpu {
namespace {

struct RequiredFeature {
  const char* name;
  VkBool32& (*of)(DeviceFeatures&);
};

#define FOVEA_FEATURE(group, member)                                        \
  RequiredFeature {                                                         \
#member, [](DeviceFeatures & f) -> VkBool32& { return f.group.member; } \
  }

const RequiredFeature required_features[] = {
    FOVEA_FEATURE(core.features, shaderInt16),
    FOVEA_FEATURE(core.features, shaderInt64),
    FOVEA_FEATURE(v11, storageBuffer16BitAccess),
    FOVEA_FEATURE(v12, storageBuffer8BitAccess),
    FOVEA_FEATURE(v12, shaderInt8),
    FOVEA_FEATURE(v12, bufferDeviceAddress),
    FOVEA_FEATURE(v12, timelineSemaphore),
    FOVEA_FEATURE(v12, scalarBlockLayout),
    FOVEA_FEATURE(v12, hostQueryReset),
    FOVEA_FEATURE(v13, synchronization2),
    FOVEA_FEATURE(v13, maintenance4),
    FOVEA_FEATURE(v13, subgroupSizeControl),
    FOVEA_FEATURE(v13, computeFullSubgroups),
};

const RequiredFeature optional_features[] = {
    FOVEA_FEATURE(v11, uniformAndStorageBuffer16BitAccess),
    FOVEA_FEATURE(v11, storagePushConstant16),
    FOVEA_FEATURE(v12, uniformAndStorageBuffer8BitAccess),
    FOVEA_FEATURE(v12, storagePushConstant8),
    FOVEA_FEATURE(v12, shaderFloat16),
    FOVEA_FEATURE(v12, shaderSubgroupExtendedTypes),
    FOVEA_FEATURE(v12, vulkanMemoryModel),
    FOVEA_FEATURE(v12, vulkanMemoryModelDeviceScope),
    FOVEA_FEATURE(v13, shaderIntegerDotProduct),
    FOVEA_FEATURE(v13, shaderZeroInitializeWorkgroupMemory),
    FOVEA_FEATURE(matrix, cooperativeMatrix),
    FOVEA_FEATURE(matrix_2, cooperativeMatrixWorkgroupScope),
    FOVEA_FEATURE(matrix_2, cooperativeMatrixFlexibleDimensions),
    FOVEA_FEATURE(matrix_2, cooperativeMatrixReductions),
    FOVEA_FEATURE(matrix_2, cooperativeMatrixConversions),
    FOVEA_FEATURE(matrix_2, cooperativeMatrixPerElementOperations),
    FOVEA_FEATURE(matrix_2, cooperativeMatrixTensorAddressing),
};

struct RequiredSubgroup {
  VkSubgroupFeatureFlagBits bit;
  const char* name;
};
constexpr RequiredSubgroup required_subgroup_operations[] = {
    {VK_SUBGROUP_FEATURE_BASIC_BIT, "basic"},           {VK_SUBGROUP_FEATURE_VOTE_BIT, "vote"},
    {VK_SUBGROUP_FEATURE_ARITHMETIC_BIT, "arithmetic"}, {VK_SUBGROUP_FEATURE_BALLOT_BIT, "ballot"},
    {VK_SUBGROUP_FEATURE_SHUFFLE_BIT, "shuffle"},
};

std::string type_name(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "cpu";
    default:
      return "other";
  }
}

bool choose_queue(const VulkanApi& vk, PhysicalDevice& device) {
  std::uint32_t count = 0;
  vk.vkGetPhysicalDeviceQueueFamilyProperties(device.handle, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vk.vkGetPhysicalDeviceQueueFamilyProperties(device.handle, &count, families.data());
  // Compute brings transfer with it. The first family with timestamps; one without is better than none.
  bool found = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const VkQueueFamilyProperties& family = families[i];
    if ((family.queueFlags & VK_QUEUE_COMPUTE_BIT) == 0 || family.queueCount == 0) continue;
    const std::uint32_t bits = family.timestampValidBits;
    if (found && (device.timestamp_mask != 0 || bits == 0)) continue;
    found = true;
    device.queue_family = i;
    device.timestamp_mask = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  }
  device.facts.timestamps = device.timestamp_mask != 0;
  return found;
}

bool has_extension(const std::vector<VkExtensionProperties>& extensions, const char* name) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const auto& e) { return std::strcmp(e.extensionName, name) == 0; });
}

void read_extensions(const VulkanApi& vk, PhysicalDevice& device) {
  std::uint32_t count = 0;
  vk.vkEnumerateDeviceExtensionProperties(device.handle, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vk.vkEnumerateDeviceExtensionProperties(device.handle, nullptr, &count, extensions.data());
  extensions.resize(count);
  device.memory_budget = has_extension(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (device.memory_budget) device.extensions.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  device.offered.with_matrix = has_extension(extensions, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  device.offered.with_matrix_2 =
      device.offered.with_matrix && has_extension(extensions, VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME);
}

// What shaders/include/matrix_tile.glsl asks for: fragments of 16 x 16 x 16, halves summed as float, by subgroups.
bool multiplies_halves(const VulkanApi& vk, const PhysicalDevice& device) {
  const DeviceFeatures& offered = device.offered;
  if (offered.matrix.cooperativeMatrix == 0 || offered.v12.vulkanMemoryModel == 0 || offered.v12.shaderFloat16 == 0 ||
      vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR == nullptr)
    return false;
  std::uint32_t count = 0;
  vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device.handle, &count, nullptr);
  std::vector<VkCooperativeMatrixPropertiesKHR> shapes(
      count, tagged<VkCooperativeMatrixPropertiesKHR>(VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR));
  vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device.handle, &count, shapes.data());
  shapes.resize(count);
  return std::any_of(shapes.begin(), shapes.end(), [](const VkCooperativeMatrixPropertiesKHR& shape) {
    return shape.MSize == 16 && shape.NSize == 16 && shape.KSize == 16 && shape.AType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           shape.BType == VK_COMPONENT_TYPE_FLOAT16_KHR && shape.CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           shape.ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && shape.scope == VK_SCOPE_SUBGROUP_KHR;
  });
}

// What shaders/linear/product_workgroup.comp asks for, in all sizes of workgroup that the device has it in.
std::vector<WorkgroupMatrices> workgroup_matrices(const VulkanApi& vk, const PhysicalDevice& device) {
  const VkPhysicalDeviceCooperativeMatrix2FeaturesNV& has = device.offered.matrix_2;
  std::vector<WorkgroupMatrices> result;
  if (has.cooperativeMatrixWorkgroupScope == 0 || has.cooperativeMatrixFlexibleDimensions == 0 ||
      has.cooperativeMatrixConversions == 0 || has.cooperativeMatrixPerElementOperations == 0 ||
      has.cooperativeMatrixTensorAddressing == 0 ||
      vk.vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV == nullptr)
    return result;
  std::uint32_t count = 0;
  vk.vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV(device.handle, &count, nullptr);
  std::vector<VkCooperativeMatrixFlexibleDimensionsPropertiesNV> shapes(
      count, tagged<VkCooperativeMatrixFlexibleDimensionsPropertiesNV>(
                 VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FLEXIBLE_DIMENSIONS_PROPERTIES_NV));
  vk.vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV(device.handle, &count, shapes.data());
  shapes.resize(count);
  for (const VkCooperativeMatrixFlexibleDimensionsPropertiesNV& shape : shapes)
    if (shape.AType == VK_COMPONENT_TYPE_FLOAT16_KHR && shape.BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
        shape.CType == VK_COMPONENT_TYPE_FLOAT32_KHR && shape.ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
        shape.saturatingAccumulation == 0 && shape.scope == VK_SCOPE_WORKGROUP_KHR)
      result.push_back({.invocations = shape.workgroupInvocations, .rows = shape.MGranularity,
                        .tokens = shape.NGranularity, .columns = shape.KGranularity});
  return result;
}

struct Properties {
  VkPhysicalDeviceProperties2 core =
      tagged<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  VkPhysicalDeviceVulkan11Properties v11 =
      tagged<VkPhysicalDeviceVulkan11Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES);
  VkPhysicalDeviceVulkan12Properties v12 =
      tagged<VkPhysicalDeviceVulkan12Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES);
  VkPhysicalDeviceVulkan13Properties v13 =
      tagged<VkPhysicalDeviceVulkan13Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES);
  VkPhysicalDeviceCooperativeMatrix2PropertiesNV matrix_2 = tagged<VkPhysicalDeviceCooperativeMatrix2PropertiesNV>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_PROPERTIES_NV);
};

// Lavapipe of Mesa 22.3 draws other tokens with packed dot products, that of 25.0 the right ones; nothing between was
// tried. Its version stands in the text alone.
bool computes_dot_products_wrong(const Properties& properties) {
  if (properties.v12.driverID != VK_DRIVER_ID_MESA_LLVMPIPE) return false;
  const std::string_view info = properties.v12.driverInfo, prefix = "Mesa ";
  unsigned major = 0;
  return info.substr(0, prefix.size()) != prefix ||
         std::from_chars(info.data() + prefix.size(), info.data() + info.size(), major).ec != std::errc() || major < 25;
}

void fill_facts(PhysicalDevice& device, const Properties& properties) {
  DeviceFacts& facts = device.facts;
  const VkPhysicalDeviceLimits& limits = properties.core.properties.limits;
  facts.driver = properties.v12.driverName;
  if (properties.v12.driverInfo[0] != '\0') facts.driver += std::string(" ") + properties.v12.driverInfo;
  facts.max_allocation_bytes = properties.v11.maxMemoryAllocationSize;
  facts.max_storage_range_bytes = limits.maxStorageBufferRange;
  facts.subgroup = properties.v11.subgroupSize;
  facts.subgroup_min = properties.v13.minSubgroupSize;
  facts.subgroup_max = properties.v13.maxSubgroupSize;
  facts.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  facts.shared_memory_bytes = limits.maxComputeSharedMemorySize;
  facts.max_push_constant_bytes = limits.maxPushConstantsSize;
  for (std::size_t i = 0; i < 3; ++i) {
    facts.max_workgroups[i] = limits.maxComputeWorkGroupCount[i];
    device.max_workgroup_size[i] = limits.maxComputeWorkGroupSize[i];
  }
  device.timestamp_nanoseconds = static_cast<double>(limits.timestampPeriod);
  device.max_buffer_bytes = properties.v13.maxBufferSize;
  device.subgroup_size_stages = properties.v13.requiredSubgroupSizeStages;
  facts.max_workgroup_subgroups = properties.v13.maxComputeWorkgroupSubgroups;
}

PhysicalDevice read_device(const VulkanApi& vk, VkPhysicalDevice handle, std::uint32_t index) {
  PhysicalDevice device;
  device.handle = handle;
  DeviceFacts& facts = device.facts;
  facts.index = index;
  VkPhysicalDeviceProperties basic{};
  vk.vkGetPhysicalDeviceProperties(handle, &basic);
  facts.name = basic.deviceName;
  facts.type = type_name(basic.deviceType);
  facts.cpu = basic.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  facts.api = version_text(basic.apiVersion);
  device.vendor_id = basic.vendorID;
  device.device_id = basic.deviceID;
  device.driver_version = basic.driverVersion;
  std::copy_n(basic.pipelineCacheUUID, VK_UUID_SIZE, device.cache_uuid.begin());
  vk.vkGetPhysicalDeviceMemoryProperties(handle, &device.memory);
  for (std::uint32_t i = 0; i < device.memory.memoryHeapCount; ++i)
    if ((device.memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0)
      facts.memory_bytes += device.memory.memoryHeaps[i].size;
  // Some versions of lavapipe state a heap of 2 GiB whatever the machine has: a CPU driver has the machine's memory.
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  if (facts.cpu && pages > 0 && page_bytes > 0)
    facts.memory_bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  if (basic.apiVersion < VK_API_VERSION_1_3) {
    facts.why = "offers Vulkan " + facts.api + " where 1.3 is needed";
    return device;
  }

  Properties properties;
  properties.core.pNext = &properties.v11;
  properties.v11.pNext = &properties.v12;
  properties.v12.pNext = &properties.v13;
  read_extensions(vk, device);
  if (device.offered.with_matrix_2) properties.v13.pNext = &properties.matrix_2;
  vk.vkGetPhysicalDeviceProperties2(handle, &properties.core);
  fill_facts(device, properties);
  vk.vkGetPhysicalDeviceFeatures2(handle, device.offered.chain());
  facts.integer_dot = device.offered.v13.shaderIntegerDotProduct != 0 && !computes_dot_products_wrong(properties);
  facts.cooperative_matrix = multiplies_halves(vk, device);
  if (facts.cooperative_matrix)
    device.extensions.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  else
    device.offered.with_matrix = device.offered.with_matrix_2 = false;
  if (device.offered.with_matrix_2) {
    facts.cooperative_matrix_2 = device.offered.matrix_2.cooperativeMatrixReductions != 0 &&
                                 device.offered.matrix_2.cooperativeMatrixConversions != 0;
    facts.workgroup_matrices = workgroup_matrices(vk, device);
    facts.workgroup_matrix_shared_bytes = properties.matrix_2.cooperativeMatrixWorkgroupScopeReservedSharedMemory;
    device.offered.with_matrix_2 = facts.cooperative_matrix_2 || !facts.workgroup_matrices.empty();
    if (device.offered.with_matrix_2) device.extensions.push_back(VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME);
  }

  std::string missing;
  const auto lacks = [&](const std::string& name) { missing += (missing.empty() ? "" : ", ") + name; };
  if (!choose_queue(vk, device)) lacks("a compute queue");
  for (const RequiredFeature& feature : required_features)
    if (feature.of(device.offered) == 0) lacks(feature.name);
  if ((properties.v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) == 0)
    lacks("subgroups in compute shaders");
  for (const RequiredSubgroup& operation : required_subgroup_operations)
    if ((properties.v11.subgroupSupportedOperations & operation.bit) == 0)
      lacks("subgroup operations: " + std::string(operation.name));
  facts.usable = missing.empty();
  if (!facts.usable) facts.why = "lacks " + missing;
  return device;
}

}  // namespace

VkPhysicalDeviceFeatures2* DeviceFeatures::chain() {
  core.pNext = &v11;
  v11.pNext = &v12;
  v12.pNext = &v13;
  v13.pNext = with_matrix ? &matrix : nullptr;
  matrix.pNext = with_matrix_2 ? &matrix_2 : nullptr;
  return &core;
}

DeviceFeatures PhysicalDevice::wanted_features() const {
  DeviceFeatures there = offered;
  DeviceFeatures wanted;
  wanted.with_matrix = offered.with_matrix;
  wanted.with_matrix_2 = offered.with_matrix_2;
  for (const RequiredFeature& feature : required_features) feature.of(wanted) = VK_TRUE;
  for (const RequiredFeature& feature : optional_features) feature.of(wanted) = feature.of(there);
  return wanted;
}

Result<std::vector<PhysicalDevice>> physical_devices(const Instance& instance) {
  const VulkanApi& vk = instance.api();
  std::uint32_t count = 0;
  VkResult listed = vk.vkEnumeratePhysicalDevices(instance.handle(), &count, nullptr);
  std::vector<VkPhysicalDevice> handles(count);
  if (listed == VK_SUCCESS) listed = vk.vkEnumeratePhysicalDevices(instance.handle(), &count, handles.data());
  if (listed != VK_SUCCESS && listed != VK_INCOMPLETE)
    return tl::unexpected<Error>(vulkan_error("Listing the Vulkan devices", listed));
  if (count == 0)
    return fail(ErrorCode::device, "Vulkan", "no driver offers a device",
                "install the GPU's Vulkan driver, or Mesa's lavapipe for the CPU");
  handles.resize(count);
  std::vector<PhysicalDevice> devices;
  for (std::uint32_t i = 0; i < count; ++i) devices.push_back(read_device(vk, handles[i], i));
  return devices;
}

}  // namespace fovea::gpu
