// Steps that follow one another by counts instead of barriers (shaders/interface/chain.h). A barrier empties the device before
// anything of the next step begins; a step that counts lets the next one start, bring its program and what waits for nothing,
// and go on when the last workgroup has counted itself: 1 to 1.7 us of the 2.9 to 4.4 that a small step costs on an H200.
//
// No specification promises that workgroups of an earlier dispatch run while those of a later one wait, so a device is tried
// first, and a wait that lasts too long is told to the host.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/gpu/buffer.hpp"
#include "engine/gpu/device.hpp"

namespace fovea::gpu {

// The counts of one device's plans, which run one after another; a plan clears them when it begins.
class StepChain {
 public:
  [[nodiscard]] static Result<std::shared_ptr<StepChain>> create(Device& device);
  // Whether a workgroup has waited in vain since this was last asked.
  [[nodiscard]] bool take_late();
  [[nodiscard]] const Buffer& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }  // of the region in the buffer
  [[nodiscard]] std::uint64_t address() const { return counts_.address() + offset_; }

 private:
  StepChain() = default;
  Buffer counts_, late_;
  std::uint64_t offset_ = 0;
};

// Whether chained steps of more workgroups than run at once come in their order. Submits and waits; plans recorded now are chained.
[[nodiscard]] Result<bool> runs_chained(Device& device);

}  // namespace fovea::gpu
