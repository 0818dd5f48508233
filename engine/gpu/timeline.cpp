#include "engine/gpu/timeline.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace fovea::gpu {
namespace {

constexpr std::uint64_t slice_ms = 250;
// How long destruction waits for a device: already given up on, or still thought to be well.
constexpr std::uint64_t drain_lost_ms = 10'000, drain_ms = 600'000;

std::optional<std::uint64_t> loss_from_environment() {
  const char* text = std::getenv("FOVEA_LOSE_DEVICE_AFTER");
  if (text == nullptr) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

Result<std::shared_ptr<Timeline>> Timeline::create(std::shared_ptr<Context> context,
                                                   std::optional<std::uint64_t> lose_after) {
  std::shared_ptr<Timeline> self(new Timeline);
  self->context_ = std::move(context);
  self->lose_after_ = lose_after ? lose_after : loss_from_environment();
  auto type = tagged<VkSemaphoreTypeCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  auto info = tagged<VkSemaphoreCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO);
  info.pNext = &type;
  Context& shared = *self->context_;
  const VkResult made = shared.vk.vkCreateSemaphore(shared.device, &info, nullptr, &self->semaphore_);
  if (made != VK_SUCCESS) return shared.failed("Making a timeline semaphore", made);
  return self;
}

Timeline::~Timeline() {
  if (semaphore_ != VK_NULL_HANDLE && !context_->abandoned)
    context_->vk.vkDestroySemaphore(context_->device, semaphore_, nullptr);
}

Result<std::uint64_t> Timeline::submit(std::span<const VkCommandBuffer> commands, const void* plan, Where where) {
  FOVEA_TRY(context_->check());
  std::vector<VkCommandBufferSubmitInfo> buffers(
      commands.size(), tagged<VkCommandBufferSubmitInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO));
  for (std::size_t i = 0; i < commands.size(); ++i) buffers[i].commandBuffer = commands[i];
  auto signal = tagged<VkSemaphoreSubmitInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO);
  signal.semaphore = semaphore_;
  signal.value = submitted_ + 1;
  signal.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  auto info = tagged<VkSubmitInfo2>(VK_STRUCTURE_TYPE_SUBMIT_INFO_2);
  info.commandBufferInfoCount = static_cast<std::uint32_t>(buffers.size());
  info.pCommandBufferInfos = buffers.data();
  info.signalSemaphoreInfoCount = 1;
  info.pSignalSemaphoreInfos = &signal;
  if (plan != nullptr) {
    in_flight_.push_back({submitted_ + 1, plan, where});
    if (lose_after_ && plan_submissions_ >= *lose_after_) return lost("lost (on request, for a test)");
    ++plan_submissions_;
  }
  const VkResult sent = context_->vk.vkQueueSubmit2(context_->queue, 1, &info, VK_NULL_HANDLE);
  if (sent == VK_ERROR_DEVICE_LOST) return lost("lost when work was submitted");
  if (sent != VK_SUCCESS) {
    if (plan != nullptr) in_flight_.pop_back();
    return context_->failed("Submitting work to the device", sent);
  }
  return ++submitted_;
}

Result<std::uint64_t> Timeline::completed() {
  FOVEA_TRY(context_->check());
  std::uint64_t value = 0;
  const VkResult read = context_->vk.vkGetSemaphoreCounterValue(context_->device, semaphore_, &value);
  if (read == VK_ERROR_DEVICE_LOST || value > submitted_) return lost("lost (VK_ERROR_DEVICE_LOST)");
  if (read != VK_SUCCESS) return context_->failed("Asking how far the device is", read);
  while (!in_flight_.empty() && in_flight_.front().value <= value) in_flight_.pop_front();
  return value;
}

Result<void> Timeline::wait(std::uint64_t value, std::uint64_t timeout_ms) {
  using clock = std::chrono::steady_clock;
  FOVEA_TRY(context_->check());
  if (value > submitted_)
    return fail(ErrorCode::usage, "Waiting for the device", "nothing with this number was submitted", "submit first");
  FOVEA_ASSIGN(std::uint64_t reached, completed());
  auto progress = clock::now();
  while (reached < value) {
    const auto idle = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - progress).count());
    if (idle >= timeout_ms) return lost("no answer for " + std::to_string(timeout_ms) + " ms");
    auto info = tagged<VkSemaphoreWaitInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO);
    info.semaphoreCount = 1;
    info.pSemaphores = &semaphore_;
    info.pValues = &value;
    const std::uint64_t slice = std::min(slice_ms, timeout_ms - idle) * 1'000'000;
    const VkResult waited = context_->vk.vkWaitSemaphores(context_->device, &info, slice);
    if (waited == VK_ERROR_DEVICE_LOST) return lost("lost (VK_ERROR_DEVICE_LOST)");
    if (waited != VK_SUCCESS && waited != VK_TIMEOUT) return context_->failed("Waiting for the device", waited);
    FOVEA_ASSIGN(const std::uint64_t now, completed());
    if (now != reached) progress = clock::now();
    reached = now;
  }
  return {};
}

tl::unexpected<Error> Timeline::lost(const std::string& how) {
  std::string why = how;
  if (!in_flight_.empty()) {
    const InFlight& first = in_flight_.front();
    why += " in submission " + std::to_string(first.value);
    const std::string place = first.where != nullptr ? first.where(first.plan) : std::string();
    if (!place.empty()) why += ", " + place;
  }
  in_flight_.clear();
  return context_->lose(std::move(why));
}

void Timeline::drain() {
  using clock = std::chrono::steady_clock;
  if (context_->abandoned) return;
  // Not vkDeviceWaitIdle: that would wait for ever where the device hangs.
  const auto start = clock::now();
  std::uint64_t reached = 0;
  while (true) {
    if (context_->vk.vkGetSemaphoreCounterValue(context_->device, semaphore_, &reached) != VK_SUCCESS) return;
    if (reached >= submitted_) break;
    auto info = tagged<VkSemaphoreWaitInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO);
    info.semaphoreCount = 1;
    info.pSemaphores = &semaphore_;
    info.pValues = &submitted_;
    const VkResult waited = context_->vk.vkWaitSemaphores(context_->device, &info, slice_ms * 1'000'000);
    // A device that is truly lost is done with our memory: freeing is allowed then.
    if (waited != VK_SUCCESS && waited != VK_TIMEOUT) return;
    if (clock::now() - start > std::chrono::milliseconds(context_->lost ? drain_lost_ms : drain_ms)) {
      context_->abandoned = true;
      return;
    }
  }
  in_flight_.clear();
  context_->vk.vkDeviceWaitIdle(context_->device);
}

}  // namespace fovea::gpu
