#include "engine/gpu/command_plan.hpp"

#include <cstring>

#include "engine/gpu/plan_state.hpp"

namespace fovea::gpu {

CommandPlan::CommandPlan() = default;
CommandPlan::CommandPlan(std::unique_ptr<State> state) : state_(std::move(state)) {}
CommandPlan::CommandPlan(CommandPlan&&) noexcept = default;
CommandPlan& CommandPlan::operator=(CommandPlan&&) noexcept = default;
CommandPlan::~CommandPlan() = default;

CommandPlan::State::~State() {
  if (!context) return;
  // Its commands may still be running; the timeline may still point here for its report.
  if (const auto reached = timeline->completed(); !reached || *reached < last_submission) timeline->drain();
  if (pool != VK_NULL_HANDLE && !context->abandoned) context->vk.vkDestroyCommandPool(context->device, pool, nullptr);
}

std::string CommandPlan::State::where() const {
  if (stretches.empty()) return {};
  std::uint32_t reached = 0;
  if (breadcrumb && breadcrumb->mapped != nullptr) std::memcpy(&reached, breadcrumb->mapped, sizeof reached);
  if (reached > 0 && reached <= stretches.size()) return "in \"" + stretches[reached - 1] + "\"";
  if (stretches.front() == stretches.back() && stretches.size() == 1) return "in \"" + stretches.front() + "\"";
  return "somewhere from \"" + stretches.front() + "\" to \"" + stretches.back() + "\"";
}

std::uint32_t CommandPlan::dispatches() const { return state_ ? state_->dispatches : 0; }
std::uint32_t CommandPlan::barriers() const { return state_ ? state_->barriers : 0; }
std::uint32_t CommandPlan::steps() const { return state_ ? state_->steps : 0; }

Result<std::vector<TagTime>> CommandPlan::times() const {
  if (!state_ || !state_->timestamps)
    return fail(ErrorCode::usage, "Timings of a plan", "it was recorded without timing", "record it with time_tags()");
  FOVEA_TRY(state_->context->check());
  if (state_->context->physical.timestamp_mask == 0)
    return fail(ErrorCode::unsupported, "Timings of a plan",
                state_->context->physical.facts.name + " has no timestamps on its compute queue",
                "measure from outside");
  FOVEA_ASSIGN(const auto ticks, state_->timestamps->read());
  std::vector<TagTime> times;
  for (std::size_t i = 0; i < state_->stretches.size(); ++i) {
    std::size_t at = 0;
    while (at < times.size() && times[at].tag != state_->stretches[i]) ++at;
    if (at == times.size()) times.push_back({state_->stretches[i], 0, 0});
    times[at].microseconds += state_->timestamps->microseconds(ticks[i], ticks[i + 1]);
    ++times[at].count;
  }
  return times;
}

}  // namespace fovea::gpu
