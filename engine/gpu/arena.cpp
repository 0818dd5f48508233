#include "engine/gpu/arena.hpp"

#include <vk_mem_alloc.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>

namespace fovea::gpu {
namespace {

constexpr std::uint64_t MiB = 1024 * 1024;
constexpr std::uint64_t alignment = 256;  // of every address handed out

constexpr VkBufferUsageFlags buffer_usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                            VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT |
                                            VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;

std::size_t index_of(MemoryUse use) { return static_cast<std::size_t>(use); }

bool for_host(MemoryUse use) { return use == MemoryUse::upload || use == MemoryUse::readback; }

const char* name_of(MemoryUse use) {
  switch (use) {
    case MemoryUse::weights:
      return "weights";
    case MemoryUse::kv:
      return "the KV cache";
    case MemoryUse::compute:
      return "scratch";
    case MemoryUse::upload:
      return "uploads";
    case MemoryUse::readback:
      return "reading back";
  }
  return "";
}

// Small enough that a little model does not hold a lot, large enough that weights take few allocations.
std::uint64_t block_bytes_of(MemoryUse use) {
  switch (use) {
    case MemoryUse::weights:
      return 256 * MiB;
    case MemoryUse::kv:
      return 128 * MiB;
    case MemoryUse::compute:
      return 64 * MiB;
    default:
      return 16 * MiB;
  }
}

VkBufferCreateInfo buffer_info(std::uint64_t bytes) {
  auto info = tagged<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  info.size = bytes;
  info.usage = buffer_usage;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  return info;
}

// The first memory type, of those a buffer may live in, that has `need` and most of what is liked.
std::optional<std::uint32_t> find_type(const VkPhysicalDeviceMemoryProperties& memory, std::uint32_t allowed,
                                       VkMemoryPropertyFlags need, VkMemoryPropertyFlags like,
                                       VkMemoryPropertyFlags dislike) {
  std::optional<std::uint32_t> best;
  int best_score = 0;
  for (std::uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
    constexpr VkMemoryPropertyFlags never = VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                            VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD |
                                            VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
    if ((allowed & (1u << i)) == 0 || (flags & need) != need || (flags & never) != 0) continue;
    const int score = __builtin_popcount(flags & like) - __builtin_popcount(flags & dislike);
    if (best && score <= best_score) continue;
    best = i;
    best_score = score;
  }
  return best;
}

std::optional<std::uint32_t> type_for(const PhysicalDevice& device, std::uint32_t allowed, MemoryUse use) {
  constexpr VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  if (use == MemoryUse::upload) return find_type(device.memory, allowed, host, 0, local);
  if (use == MemoryUse::readback) return find_type(device.memory, allowed, host, cached, local);
  // Host and device share one memory on these: a host view costs nothing and saves the copy.
  const bool unified = device.facts.cpu || device.facts.type == "integrated";
  if (unified)
    if (const auto type = find_type(device.memory, allowed, local | host, cached, 0)) return type;
  return find_type(device.memory, allowed, local, 0, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
}

// What a CPU driver can still have without pushing the machine into swap: MemAvailable of Linux.
std::uint64_t free_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string line;
  while (std::getline(meminfo, line)) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu kB", &kibibytes) == 1) return std::uint64_t{kibibytes} * 1024;
  }
  return ~std::uint64_t{0};
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  char text[32];
  const double value = static_cast<double>(bytes);
  if (bytes >= 1024 * MiB)
    std::snprintf(text, sizeof text, "%.2f GiB", value / static_cast<double>(1024 * MiB));
  else if (bytes >= MiB)
    std::snprintf(text, sizeof text, "%.1f MiB", value / static_cast<double>(MiB));
  else
    std::snprintf(text, sizeof text, "%llu bytes", static_cast<unsigned long long>(bytes));
  return text;
}

Buffer::State::~State() {
  if (arena) arena->release(*this);
}

Result<std::shared_ptr<Arena>> Arena::create(std::shared_ptr<Context> context) {
  std::shared_ptr<Arena> self(new Arena);
  self->context_ = std::move(context);
  Context& shared = *self->context_;
  VmaVulkanFunctions functions{};
  functions.vkGetInstanceProcAddr = shared.vk.vkGetInstanceProcAddr;
  functions.vkGetDeviceProcAddr = shared.vk.vkGetDeviceProcAddr;
  VmaAllocatorCreateInfo info{};
  info.flags = VMA_ALLOCATOR_CREATE_BUFFER_DEVICE_ADDRESS_BIT | VMA_ALLOCATOR_CREATE_EXTERNALLY_SYNCHRONIZED_BIT;
  if (shared.physical.memory_budget) info.flags |= VMA_ALLOCATOR_CREATE_EXT_MEMORY_BUDGET_BIT;
  info.physicalDevice = shared.physical.handle;
  info.device = shared.device;
  info.instance = shared.instance->handle();
  info.vulkanApiVersion = VK_API_VERSION_1_3;
  info.pVulkanFunctions = &functions;
  const VkResult made = vmaCreateAllocator(&info, &self->allocator_);
  if (made != VK_SUCCESS) return shared.failed("Setting up device memory", made);
  for (const MemoryUse use :
       {MemoryUse::weights, MemoryUse::kv, MemoryUse::compute, MemoryUse::upload, MemoryUse::readback})
    FOVEA_TRY(self->create_pool(use));
  return self;
}

Result<void> Arena::create_pool(MemoryUse use) {
  Pool& pool = pools_[index_of(use)];
  const VkBufferCreateInfo probe = buffer_info(alignment);
  auto query = tagged<VkDeviceBufferMemoryRequirements>(VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS);
  query.pCreateInfo = &probe;
  auto requirements = tagged<VkMemoryRequirements2>(VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
  context_->vk.vkGetDeviceBufferMemoryRequirements(context_->device, &query, &requirements);
  const auto type = type_for(context_->physical, requirements.memoryRequirements.memoryTypeBits, use);
  if (!type)
    return fail(ErrorCode::device, "Device memory", "the driver has no memory for " + std::string(name_of(use)),
                "update the graphics driver, or choose another device with --device");
  pool.memory_type = *type;
  const std::uint64_t heap =
      context_->physical.memory.memoryHeaps[context_->physical.memory.memoryTypes[*type].heapIndex].size;
  pool.block_bytes =
      std::min({block_bytes_of(use), context_->physical.facts.max_allocation_bytes, std::max(heap / 16, MiB)});
  VmaPoolCreateInfo info{};
  info.memoryTypeIndex = pool.memory_type;
  info.blockSize = pool.block_bytes;
  info.minAllocationAlignment = alignment;
  const VkResult made = vmaCreatePool(allocator_, &info, &pool.handle);
  if (made != VK_SUCCESS) return context_->failed("Setting up device memory", made);
  return {};
}

Arena::~Arena() {
  if (allocator_ == VK_NULL_HANDLE || context_->abandoned) return;
  for (const Pool& pool : pools_)
    if (pool.handle != VK_NULL_HANDLE) vmaDestroyPool(allocator_, pool.handle);
  vmaDestroyAllocator(allocator_);
}

bool Arena::is_mapped(MemoryUse use) const {
  const std::uint32_t type = pools_[index_of(use)].memory_type;
  const VkMemoryPropertyFlags flags = context_->physical.memory.memoryTypes[type].propertyFlags;
  constexpr VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  const bool unified = context_->physical.facts.cpu || context_->physical.facts.type == "integrated";
  return (for_host(use) || unified) && (flags & host) == host;
}

Error Arena::no_room(std::uint64_t bytes, MemoryUse use, VkResult result) const {
  std::array<VmaBudget, VK_MAX_MEMORY_HEAPS> budgets{};
  vmaGetHeapBudgets(allocator_, budgets.data());
  const std::uint32_t heap = context_->physical.memory.memoryTypes[pools_[index_of(use)].memory_type].heapIndex;
  const VmaBudget& budget = budgets[heap];
  const bool cpu = context_->physical.facts.cpu;
  const std::uint64_t whole = cpu ? context_->physical.facts.memory_bytes : budget.budget;
  const std::uint64_t left = cpu                            ? free_memory_bytes()
                             : budget.budget > budget.usage ? budget.budget - budget.usage
                                                            : 0;
  return Error{ErrorCode::memory, "Device memory for " + std::string(name_of(use)),
               bytes_text(bytes) + " asked for, " + bytes_text(left) + " of " + bytes_text(whole) + " left on " +
                   context_->physical.facts.name + " (" + result_name(result) + ")",
               "choose a shorter context, a more compact KV cache or a smaller model"};
}

Result<std::unique_ptr<Buffer::State>> Arena::allocate(std::uint64_t bytes, MemoryUse use) {
  FOVEA_TRY(context_->check());
  const PhysicalDevice& device = context_->physical;
  const std::string what = "Device memory for " + std::string(name_of(use));
  if (bytes == 0) return fail(ErrorCode::usage, what, "0 bytes asked for", "ask for at least one byte");
  const std::uint64_t limit = std::min(device.max_buffer_bytes, device.facts.max_allocation_bytes);
  if (bytes > limit || bytes > limit / alignment * alignment)
    return fail(ErrorCode::memory, what,
                bytes_text(bytes) + " asked for in one piece, where " + device.facts.name + " gives at most " +
                    bytes_text(limit),
                "choose a shorter context, a smaller model or another device");
  const Pool& pool = pools_[index_of(use)];
  const std::uint64_t rounded = (bytes + alignment - 1) / alignment * alignment;
  const VkBufferCreateInfo info = buffer_info(rounded);
  // A CPU driver takes ordinary memory, and may promise more than there is or, as a fixed heap size, far less.
  if (device.facts.cpu && rounded > free_memory_bytes())
    return tl::unexpected<Error>(no_room(bytes, use, VK_ERROR_OUT_OF_DEVICE_MEMORY));
  VmaAllocationCreateInfo wanted{};
  // Without the driver's own numbers a budget is a guess, and refusing on a guess would be wrong.
  if (device.memory_budget && !device.facts.cpu) wanted.flags |= VMA_ALLOCATION_CREATE_WITHIN_BUDGET_BIT;
  if (is_mapped(use))
    wanted.flags |= VMA_ALLOCATION_CREATE_MAPPED_BIT |
                    (use == MemoryUse::upload ? VMA_ALLOCATION_CREATE_HOST_ACCESS_SEQUENTIAL_WRITE_BIT
                                              : VMA_ALLOCATION_CREATE_HOST_ACCESS_RANDOM_BIT);
  if (rounded <= pool.block_bytes / 2) {
    wanted.pool = pool.handle;
  } else {
    wanted.flags |= VMA_ALLOCATION_CREATE_DEDICATED_MEMORY_BIT;
    wanted.memoryTypeBits = 1u << pool.memory_type;
  }
  auto state = std::make_unique<Buffer::State>();
  VmaAllocationInfo placed{};
  const VkResult made =
      vmaCreateBufferWithAlignment(allocator_, &info, &wanted, alignment, &state->buffer, &state->allocation, &placed);
  if (made == VK_ERROR_OUT_OF_DEVICE_MEMORY || made == VK_ERROR_OUT_OF_HOST_MEMORY)
    return tl::unexpected<Error>(no_room(bytes, use, made));
  if (made != VK_SUCCESS) return context_->failed(what, made);
  auto address = tagged<VkBufferDeviceAddressInfo>(VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO);
  address.buffer = state->buffer;
  state->address = context_->vk.vkGetBufferDeviceAddress(context_->device, &address);
  state->bytes = bytes;
  state->allocated = rounded;
  state->mapped = static_cast<std::byte*>(is_mapped(use) ? placed.pMappedData : nullptr);
  state->use = use;
  state->arena = shared_from_this();
  const auto account = [&]() -> std::uint64_t& {
    if (use == MemoryUse::weights) return usage_.weights;
    if (use == MemoryUse::kv) return usage_.kv;
    return use == MemoryUse::compute ? usage_.compute : usage_.other;
  };
  account() += rounded;
  peak_ = std::max(peak_, usage_.weights + usage_.kv + usage_.compute + usage_.other);
  if (state->address == 0 || state->address % alignment != 0)
    return fail(ErrorCode::device, what,
                "the driver gave the address " + std::to_string(state->address) + ", which is not a multiple of 256",
                "update the graphics driver, or choose another device with --device");
  return state;
}

void Arena::release(Buffer::State& buffer) {
  if (buffer.use == MemoryUse::weights)
    usage_.weights -= buffer.allocated;
  else if (buffer.use == MemoryUse::kv)
    usage_.kv -= buffer.allocated;
  else if (buffer.use == MemoryUse::compute)
    usage_.compute -= buffer.allocated;
  else
    usage_.other -= buffer.allocated;
  if (!context_->abandoned) vmaDestroyBuffer(allocator_, buffer.buffer, buffer.allocation);
}

}  // namespace fovea::gpu
