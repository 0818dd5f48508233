#include "engine/gpu/timestamps.hpp"

#include <algorithm>

namespace fovea::gpu {
namespace {

constexpr std::uint32_t pool_queries = 256;

}  // namespace

Timestamps::~Timestamps() {
  if (context_->abandoned) return;
  for (const VkQueryPool pool : pools_) context_->vk.vkDestroyQueryPool(context_->device, pool, nullptr);
}

Result<void> Timestamps::write(VkCommandBuffer commands) {
  const VulkanApi& vk = context_->vk;
  if (count_ % pool_queries == 0) {
    auto info = tagged<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
    info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    info.queryCount = pool_queries;
    VkQueryPool pool = VK_NULL_HANDLE;
    const VkResult made = vk.vkCreateQueryPool(context_->device, &info, nullptr, &pool);
    if (made != VK_SUCCESS) return context_->failed("Making timestamps", made);
    pools_.push_back(pool);
    // Once from the host, so that reading before the first submission is defined; then with every replay.
    vk.vkResetQueryPool(context_->device, pool, 0, pool_queries);
    vk.vkCmdResetQueryPool(commands, pool, 0, pool_queries);
  }
  vk.vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pools_.back(), count_ % pool_queries);
  ++count_;
  return {};
}

Result<std::vector<std::uint64_t>> Timestamps::read() const {
  std::vector<std::uint64_t> ticks(count_);
  for (std::uint32_t first = 0; first < count_; first += pool_queries) {
    const std::uint32_t queries = std::min(pool_queries, count_ - first);
    const VkResult read = context_->vk.vkGetQueryPoolResults(context_->device, pools_[first / pool_queries], 0, queries,
                                                             queries * sizeof(std::uint64_t), &ticks[first],
                                                             sizeof(std::uint64_t), VK_QUERY_RESULT_64_BIT);
    if (read == VK_NOT_READY)
      return fail(ErrorCode::internal, "Timings of a plan", "it has not run to its end",
                  "submit it and wait before asking");
    if (read != VK_SUCCESS) return context_->failed("Reading timestamps", read);
  }
  return ticks;
}

double Timestamps::microseconds(std::uint64_t from, std::uint64_t to) const {
  const std::uint64_t ticks = (to - from) & context_->physical.timestamp_mask;
  // Half the counter's range means that the clock stepped back a little, not that hours have passed.
  if (ticks > context_->physical.timestamp_mask / 2) return 0;
  return static_cast<double>(ticks) * context_->physical.timestamp_nanoseconds / 1000.0;
}

}  // namespace fovea::gpu
