#include "engine/gpu/step_chain.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "shaders/interface/chain.h"

namespace fovea::gpu {

Result<std::shared_ptr<StepChain>> StepChain::create(Device& device) {
  const std::shared_ptr<StepChain> made(new StepChain());
  FOVEA_ASSIGN(made->counts_, device.create_buffer(2 * std::uint64_t{shader::kChainBytes}, MemoryUse::compute));
  FOVEA_ASSIGN(made->late_, device.create_buffer(sizeof(std::uint32_t), MemoryUse::readback));
  const std::uint64_t address = made->counts_.address();
  made->offset_ = (address + shader::kChainBytes - 1) / shader::kChainBytes * shader::kChainBytes - address;
  const std::uint64_t late = made->late_.address();
  FOVEA_TRY(device.upload(made->counts_, made->offset_, std::as_bytes(std::span(&late, 1))));
  return made;
}

bool StepChain::take_late() {
  const std::span<std::byte> word = late_.mapped();
  std::uint32_t late = 0;
  std::memcpy(&late, word.data(), sizeof late);
  std::ranges::fill(word, std::byte{0});
  return late != 0;
}

Result<bool> runs_chained(Device& device) {
  // Workgroups as wide as they go: several times what a GPU runs at once. A CPU driver takes them one after another anyway.
  constexpr std::uint32_t kSteps = 32, kGroups = 2048;
  const std::uint32_t width = device.facts().cpu ? device.facts().subgroup : std::min(1024u, device.facts().max_workgroup_invocations);
  FOVEA_ASSIGN(const Buffer words, device.create_buffer(2 * kGroups * sizeof(std::uint32_t), MemoryUse::compute));
  FOVEA_ASSIGN(const Pipeline* pipeline, device.pipeline({ShaderId::chain_trial, {width}, device.facts().subgroup}));
  FOVEA_ASSIGN(CommandRecorder recorder, device.record());
  recorder.chain_steps();
  recorder.tag("trial of chained steps");
  const std::uint64_t half = kGroups * sizeof(std::uint32_t);
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    recorder.dispatch_chained(*pipeline,
                              shader::ChainTrialPush{.chain = 0, .from = words.address() + step % 2 * half, .to = words.address() + (step + 1) % 2 * half, .stride = 2 * step + 1},
                              kGroups);
    recorder.barrier();
  }
  FOVEA_ASSIGN(const CommandPlan plan, recorder.finish());
  for (std::uint32_t replay = 1; replay <= 2; ++replay) {
    FOVEA_ASSIGN(const std::uint64_t ticket, device.submit(plan));
    FOVEA_TRY(device.wait(ticket));
    std::vector<std::uint32_t> counted(kGroups);
    FOVEA_TRY(device.download(words, 0, std::as_writable_bytes(std::span(counted))));
    if (std::ranges::any_of(counted, [&](std::uint32_t steps) { return steps != replay * kSteps; })) return false;
  }
  return true;
}

}  // namespace fovea::gpu
