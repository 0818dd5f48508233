#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/gpu/barrier.hpp"
#include "engine/gpu/pipeline_store.hpp"
#include "engine/gpu/recorder_state.hpp"
#include "shaders/interface/chain.h"

namespace fovea::gpu {
namespace {

bool inside(const Buffer& buffer, std::uint64_t offset, std::uint64_t bytes) {
  return buffer && offset <= buffer.bytes() && bytes <= buffer.bytes() - offset;
}

std::string range_text(const Buffer& buffer, std::uint64_t offset, std::uint64_t bytes) {
  return std::to_string(bytes) + " bytes at " + std::to_string(offset) + " in a buffer of " +
         std::to_string(buffer.bytes());
}

}  // namespace

Result<CommandRecorder> CommandRecorder::State::begin(std::shared_ptr<Context> context, std::shared_ptr<Arena> arena,
                                                      std::shared_ptr<Timeline> timeline, VkPipelineLayout layout,
                                                      std::shared_ptr<StepChain> chain) {
  FOVEA_TRY(context->check());
  auto self = std::make_unique<State>();
  self->arena = std::move(arena);
  self->layout = layout;
  self->chain = std::move(chain);
  self->plan = std::make_unique<CommandPlan::State>();
  CommandPlan::State& plan = *self->plan;
  plan.context = std::move(context);
  plan.timeline = std::move(timeline);
  const VulkanApi& vk = plan.context->vk;
  auto pool = tagged<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  pool.queueFamilyIndex = plan.context->physical.queue_family;
  VkResult made = vk.vkCreateCommandPool(plan.context->device, &pool, nullptr, &plan.pool);
  if (made != VK_SUCCESS) return plan.context->failed("Recording a plan", made);
  auto allocate = tagged<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  allocate.commandPool = plan.pool;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = 1;
  made = vk.vkAllocateCommandBuffers(plan.context->device, &allocate, &plan.commands);
  if (made != VK_SUCCESS) return plan.context->failed("Recording a plan", made);
  auto info = tagged<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  info.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;  // several replays may be queued
  made = vk.vkBeginCommandBuffer(plan.commands, &info);
  if (made != VK_SUCCESS) return plan.context->failed("Recording a plan", made);
  return CommandRecorder(std::move(self));
}

void CommandRecorder::State::refuse(const std::string& what, std::string why) {
  if (!error) error = Error{ErrorCode::internal, what, std::move(why), "report this as a fault of the program"};
}

void CommandRecorder::State::barrier() {
  if (open_work != kNoWork) {
    counted_before = uncounted ? 0 : counted;
    if (counted > 0) ++slot;
    counted = 0;
    uncounted = false;
  }
  for (std::uint32_t& work : unseen) work |= open_work;
  open_work = kNoWork;
}

void CommandRecorder::State::make_seen(std::uint32_t work) {
  constexpr std::array kReaders{kDispatches, kTransfers, kIndirectCounts};
  std::uint32_t before = kNoWork;
  for (std::size_t i = 0; i < kReaders.size(); ++i)
    if ((work & kReaders[i]) != 0) before |= std::exchange(unseen[i], kNoWork);
  if (before == kNoWork) return;
  record_barrier(plan->context->vk, plan->commands, before, work);
  ++plan->barriers;
}

void CommandRecorder::State::start_stretch(std::string name) {
  begun = true;
  plan->stretches.push_back(std::move(name));
  if (plan->timestamps)
    if (auto written = plan->timestamps->write(plan->commands); !written && !error) error = std::move(written).error();
  if (plan->breadcrumb) {
    barrier();
    make_seen(kTransfers);
    plan->context->vk.vkCmdFillBuffer(plan->commands, plan->breadcrumb->buffer, 0, 4,
                                      static_cast<std::uint32_t>(plan->stretches.size()));
    open_work = kTransfers;
  }
}

void CommandRecorder::State::begin_command() {
  if (plan->stretches.empty()) start_stretch("untagged");
  begun = true;
  if (everywhere) barrier();
  if (open_work == kNoWork) ++plan->steps;
}

void CommandRecorder::State::before_command(std::uint32_t work) {
  begin_command();
  make_seen(work);
  uncounted = true;
  open_work |= work;
}

std::uint64_t CommandRecorder::State::link(std::uint64_t workgroups) {
  if (!chains() || slot >= shader::kLinks || counted + workgroups > shader::kMostCounted) return 0;
  if (!plan->chain) {
    // The plan's counts begin at 0, which its first step must see; the plan before it has ended.
    plan->chain = chain;
    plan->context->vk.vkCmdFillBuffer(plan->commands, chain->counts().state()->buffer, chain->offset() + shader::kLinkBytes,
                                      shader::kChainBytes - shader::kLinkBytes, 0);
    unseen.front() |= kTransfers;
    counted_before = 0;
  }
  begin_command();
  // Who waits for all of the step before has waited for what that one waited for. A barrier is needed where some of it does not count.
  std::uint64_t waits = 0;
  if (unseen.front() != kNoWork) {
    if (counted_before > 0)
      waits = counted_before;
    else
      make_seen(kDispatches);
  }
  open_work |= kDispatches;
  counted += workgroups;
  return waits << 48 | (chain->address() / shader::kLinkBytes + slot);
}

CommandRecorder::CommandRecorder(std::unique_ptr<State> state) : state_(std::move(state)) {}
CommandRecorder::CommandRecorder(CommandRecorder&&) noexcept = default;
CommandRecorder& CommandRecorder::operator=(CommandRecorder&&) noexcept = default;
CommandRecorder::~CommandRecorder() = default;

void CommandRecorder::time_tags() {
  if (!state_ || !state_->ok()) return;
  if (state_->begun) return state_->refuse("Recording a plan", "time_tags() came after the first command");
  // A queue without timestamps runs all the same; times() says so when asked.
  if (state_->plan->timestamps == nullptr)
    state_->plan->timestamps = std::make_unique<Timestamps>(state_->plan->context);
}

void CommandRecorder::barrier_everywhere() {
  if (!state_ || !state_->ok()) return;
  state_->everywhere = true;
  if (state_->plan->breadcrumb) return;
  auto crumb = state_->arena->allocate(sizeof(std::uint32_t), MemoryUse::readback);
  if (!crumb) {
    state_->error = std::move(crumb).error();
    return;
  }
  if ((*crumb)->mapped != nullptr) std::fill_n((*crumb)->mapped, (*crumb)->allocated, std::byte{0});
  state_->plan->breadcrumb = std::move(*crumb);
}

void CommandRecorder::tag(std::string_view name) {
  if (!state_ || !state_->ok()) return;
  state_->start_stretch(std::string(name));
}

void CommandRecorder::chain_steps() {
  if (state_) state_->wants_chain = true;
}
bool CommandRecorder::chains() const { return state_ && state_->chains(); }
std::uint64_t CommandRecorder::link(std::uint64_t workgroups) { return state_ && state_->ok() && workgroups > 0 ? state_->link(workgroups) : 0; }

void CommandRecorder::dispatch_bytes(const Pipeline& pipeline, std::span<const std::byte> push, std::uint32_t x,
                                     std::uint32_t y, std::uint32_t z, bool linked) {
  if (!state_ || !state_->ok()) return;
  const DeviceFacts& facts = state_->plan->context->physical.facts;
  const std::string what = "Kernel " + pipeline.name;
  if (push.size() % 4 != 0) return state_->refuse(what, "its push constants are no multiple of 4 bytes");
  if (push.size() > (facts.cpu ? facts.max_push_constant_bytes : kPushBytes))
    return state_->refuse(what, std::to_string(push.size()) + " bytes of push constants are more than " + facts.name + " takes");
  if (x > facts.max_workgroups[0] || y > facts.max_workgroups[1] || z > facts.max_workgroups[2])
    return state_->refuse(what, std::to_string(x) + " x " + std::to_string(y) + " x " + std::to_string(z) +
                                    " workgroups are more than " + facts.name + " runs at once");
  if (x == 0 || y == 0 || z == 0) return;
  if (!linked) state_->before_command(kDispatches);
  const VulkanApi& vk = state_->plan->context->vk;
  const VkCommandBuffer commands = state_->plan->commands;
  if (state_->bound != pipeline.handle) vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle);
  state_->bound = pipeline.handle;
  vk.vkCmdPushConstants(commands, state_->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                        static_cast<std::uint32_t>(push.size()), push.data());
  vk.vkCmdDispatch(commands, x, y, z);
  ++state_->plan->dispatches;
}

void CommandRecorder::dispatch_indirect_bytes(const Pipeline& pipeline, std::span<const std::byte> push,
                                              const Buffer& counts, std::uint64_t offset) {
  if (!state_ || !state_->ok()) return;
  const std::string what = "Kernel " + pipeline.name;
  if (push.size() % 4 != 0) return state_->refuse(what, "its push constants are no multiple of 4 bytes");
  if (offset % 4 != 0 || !inside(counts, offset, 12))
    return state_->refuse(what, "its group counts are not in the buffer: " + range_text(counts, offset, 12));
  state_->before_command(kDispatches | kIndirectCounts);
  const VulkanApi& vk = state_->plan->context->vk;
  const VkCommandBuffer commands = state_->plan->commands;
  if (state_->bound != pipeline.handle) vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle);
  state_->bound = pipeline.handle;
  vk.vkCmdPushConstants(commands, state_->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                        static_cast<std::uint32_t>(push.size()), push.data());
  vk.vkCmdDispatchIndirect(commands, counts.state()->buffer, offset);
  ++state_->plan->dispatches;
}

void CommandRecorder::barrier() {
  if (state_ && state_->ok()) state_->barrier();
}

void CommandRecorder::copy(const Buffer& from, std::uint64_t from_offset, const Buffer& to, std::uint64_t to_offset,
                           std::uint64_t bytes) {
  if (!state_ || !state_->ok() || bytes == 0) return;
  if (!inside(from, from_offset, bytes))
    return state_->refuse("Copying on the device", "the source is outside: " + range_text(from, from_offset, bytes));
  if (!inside(to, to_offset, bytes))
    return state_->refuse("Copying on the device", "the target is outside: " + range_text(to, to_offset, bytes));
  const bool apart = from_offset + bytes <= to_offset || to_offset + bytes <= from_offset;
  if (from.state() == to.state() && !apart) return state_->refuse("Copying on the device", "source and target overlap");
  state_->before_command(kTransfers);
  const VkBufferCopy region{from_offset, to_offset, bytes};
  state_->plan->context->vk.vkCmdCopyBuffer(state_->plan->commands, from.state()->buffer, to.state()->buffer, 1,
                                            &region);
}

void CommandRecorder::fill(const Buffer& buffer, std::uint64_t offset, std::uint64_t bytes, std::uint32_t value) {
  if (!state_ || !state_->ok() || bytes == 0) return;
  if (!inside(buffer, offset, bytes) || offset % 4 != 0 || bytes % 4 != 0)
    return state_->refuse("Filling on the device", "outside or no multiple of 4: " + range_text(buffer, offset, bytes));
  state_->before_command(kTransfers);
  state_->plan->context->vk.vkCmdFillBuffer(state_->plan->commands, buffer.state()->buffer, offset, bytes, value);
}

void CommandRecorder::write(const Buffer& buffer, std::uint64_t offset, std::span<const std::byte> bytes) {
  if (!state_ || !state_->ok() || bytes.empty()) return;
  constexpr std::size_t kMostBytes = 65536;  // of vkCmdUpdateBuffer
  if (!inside(buffer, offset, bytes.size()) || offset % 4 != 0 || bytes.size() % 4 != 0 || bytes.size() > kMostBytes)
    return state_->refuse("Writing on the device", "outside, no multiple of 4 or too long: " + range_text(buffer, offset, bytes.size()));
  state_->before_command(kTransfers);
  state_->plan->context->vk.vkCmdUpdateBuffer(state_->plan->commands, buffer.state()->buffer, offset, bytes.size(), bytes.data());
}

Result<CommandPlan> CommandRecorder::finish() {
  if (!state_)
    return fail(ErrorCode::internal, "Recording a plan", "it was finished before",
                "report this as a fault of the program");
  const auto state = std::move(state_);
  CommandPlan::State& plan = *state->plan;
  if (state->ok() && plan.timestamps)
    if (auto written = plan.timestamps->write(plan.commands); !written) state->error = std::move(written).error();
  if (!state->ok()) return tl::unexpected<Error>(std::move(*state->error));
  record_barrier(plan.context->vk, plan.commands, kAllWork, kAllWork | kHost);
  const VkResult ended = plan.context->vk.vkEndCommandBuffer(plan.commands);
  if (ended != VK_SUCCESS) return plan.context->failed("Recording a plan", ended);
  return CommandPlan(std::move(state->plan));
}

}  // namespace fovea::gpu
