// The barriers of the engine: what was written before is seen by what comes after.
#pragma once

#include "engine/gpu/vulkan_api.hpp"

namespace fovea::gpu {

// Who writes before a barrier and who reads or writes after it. Copies and the reader of indirect counts are named only
// where there are any, so that a driver need not wait for them between two dispatches.
enum Work : std::uint32_t { kNoWork = 0, kDispatches = 1, kTransfers = 2, kIndirectCounts = 4, kAllWork = 7, kHost = 8 };

// A global memory barrier. Kernels write through addresses, so a barrier per buffer would say nothing a driver could
// use. `before` and `after` are sets of Work.
inline void record_barrier(const VulkanApi& vk, VkCommandBuffer commands, std::uint32_t before, std::uint32_t after) {
  auto barrier = tagged<VkMemoryBarrier2>(VK_STRUCTURE_TYPE_MEMORY_BARRIER_2);
  if ((before & kDispatches) != 0) {
    barrier.srcStageMask |= VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
    barrier.srcAccessMask |= VK_ACCESS_2_SHADER_WRITE_BIT;
  }
  if ((before & kTransfers) != 0) {
    barrier.srcStageMask |= VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
    barrier.srcAccessMask |= VK_ACCESS_2_TRANSFER_WRITE_BIT;
  }
  if ((before & kIndirectCounts) != 0) barrier.srcStageMask |= VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT;  // they only read
  if ((after & kDispatches) != 0) {
    barrier.dstStageMask |= VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
    barrier.dstAccessMask |= VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT;
  }
  if ((after & kTransfers) != 0) {
    barrier.dstStageMask |= VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
    barrier.dstAccessMask |= VK_ACCESS_2_TRANSFER_READ_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT;
  }
  if ((after & kIndirectCounts) != 0) {
    barrier.dstStageMask |= VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT;
    barrier.dstAccessMask |= VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT;
  }
  if ((after & kHost) != 0) {
    barrier.dstStageMask |= VK_PIPELINE_STAGE_2_HOST_BIT;
    barrier.dstAccessMask |= VK_ACCESS_2_HOST_READ_BIT;
  }
  auto info = tagged<VkDependencyInfo>(VK_STRUCTURE_TYPE_DEPENDENCY_INFO);
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &barrier;
  vk.vkCmdPipelineBarrier2(commands, &info);
}

}  // namespace fovea::gpu
