// A run that is over, with all that was told or recorded of it: what the list of runs holds, a run file keeps and a
// comparison reads. What was not recorded is absent, never zero.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/model_summary.hpp"
#include "engine/api/policy_text.hpp"
#include "engine/api/routing_facts.hpp"
#include "engine/api/run_timings.hpp"
#include "engine/api/sampling.hpp"
#include "engine/api/sparse_attention.hpp"
#include "engine/api/trace.hpp"

namespace fovea {

// What of a model tells it from another.
struct RunModel {
  std::string name, file, architecture, quantization;  // file: its name without folders
  std::string sha256;  // of the file, 64 hexadecimal digits; "" = not computed
  std::uint64_t file_bytes = 0, parameters = 0;
  std::uint32_t layers = 0, query_heads = 0, kv_heads = 0;
  std::uint32_t experts = 0, experts_used = 0;  // 0 = dense model
  std::uint32_t vocabulary = 0, context = 0;    // context: positions there was room for
  // The same weights, as far as is known: without the sum of both files, by everything else.
  [[nodiscard]] bool same_as(const RunModel& other) const;
};
[[nodiscard]] RunModel run_model(const ModelSummary& model);

// What attention did in a phase, counted.
struct AttentionCost {
  double density = 1, flops_ratio = 1;
};

struct RunRecord {
  RunModel model;
  std::string path;  // of the model's file on this machine; "" = unknown (the run came from a file)
  std::string device, driver;
  PolicyText policy;
  std::string prompt, system;
  bool chat = false;
  SamplingOptions sampling;
  std::uint64_t seed = 0;  // that was in use
  std::uint32_t max_tokens = 0;
  StopReason reason = StopReason::length;
  RunTimings timings;
  MemoryBytes memory;  // from the allocator, at the end
  std::uint64_t memory_peak = 0;
  // That a decoded token must touch, counted, at the mean depth of decoding; expert_bytes: of experts alone. Absent: dense
  // model, nothing decoded, or unknown.
  std::optional<double> token_bytes, expert_bytes;
  std::optional<AttentionCost> prefill_attention, decode_attention;  // absent: nothing was computed
  RoutingFacts counted;  // by a policy's kernels; nothing where the model chose for itself
  std::shared_ptr<const TraceSnapshot> trace;  // never null

  [[nodiscard]] const std::vector<TokenText>& tokens() const { return *trace->tokens; }
  [[nodiscard]] std::uint32_t prompt_tokens() const { return trace->prompt_tokens; }
  [[nodiscard]] std::string text() const;  // generated
  // Every token's experts where they were recorded, else what the kernels counted.
  [[nodiscard]] RoutingFacts routing() const;
  // Mean over layers of the experts that a token used; nullopt: not recorded.
  [[nodiscard]] std::optional<double> experts_of(std::uint32_t token) const;
  // Of the step that drew or read a token, spread over its tokens; nullopt: not recorded.
  [[nodiscard]] std::vector<std::optional<double>> token_milliseconds() const;
};

[[nodiscard]] std::string_view name(StopReason reason);  // as generate --json has it

}  // namespace fovea
