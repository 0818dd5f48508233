// A plan being recorded, and the first thing that went wrong with it.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "engine/gpu/barrier.hpp"
#include "engine/gpu/plan_state.hpp"
#include "engine/gpu/step_chain.hpp"

namespace fovea::gpu {

struct CommandRecorder::State {
  std::unique_ptr<CommandPlan::State> plan;
  std::shared_ptr<Arena> arena;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline bound = VK_NULL_HANDLE;
  bool everywhere = false;  // a barrier before every command
  std::uint32_t open_work = kNoWork;  // commands since the last barrier(), a set of Work
  // Per kind of reader (dispatches, transfers, indirect counts): the work before the last barrier() that it does not see
  // yet. A barrier reaches Vulkan only when the next command is known, and then names those that it stands between.
  std::array<std::uint32_t, 3> unseen{};
  bool begun = false;
  std::shared_ptr<StepChain> chain;  // empty: steps wait for barriers
  bool wants_chain = false;
  std::uint32_t slot = 1;            // in the chain, of the open step
  std::uint64_t counted = 0;         // workgroups of the open step that count themselves
  bool uncounted = false;            // whether the open step does anything else
  std::uint64_t counted_before = 0;  // workgroups of the step before, if all of it counts itself
  std::optional<Error> error;

  [[nodiscard]] static Result<CommandRecorder> begin(std::shared_ptr<Context> context, std::shared_ptr<Arena> arena,
                                                     std::shared_ptr<Timeline> timeline, VkPipelineLayout layout,
                                                     std::shared_ptr<StepChain> chain);
  [[nodiscard]] bool ok() const { return !error; }
  void refuse(const std::string& what, std::string why);
  void barrier();
  // Before every command: a stretch to be in, the barrier of the debug mode, what the command has to see. `work`: what
  // it writes or copies with and reads its counts by, a set of Work.
  void before_command(std::uint32_t work);
  [[nodiscard]] bool chains() const { return wants_chain && chain && !everywhere && !plan->timestamps; }
  void begin_command();
  void make_seen(std::uint32_t work);
  // Enters a dispatch of so many workgroups that waits and counts by itself; 0: it does not, and nothing was entered.
  [[nodiscard]] std::uint64_t link(std::uint64_t workgroups);
  void start_stretch(std::string name);
};

}  // namespace fovea::gpu
