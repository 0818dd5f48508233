// A plan being recorded, and the first thing that went wrong with it.
#pragma once

#include <memory>
#include <optional>

#include "engine/gpu/plan_state.hpp"

namespace fovea::gpu {

struct CommandRecorder::State {
  std::unique_ptr<CommandPlan::State> plan;
  std::shared_ptr<Arena> arena;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline bound = VK_NULL_HANDLE;
  bool everywhere = false;  // a barrier before every command
  bool open_work = false;   // commands since the last barrier
  bool begun = false;
  std::optional<Error> error;

  [[nodiscard]] static Result<CommandRecorder> begin(std::shared_ptr<Context> context, std::shared_ptr<Arena> arena,
                                                     std::shared_ptr<Timeline> timeline, VkPipelineLayout layout);
  [[nodiscard]] bool ok() const { return !error; }
  void refuse(const std::string& what, std::string why);
  void barrier();
  // Before every command: a stretch to be in, the barrier of the debug mode.
  void before_command();
  void start_stretch(std::string name);
};

}  // namespace fovea::gpu
