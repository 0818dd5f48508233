#include "engine/gpu/device.hpp"

#include <cstdlib>

#include "engine/gpu/arena.hpp"
#include "engine/gpu/context.hpp"
#include "engine/gpu/fragment_order.hpp"
#include "engine/gpu/pipeline_store.hpp"
#include "engine/gpu/recorder_state.hpp"
#include "engine/gpu/step_chain.hpp"
#include "engine/gpu/timeline.hpp"
#include "engine/gpu/transfer.hpp"

namespace fovea::gpu {

// Destroyed from the last member to the first, after the timeline has been drained.
struct Device::State {
  std::shared_ptr<Context> context;
  std::shared_ptr<Arena> arena;
  std::shared_ptr<Timeline> timeline;
  std::unique_ptr<Transfer> transfer;
  std::unique_ptr<PipelineStore> pipelines;
  std::optional<bool> quad_fragments;
  std::optional<bool> chains_wanted, chains;
  std::shared_ptr<StepChain> chain;
};

Device::Device(std::unique_ptr<State> state) : state_(std::move(state)) {}

Device::~Device() { state_->timeline->drain(); }

Result<std::unique_ptr<Device>> Device::create(const DeviceOptions& options) {
  auto state = std::make_unique<State>();
  FOVEA_ASSIGN(state->context, Context::create(options));
  FOVEA_ASSIGN(state->arena, Arena::create(state->context));
  FOVEA_ASSIGN(state->timeline, Timeline::create(state->context, options.lose_after_submissions));
  FOVEA_ASSIGN(state->transfer, Transfer::create(state->context, state->arena, state->timeline));
  FOVEA_ASSIGN(state->pipelines, PipelineStore::create(state->context, options.pipeline_cache_folder));
  state->chains_wanted = options.chained_steps;
  if (const char* wanted = std::getenv("FOVEA_CHAINED_STEPS"); !options.chained_steps && wanted != nullptr) state->chains_wanted = *wanted != '0';
  return std::unique_ptr<Device>(new Device(std::move(state)));
}

const DeviceFacts& Device::facts() const { return state_->context->physical.facts; }
MemoryUsage Device::memory() const { return state_->arena->usage(); }
std::uint64_t Device::memory_peak() const { return state_->arena->peak(); }

Result<Buffer> Device::create_buffer(std::uint64_t bytes, MemoryUse use) {
  FOVEA_ASSIGN(auto buffer, state_->arena->allocate(bytes, use));
  FOVEA_TRY(state_->transfer->zero(*buffer));
  return Buffer(std::move(buffer));
}

Result<void> Device::upload(const Buffer& to, std::uint64_t offset, std::span<const std::byte> bytes) {
  if (!to)
    return fail(ErrorCode::internal, "Uploading to the device", "the buffer is empty",
                "report this as a fault of the program");
  return state_->transfer->upload(*to.state(), offset, bytes);
}

Result<void> Device::download(const Buffer& from, std::uint64_t offset, std::span<std::byte> out) {
  if (!from)
    return fail(ErrorCode::internal, "Reading back from the device", "the buffer is empty",
                "report this as a fault of the program");
  return state_->transfer->download(*from.state(), offset, out);
}

Result<void> Device::release_staging() { return state_->transfer->release(); }

Result<const Pipeline*> Device::pipeline(const PipelineKey& key) { return state_->pipelines->get(key); }
Result<void> Device::save_pipeline_cache() { return state_->pipelines->save(); }

bool Device::quad_fragments() {
  if (!state_->quad_fragments) state_->quad_fragments = finds_quad_fragments(*this).value_or(false);
  return *state_->quad_fragments;
}

bool Device::chains_steps() {
  if (state_->chains) return *state_->chains;
  state_->chains = false;
  constexpr std::uint32_t kLeastLanes = 8;  // of a subgroup, which reads the counts at once
  if (!state_->chains_wanted.value_or(!facts().cpu) || facts().subgroup < kLeastLanes) return false;
  auto made = StepChain::create(*this);
  if (!made) return false;
  state_->chain = std::move(*made);
  if (!runs_chained(*this).value_or(false)) state_->chain.reset();
  state_->chains = state_->chain != nullptr;
  return *state_->chains;
}

Result<CommandRecorder> Device::record() {
  return CommandRecorder::State::begin(state_->context, state_->arena, state_->timeline, state_->pipelines->layout(), state_->chain);
}

Result<std::uint64_t> Device::submit(std::span<const CommandPlan* const> plans) {
  FOVEA_TRY(state_->context->check());
  std::vector<VkCommandBuffer> commands;
  for (const CommandPlan* plan : plans) {
    if (plan == nullptr || !*plan)
      return fail(ErrorCode::internal, "Submitting work to the device", "a plan is empty",
                  "report this as a fault of the program");
    commands.push_back(plan->state()->commands);
  }
  if (commands.empty())
    return fail(ErrorCode::internal, "Submitting work to the device", "there is no plan",
                "report this as a fault of the program");
  // A lost device is reported against the first plan of the batch: the one that was sure to have begun.
  const auto where = [](const void* plan) { return static_cast<const CommandPlan::State*>(plan)->where(); };
  FOVEA_ASSIGN(const std::uint64_t value, state_->timeline->submit(commands, plans.front()->state(), where));
  for (const CommandPlan* plan : plans) plan->state()->last_submission = value;
  return value;
}

Result<void> Device::wait(std::uint64_t value, std::uint64_t timeout_ms) {
  FOVEA_TRY(state_->timeline->wait(value, timeout_ms));
  if (!state_->chain || !state_->chain->take_late()) return {};
  state_->chain.reset();
  state_->chains = false;
  return fail(ErrorCode::device, "Running steps on " + facts().name, "a step waited in vain for the one before it, so what was computed is of no use",
              "run it again: from now on a barrier stands between steps");
}
Result<std::uint64_t> Device::completed() { return state_->timeline->completed(); }
std::uint64_t Device::validation_messages() const { return state_->context->instance->validation_messages(); }

}  // namespace fovea::gpu
