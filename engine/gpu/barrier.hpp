// The one barrier of the engine: everything written before is seen by everything after.
#pragma once

#include "engine/gpu/vulkan_api.hpp"

namespace fovea::gpu {

enum class BarrierTo { device, device_and_host };

// A global memory barrier. Kernels write through addresses, so a barrier per buffer would say nothing a driver could
// use.
inline void record_barrier(const VulkanApi& vk, VkCommandBuffer commands, BarrierTo to) {
  auto barrier = tagged<VkMemoryBarrier2>(VK_STRUCTURE_TYPE_MEMORY_BARRIER_2);
  barrier.srcStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT |
                         VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT;
  barrier.srcAccessMask = VK_ACCESS_2_SHADER_WRITE_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT;
  barrier.dstStageMask = barrier.srcStageMask;
  barrier.dstAccessMask = VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT | VK_ACCESS_2_TRANSFER_READ_BIT |
                          VK_ACCESS_2_TRANSFER_WRITE_BIT | VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT;
  if (to == BarrierTo::device_and_host) {
    barrier.dstStageMask |= VK_PIPELINE_STAGE_2_HOST_BIT;
    barrier.dstAccessMask |= VK_ACCESS_2_HOST_READ_BIT;
  }
  auto info = tagged<VkDependencyInfo>(VK_STRUCTURE_TYPE_DEPENDENCY_INFO);
  info.memoryBarrierCount = 1;
  info.pMemoryBarriers = &barrier;
  vk.vkCmdPipelineBarrier2(commands, &info);
}

}  // namespace fovea::gpu
