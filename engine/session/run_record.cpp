#include "engine/session/run_record.hpp"

#include <utility>

#include "engine/api/throughput.hpp"
#include "engine/session/attention_policy.hpp"
#include "engine/session/kv_policy.hpp"
#include "engine/session/moe_policy.hpp"

namespace fovea {
namespace {

std::optional<AttentionCost> attention_cost(const AttentionWork& work, const ModelSummary& model) {
  if (work.causal_pairs == 0) return std::nullopt;
  return AttentionCost{attention_density(work, model.kv_heads), flops_ratio(work, model)};
}

}  // namespace

PolicyText policy_text(const ModelSummary& model) {
  return {.attention = shown_attention(model.attention, model.top_share),
          .moe = model.experts_used > 0 ? shown_moe(model) : "static",
          .kv = shown_kv(model.kv, model.kv_tiers),
          .activations = std::string(name(model.activations))};
}

RunRecord record_of(const ModelSummary& model, const Generate& request, const RunResult& result) {
  RunRecord record;
  record.model = run_model(model);
  record.path = model.path;
  record.device = model.device.name;
  record.driver = model.device.driver;
  record.policy = policy_text(model);
  record.prompt = request.prompt;
  record.system = request.system;
  record.chat = request.chat;
  record.sampling = request.sampling;
  record.seed = result.seed;
  record.max_tokens = request.max_tokens;
  record.reason = result.reason;
  record.timings = result.timings;
  record.memory = result.memory;
  record.memory_peak = result.memory_peak;
  record.prefill_attention = attention_cost(result.attention.prefill, model);
  record.decode_attention = attention_cost(result.attention.decode, model);
  record.counted = result.routing;
  record.trace = result.trace;
  const auto decode = phase_speed(record.trace->steps, false);
  const RoutingFacts routed = record.routing();
  if (model.token_bytes && decode) {
    record.token_bytes = bytes_touched(model, decode->mean_depth, result.attention.decode, routed.decode);
    if (model.experts > 0) record.expert_bytes = expert_bytes(model, routed.decode);
  }
  return record;
}

}  // namespace fovea
