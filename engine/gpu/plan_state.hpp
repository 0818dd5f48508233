// What a recorded plan holds: its commands, its tags, its timestamps, and how far it came.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/gpu/arena.hpp"
#include "engine/gpu/command_plan.hpp"
#include "engine/gpu/timeline.hpp"
#include "engine/gpu/timestamps.hpp"

namespace fovea::gpu {

class StepChain;

struct CommandPlan::State {
  std::shared_ptr<Context> context;
  std::shared_ptr<Timeline> timeline;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  std::uint32_t dispatches = 0, steps = 0, barriers = 0;
  std::vector<std::string> stretches;      // tag of each stretch in order; a tag may come again
  std::unique_ptr<Timestamps> timestamps;  // one at each stretch's start and one at the end; empty: not timed
  // Debug mode only: the device writes the number of the stretch it begins, plus one.
  std::unique_ptr<Buffer::State> breadcrumb;
  std::shared_ptr<StepChain> chain;  // by whose counts its steps follow one another; empty: by barriers alone
  mutable std::uint64_t last_submission = 0;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  // Where a device that was lost in this plan came to: "in \"attention\"", or the range of tags.
  [[nodiscard]] std::string where() const;
};

}  // namespace fovea::gpu
