#include "engine/api/throughput.hpp"

namespace fovea {

std::optional<PhaseSpeed> phase_speed(std::span<const StepTiming> steps, bool prefill,
                                      std::optional<double> window_ms) {
  PhaseSpeed speed;
  double depths = 0;
  std::uint32_t counted = 0;
  for (std::size_t i = steps.size(); i-- > 0 && (!window_ms || speed.milliseconds < *window_ms);) {
    const StepTiming& step = steps[i];
    if (step.prefill != prefill) {
      if (prefill) continue;  // the prompt comes first: its steps lie behind the decoded ones
      break;
    }
    speed.milliseconds += static_cast<double>(step.milliseconds);
    speed.tokens += step.tokens;
    speed.recording = speed.recording || step.recording;
    speed.timing = speed.timing || step.timing;
    // A decode step of several tokens reads its own ones too, each those before it.
    const std::uint32_t looks = prefill ? 1 : step.tokens;
    depths += looks * (step.first_token + (looks - 1) / 2.0);
    counted += looks;
  }
  if (!(speed.milliseconds > 0)) return std::nullopt;
  speed.tokens_per_second = speed.tokens * 1000.0 / speed.milliseconds;
  speed.mean_depth = depths / counted;
  return speed;
}

TokenWork token_work(const ModelSummary& model, double bytes) {
  return {.bytes = bytes, .steps = model.device.type == "cpu" ? 0 : model.token_steps};
}

DecodeBound decode_bound(const TokenWork& work, double tokens_per_second, std::optional<double> peak_gbs) {
  DecodeBound found;
  if (work.steps > 0) found.steps_us = work.steps * kGpuStepMicroseconds;
  if (!(work.bytes > 0)) return found;
  if (peak_gbs) {
    found.bytes_us = work.bytes / (*peak_gbs * 1e3);
    found.tokens_per_second = 1e6 / (*found.bytes_us + found.steps_us.value_or(0));
  }
  if (!(tokens_per_second > 0)) return found;
  found.gb_per_s = work.bytes * tokens_per_second / 1e9;
  if (found.tokens_per_second) found.fraction = tokens_per_second / *found.tokens_per_second;
  return found;
}

}  // namespace fovea
