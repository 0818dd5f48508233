#include "engine/api/throughput.hpp"

#include <algorithm>

namespace fovea {

namespace {

// How many bytes more (less) than a dense one a decoded token touches: pages that are not read, bounds that are.
double bytes_beside_dense(const AttentionWork& decode, const ModelSummary& model) {
  double skipped = 0, scored = 0, seen = 0, choices = 0;
  for (const PageChoices& layer : decode.layers) {
    skipped += static_cast<double>(layer.skipped);
    scored += static_cast<double>(layer.scored);
    if (model.attention && model.attention->periphery == PagePeriphery::means) {
      scored += periphery_scored(decode, layer, model.kv_heads);
      seen += static_cast<double>(layer.skipped);
    }
    choices = std::max(choices, static_cast<double>(layer.choices));
  }
  if (choices == 0 || !model.token_bytes || !model.attention) return 0;
  const double tokens = choices / model.kv_heads;
  const double of_key = static_cast<double>(model.token_bytes->position) / model.layers / model.kv_heads;
  const PageScorer scorer = model.attention->scorer;
  const double of_bounds = (scorer == PageScorer::mean ? 2.0 : 4.0) * model.head_width + (scorer == PageScorer::automatic ? 4 : 0);
  return (scored * of_bounds + seen * 2 * model.head_width - skipped * kAttentionPage * of_key) / tokens;
}

}  // namespace

double bytes_touched(const ModelSummary& model, double depth, const AttentionWork& decode, const RoutingWork& routed) {
  if (!model.token_bytes) return 0;
  return model.token_bytes->at(depth) + bytes_beside_dense(decode, model) + expert_bytes(model, routed) - expert_bytes(model, {});
}

double flops_ratio(const AttentionWork& work, const ModelSummary& model) {
  return attention_flops_ratio(work, model.kv_heads, model.attention.value_or(SparseAttention{}));
}

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
