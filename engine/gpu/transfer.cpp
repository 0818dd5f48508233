#include "engine/gpu/transfer.hpp"

#include <algorithm>
#include <cstring>

#include "engine/gpu/barrier.hpp"

namespace fovea::gpu {
namespace {

// Large enough that a copy costs more than its submission, small enough that three of them are little memory.
constexpr std::uint64_t staging_bytes = 16 * 1024 * 1024;
constexpr std::uint64_t patience_ms = 600'000;

Result<void> check_range(const char* what, const Buffer::State& buffer, std::uint64_t offset, std::uint64_t bytes) {
  if (offset > buffer.bytes || bytes > buffer.bytes - offset)
    return fail(ErrorCode::internal, what,
                std::to_string(bytes) + " bytes at " + std::to_string(offset) + " lie outside a buffer of " +
                    std::to_string(buffer.bytes),
                "report this as a fault of the program");
  return {};
}

}  // namespace

Result<std::unique_ptr<Transfer>> Transfer::create(std::shared_ptr<Context> context, std::shared_ptr<Arena> arena,
                                                   std::shared_ptr<Timeline> timeline) {
  std::unique_ptr<Transfer> self(new Transfer);
  self->context_ = std::move(context);
  self->arena_ = std::move(arena);
  self->timeline_ = std::move(timeline);
  Context& shared = *self->context_;
  for (Slot& slot : self->slots_) {
    auto info = tagged<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
    info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    info.queueFamilyIndex = shared.physical.queue_family;
    VkResult made = shared.vk.vkCreateCommandPool(shared.device, &info, nullptr, &slot.pool);
    if (made != VK_SUCCESS) return shared.failed("Setting up copies", made);
    auto allocate = tagged<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    allocate.commandPool = slot.pool;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    made = shared.vk.vkAllocateCommandBuffers(shared.device, &allocate, &slot.commands);
    if (made != VK_SUCCESS) return shared.failed("Setting up copies", made);
  }
  return self;
}

Transfer::~Transfer() {
  if (context_->abandoned) return;
  for (Slot& slot : slots_)
    if (slot.pool != VK_NULL_HANDLE) context_->vk.vkDestroyCommandPool(context_->device, slot.pool, nullptr);
}

Result<void> Transfer::begin(Slot& slot) {
  FOVEA_TRY(timeline_->wait(slot.busy_until, patience_ms));
  auto info = tagged<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  const VkResult begun = context_->vk.vkBeginCommandBuffer(slot.commands, &info);
  if (begun != VK_SUCCESS) return context_->failed("Recording a copy", begun);
  record_barrier(context_->vk, slot.commands, kAllWork, kAllWork);
  return {};
}

Result<void> Transfer::submit(Slot& slot) {
  record_barrier(context_->vk, slot.commands, kAllWork, kAllWork | kHost);
  const VkResult ended = context_->vk.vkEndCommandBuffer(slot.commands);
  if (ended != VK_SUCCESS) return context_->failed("Recording a copy", ended);
  FOVEA_ASSIGN(slot.busy_until, timeline_->submit({&slot.commands, 1}));
  return {};
}

Result<Transfer::Slot*> Transfer::next_slot(std::unique_ptr<Buffer::State> Slot::*staging, MemoryUse use) {
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  if (slot.*staging == nullptr) {
    FOVEA_ASSIGN(slot.*staging, arena_->allocate(staging_bytes, use));
  }
  FOVEA_TRY(begin(slot));
  return &slot;
}

Result<void> Transfer::zero(const Buffer::State& buffer) {
  FOVEA_TRY(context_->check());
  if (buffer.mapped != nullptr) {
    std::memset(buffer.mapped, 0, buffer.allocated);
    return {};
  }
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  FOVEA_TRY(begin(slot));
  context_->vk.vkCmdFillBuffer(slot.commands, buffer.buffer, 0, buffer.allocated, 0);
  FOVEA_TRY(submit(slot));
  return timeline_->wait(slot.busy_until, patience_ms);
}

Result<void> Transfer::upload(const Buffer::State& to, std::uint64_t offset, std::span<const std::byte> bytes) {
  FOVEA_TRY(context_->check());
  FOVEA_TRY(check_range("Uploading to the device", to, offset, bytes.size()));
  if (bytes.empty()) return {};
  if (to.mapped != nullptr) {
    FOVEA_TRY(timeline_->wait(timeline_->submitted(), patience_ms));
    std::memcpy(to.mapped + offset, bytes.data(), bytes.size());
    return {};
  }
  std::uint64_t last = 0;
  // The host fills one slot while the device empties the others.
  for (std::uint64_t done = 0; done < bytes.size();) {
    const std::uint64_t part = std::min<std::uint64_t>(staging_bytes, bytes.size() - done);
    FOVEA_ASSIGN(Slot* const slot, next_slot(&Slot::up, MemoryUse::upload));
    std::memcpy(slot->up->mapped, bytes.data() + done, part);
    const VkBufferCopy region{0, offset + done, part};
    context_->vk.vkCmdCopyBuffer(slot->commands, slot->up->buffer, to.buffer, 1, &region);
    FOVEA_TRY(submit(*slot));
    last = slot->busy_until;
    done += part;
  }
  return timeline_->wait(last, patience_ms);
}

Result<void> Transfer::download(const Buffer::State& from, std::uint64_t offset, std::span<std::byte> out) {
  FOVEA_TRY(context_->check());
  FOVEA_TRY(check_range("Reading back from the device", from, offset, out.size()));
  if (out.empty()) return {};
  if (from.mapped != nullptr) {
    FOVEA_TRY(timeline_->wait(timeline_->submitted(), patience_ms));
    std::memcpy(out.data(), from.mapped + offset, out.size());
    return {};
  }
  for (std::uint64_t done = 0; done < out.size();) {
    const std::uint64_t part = std::min<std::uint64_t>(staging_bytes, out.size() - done);
    FOVEA_ASSIGN(Slot* const slot, next_slot(&Slot::down, MemoryUse::readback));
    const VkBufferCopy region{offset + done, 0, part};
    context_->vk.vkCmdCopyBuffer(slot->commands, from.buffer, slot->down->buffer, 1, &region);
    FOVEA_TRY(submit(*slot));
    FOVEA_TRY(timeline_->wait(slot->busy_until, patience_ms));
    std::memcpy(out.data() + done, slot->down->mapped, part);
    done += part;
  }
  return {};
}

Result<void> Transfer::release() {
  FOVEA_TRY(context_->check());
  for (Slot& slot : slots_) {
    FOVEA_TRY(timeline_->wait(slot.busy_until, patience_ms));
    slot.up.reset();
    slot.down.reset();
  }
  return {};
}

}  // namespace fovea::gpu
