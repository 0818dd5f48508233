#include "engine/runs/run_figures.hpp"

#include <algorithm>

namespace fovea {

std::optional<double> experts_per_token(const RunRecord& run, const RoutingWork& work) {
  const LayerRouting sum = over_layers(work);
  if (sum.tokens > 0) return sum.mean_experts();
  // A static policy without counts took exactly as many as the model's own choice; others are unknown.
  const bool own = run.policy.moe == "static" || run.policy.moe == "static:k=" + std::to_string(run.model.experts_used);
  return run.model.experts_used > 0 && own ? std::optional<double>(run.model.experts_used) : std::nullopt;
}

Coverage coverage_of(const RunRecord& run) {
  Coverage coverage{.tokens = run.tokens().size(), .memory_samples = run.trace->memory.size(),
                    .routed_tokens = run.trace->routing.recorded_tokens(), .heads = run.trace->heads.size()};
  for (const StepTiming& step : run.trace->steps) coverage.timed_tokens += step.tokens;
  for (const HeadTrace& head : run.trace->heads)
    for (const auto& chunk : head.chunks) coverage.rows += chunk->rows;
  return coverage;
}

double run_bytes(const MemoryBytes& memory) { return static_cast<double>(memory.weights + memory.kv + memory.compute); }

std::vector<std::optional<double>> token_memory(const RunRecord& run) {
  std::vector<std::optional<double>> bytes(run.tokens().size());
  std::size_t from = 0;
  for (const MemorySample& sample : run.trace->memory) {
    const std::size_t end = std::min<std::size_t>(sample.tokens, bytes.size());
    for (; from < end; ++from) bytes[from] = run_bytes(sample.bytes);
  }
  return bytes;
}

}  // namespace fovea
