#include "engine/runs/run_header.hpp"

#include <array>

#include "engine/api/layers_utilization.hpp"
#include "engine/runs/header_fields.hpp"
#include "engine/runs/run_figures.hpp"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;

// Far beyond any model, and small enough that sums over all of them fit in memory.
constexpr std::uint32_t kMostLayers = 1024, kMostExperts = 4096;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json cost_json(const std::optional<AttentionCost>& cost) {
  return cost ? Json{{"density", cost->density}, {"flops_ratio", cost->flops_ratio}} : Json(nullptr);
}

Json work_json(const RoutingWork& work) {
  Json layers = Json::array();
  for (const LayerRouting& layer : work)
    layers.push_back({{"tokens", layer.tokens}, {"kept_mass", layer.kept_mass}, {"moved_mass", layer.moved_mass}, {"same", layer.same},
                      {"counts", layer.counts}, {"calls", layer.calls}});
  return layers;
}

RoutingWork read_work(const nlohmann::json* layers, const RunModel& model, std::string& problem) {
  RoutingWork work;
  if (layers == nullptr) return work;
  if (!layers->is_array() || layers->size() > model.layers) {
    problem = "its counts of experts are no list of layers";
    return work;
  }
  for (const auto& entry : *layers) {
    LayerRouting layer;
    HeaderFields fields(&entry, problem);
    fields.read("tokens", layer.tokens);
    fields.read("kept_mass", layer.kept_mass);
    fields.read("moved_mass", layer.moved_mass);
    fields.read("same", layer.same);
    fields.read("counts", layer.counts, model.experts_used);
    fields.read("calls", layer.calls, model.experts);
    work.push_back(std::move(layer));
  }
  return work;
}

void read_cost(HeaderFields& attention, const char* phase, std::optional<AttentionCost>& into, std::string& problem) {
  const nlohmann::json* const found = attention.field(phase);
  if (found == nullptr || found->is_null()) return;
  AttentionCost cost;
  HeaderFields fields(found, problem);
  fields.read("density", cost.density);
  fields.read("flops_ratio", cost.flops_ratio);
  into = cost;
}

void read_model(HeaderFields fields, RunModel& model) {
  fields.read("name", model.name);
  fields.read("file", model.file);
  fields.read("architecture", model.architecture);
  fields.read("quantization", model.quantization);
  fields.read("sha256", model.sha256);
  fields.read("file_bytes", model.file_bytes);
  fields.read("parameters", model.parameters);
  fields.read("layers", model.layers, kMostLayers);
  fields.read("query_heads", model.query_heads, kMostExperts);
  fields.read("kv_heads", model.kv_heads, kMostExperts);
  fields.read("experts", model.experts, kMostExperts);
  fields.read("experts_used", model.experts_used, kMostExperts);
  fields.read("vocabulary", model.vocabulary);
  fields.read("context", model.context);
  fields.check("experts_used", model.experts_used <= model.experts);
}

Json figures_json(const RunRecord& run, const RoutingWork& work) {
  const LayerRouting sum = over_layers(work);
  const auto layers = utilization_of_layers(work);
  const UtilizationFigures* const figures = layers ? &layers->mean : nullptr;
  Json value;
  value["tokens"] = work.empty() ? Json(nullptr) : Json(work.front().tokens);
  value["k_mean"] = or_null(experts_per_token(run, work));
  value["k_histogram"] = sum.tokens > 0 ? Json(sum.counts) : Json(nullptr);
  put_utilization(value, figures);
  value["worst_cv"] = layers ? Json(layers->worst_cv) : Json(nullptr);
  value["worst_layer"] = layers ? Json(layers->worst_layer) : Json(nullptr);
  return value;
}

}  // namespace

void put_utilization(Json& into, const UtilizationFigures* figures) {
  const auto put = [&](const char* key, auto of) { into[key] = figures != nullptr ? Json(of(*figures)) : Json(nullptr); };
  put("cv", [](const UtilizationFigures& f) { return f.cv; });
  put("cv_floor", [](const UtilizationFigures& f) { return f.cv_floor; });
  put("utilization", [](const UtilizationFigures& f) { return f.utilization; });
  put("entropy", [](const UtilizationFigures& f) { return f.entropy; });
  put("gini", [](const UtilizationFigures& f) { return f.gini; });
  put("dead", [](const UtilizationFigures& f) { return f.dead; });
}

Json policy_json(const PolicyText& policy) {
  return {{"attention", policy.attention}, {"moe", policy.moe}, {"kv", policy.kv}, {"activations", policy.activations}};
}

Json run_header(const RunRecord& run) {
  const RunModel& model = run.model;
  Json header;
  header["model"] = {{"name", model.name}, {"file", model.file}, {"sha256", model.sha256}, {"architecture", model.architecture},
                     {"quantization", model.quantization}, {"file_bytes", model.file_bytes}, {"parameters", model.parameters},
                     {"layers", model.layers}, {"query_heads", model.query_heads}, {"kv_heads", model.kv_heads}, {"experts", model.experts},
                     {"experts_used", model.experts_used}, {"vocabulary", model.vocabulary}, {"context", model.context}};
  header["device"] = run.device;
  header["driver"] = run.driver;
  header["policy"] = policy_json(run.policy);
  header["seed"] = run.seed;
  header["max_tokens"] = run.max_tokens;
  header["chat"] = run.chat;
  header["sampling"] = {{"temp", run.sampling.temperature}, {"top_k", run.sampling.top_k}, {"top_p", run.sampling.top_p},
                        {"min_p", run.sampling.min_p}, {"repeat_penalty", run.sampling.repeat_penalty}, {"repeat_last_n", run.sampling.repeat_last_n}};
  header["prompt_tokens"] = run.prompt_tokens();
  header["generated_tokens"] = run.timings.generated_tokens;
  header["stop"] = name(run.reason);
  header["timings"] = {{"prompt_ms", run.timings.prompt_ms}, {"prompt_tps", run.timings.prompt_tps()}, {"decode_ms", run.timings.decode_ms},
                       {"decode_tps", run.timings.decode_tps()}, {"first_token_ms", run.timings.first_token_ms},
                       {"recording", run.timings.recording}, {"timing", run.timings.timing}};
  header["memory"] = {{"weights", run.memory.weights}, {"kv", run.memory.kv}, {"compute", run.memory.compute}, {"other", run.memory.other},
                      {"peak", run.memory_peak}};
  header["token_bytes"] = or_null(run.token_bytes);
  header["expert_bytes"] = or_null(run.expert_bytes);
  header["attention"] = {{"prefill", cost_json(run.prefill_attention)}, {"decode", cost_json(run.decode_attention)}};
  header["counted"] = {{"prefill", work_json(run.counted.prefill)}, {"decode", work_json(run.counted.decode)}};
  header["note"] = run.trace->note;
  return header;
}

tl::expected<RunRecord, std::string> read_run_header(const nlohmann::json& header) {
  RunRecord run;
  auto trace = std::make_shared<TraceSnapshot>();
  std::string problem, stop;
  HeaderFields fields(&header, problem);
  read_model(HeaderFields(fields.field("model"), problem), run.model);
  fields.read("device", run.device);
  fields.read("driver", run.driver);
  HeaderFields policy(fields.field("policy"), problem);
  policy.read("attention", run.policy.attention);
  policy.read("moe", run.policy.moe);
  policy.read("kv", run.policy.kv);
  policy.read("activations", run.policy.activations);
  fields.read("seed", run.seed);
  fields.read("max_tokens", run.max_tokens);
  fields.read("chat", run.chat);
  HeaderFields sampling(fields.field("sampling"), problem);
  sampling.read("temp", run.sampling.temperature);
  sampling.read("top_k", run.sampling.top_k);
  sampling.read("top_p", run.sampling.top_p);
  sampling.read("min_p", run.sampling.min_p);
  sampling.read("repeat_penalty", run.sampling.repeat_penalty);
  sampling.read("repeat_last_n", run.sampling.repeat_last_n);
  fields.read("prompt_tokens", trace->prompt_tokens);
  fields.read("generated_tokens", run.timings.generated_tokens);
  run.timings.prompt_tokens = trace->prompt_tokens;
  fields.read("stop", stop);
  for (const StopReason reason : {StopReason::length, StopReason::end_of_text, StopReason::cancelled, StopReason::context_full})
    if (stop == name(reason)) run.reason = reason;
  fields.check("stop", stop == name(run.reason));
  HeaderFields timings(fields.field("timings"), problem);
  timings.read("prompt_ms", run.timings.prompt_ms);
  timings.read("decode_ms", run.timings.decode_ms);
  timings.read("first_token_ms", run.timings.first_token_ms);
  timings.read("recording", run.timings.recording);
  timings.read("timing", run.timings.timing);
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 50;  // sums stay exact
  HeaderFields memory(fields.field("memory"), problem);
  memory.read("weights", run.memory.weights, kMostBytes);
  memory.read("kv", run.memory.kv, kMostBytes);
  memory.read("compute", run.memory.compute, kMostBytes);
  memory.read("other", run.memory.other, kMostBytes);
  memory.read("peak", run.memory_peak, kMostBytes);
  fields.read("token_bytes", run.token_bytes);
  fields.read("expert_bytes", run.expert_bytes);
  HeaderFields attention(fields.field("attention"), problem);
  read_cost(attention, "prefill", run.prefill_attention, problem);
  read_cost(attention, "decode", run.decode_attention, problem);
  HeaderFields counted(fields.field("counted"), problem);
  run.counted.prefill = read_work(counted.field("prefill"), run.model, problem);
  run.counted.decode = read_work(counted.field("decode"), run.model, problem);
  fields.read("note", trace->note);
  if (!problem.empty()) return tl::unexpected(problem);
  trace->layers = run.model.layers;
  trace->query_heads = run.model.query_heads;
  trace->tokens = std::make_shared<const std::vector<TokenText>>();
  run.trace = std::move(trace);
  return run;
}

Json run_json(const RunRecord& run) {
  Json value = run_header(run);
  value.erase("counted");
  value["prompt"] = run.prompt;
  value["text"] = run.text();
  const RoutingFacts facts = run.routing();
  value["moe"] = figures_json(run, facts.both());
  value["moe"]["prefill"] = figures_json(run, facts.prefill);
  value["moe"]["decode"] = figures_json(run, facts.decode);
  value["note"] = run.trace->note.empty() ? Json(nullptr) : Json(run.trace->note);
  const Coverage coverage = coverage_of(run);
  value["coverage"] = {{"tokens", coverage.tokens}, {"steps", coverage.timed_tokens}, {"memory", coverage.memory_samples},
                       {"routing", coverage.routed_tokens}, {"attention", {{"heads", coverage.heads}, {"rows", coverage.rows}}}};
  return value;
}

}  // namespace fovea
