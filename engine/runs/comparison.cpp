#include "engine/runs/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/api/layers_utilization.hpp"
#include "engine/runs/run_figures.hpp"

namespace fovea {
namespace {

using Value = std::optional<double>;

std::optional<std::uint32_t> first_difference(const std::vector<TokenText>& a, const std::vector<TokenText>& b) {
  const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end(), [](const TokenText& x, const TokenText& y) { return x.id == y.id; });
  if (at == a.end() && other == b.end()) return std::nullopt;
  return static_cast<std::uint32_t>(at - a.begin());
}

Value positive(double value) { return value > 0 ? Value(value) : std::nullopt; }

std::vector<Value> shares(const std::vector<std::uint64_t>& counts) {
  double total = 0;
  for (const std::uint64_t count : counts) total += static_cast<double>(count);
  std::vector<Value> result(counts.size());
  for (std::size_t i = 0; i < counts.size() && total > 0; ++i) result[i] = static_cast<double>(counts[i]) / total;
  return result;
}

std::vector<Value> experts_by_token(const RunRecord& run) {
  std::vector<Value> used(run.tokens().size());
  for (std::size_t token = 0; token < used.size(); ++token) used[token] = run.experts_of(static_cast<std::uint32_t>(token));
  return used;
}

std::string sampling_text(const SamplingOptions& s) {
  return fmt::format("temp {}, top-k {}, top-p {}, min-p {}, repeat penalty {} over {}", s.temperature, s.top_k, s.top_p, s.min_p, s.repeat_penalty, s.repeat_last_n);
}

const char* measured_while(const RunTimings& timings) {
  return timings.recording && timings.timing ? "while recording attention and timing kernels" : timings.recording ? "while recording attention" : timings.timing ? "while timing kernels" : "without either";
}

}  // namespace

Value ComparedFigure::difference() const { return a && b ? Value(*b - *a) : std::nullopt; }

Value ComparedFigure::relative() const {
  if (!a || !b) return std::nullopt;
  if (*a == *b) return 0;
  return *a != 0 ? Value(*b / *a - 1) : std::nullopt;
}

std::vector<Value> ComparedSeries::difference() const {
  std::vector<Value> result(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i)
    if (a[i] && b[i]) result[i] = *b[i] - *a[i];
  return result;
}

bool ComparedSeries::empty() const {
  const auto nothing = [](const std::vector<Value>& values) { return std::ranges::none_of(values, [](const Value& v) { return v.has_value(); }); };
  return nothing(a) && nothing(b);
}

Comparison::Comparison(RunFile file) : file_(std::move(file)), routing_a_(a().routing().both()), routing_b_(b().routing().both()) {
  first_divergence_ = first_difference(a().tokens(), b().tokens());
  find_differences();
  gather_figures();
}

std::vector<std::string> Comparison::policy_differences() const {
  std::vector<std::string> parts;
  const PolicyText &pa = a().policy, &pb = b().policy;
  if (pa.attention != pb.attention) parts.emplace_back("attention");
  if (pa.moe != pb.moe) parts.emplace_back("moe");
  if (pa.kv != pb.kv) parts.emplace_back("kv");
  if (pa.activations != pb.activations) parts.emplace_back("activations");
  return parts;
}

void Comparison::find_differences() {
  const auto differ = [&](bool same, std::string phrase) {
    if (!same) other_differences_.push_back(std::move(phrase));
  };
  const RunModel &ma = a().model, &mb = b().model;
  differ(ma.same_as(mb), ma.file == mb.file ? "the model: two files named " + ma.file : fmt::format("the model: {} and {}", ma.file, mb.file));
  differ(a().device == b().device, fmt::format("the device: {} and {}", a().device, b().device));
  differ(a().device != b().device || a().driver == b().driver, fmt::format("the driver: {} and {}", a().driver, b().driver));
  differ(a().prompt == b().prompt && a().chat == b().chat && a().system == b().system, "the prompt");
  differ(a().seed == b().seed, fmt::format("the seed: {} and {}", a().seed, b().seed));
  SamplingOptions sa = a().sampling, sb = b().sampling;
  differ(sampling_text(sa) == sampling_text(sb), fmt::format("sampling: {} and {}", sampling_text(sa), sampling_text(sb)));
  differ(a().max_tokens == b().max_tokens, fmt::format("the number of tokens asked for: {} and {}", a().max_tokens, b().max_tokens));
  differ(ma.context == mb.context, fmt::format("the context: {} and {} positions", ma.context, mb.context));
  differ(a().timings.recording == b().timings.recording && a().timings.timing == b().timings.timing,
         fmt::format("how speed was measured: A {}, B {}", measured_while(a().timings), measured_while(b().timings)));
}

std::string Comparison::note() const {
  if (other_differences_.empty()) return "";
  std::string text = "Beside the policy differ: ";
  for (std::size_t i = 0; i < other_differences_.size(); ++i) text += (i > 0 ? "; " : "") + other_differences_[i];
  return text + ".";
}

void Comparison::gather_figures() {
  using Unit = ComparedFigure::Unit;
  const auto both = [&](auto of) { return std::pair<Value, Value>(of(a()), of(b())); };
  const auto put = [&](const char* key, const char* name, Unit unit, std::pair<Value, Value> values, bool less, bool derived = false) {
    figures_.push_back({key, name, unit, values.first, values.second, less, false, derived});
  };
  put("prompt_tps", "Prefill speed", Unit::rate, both([](const RunRecord& r) { return positive(r.timings.prompt_tps()); }), false);
  put("decode_tps", "Decode speed", Unit::rate, both([](const RunRecord& r) { return positive(r.timings.decode_tps()); }), false);
  put("first_token_ms", "First token", Unit::milliseconds, both([](const RunRecord& r) { return positive(r.timings.first_token_ms); }), true);
  put("decode_ms", "Decoding", Unit::milliseconds, both([](const RunRecord& r) { return positive(r.timings.decode_ms); }), true);
  put("memory", "Memory, without recording", Unit::bytes, both([](const RunRecord& r) { return positive(run_bytes(r.memory)); }), true);
  put("kv", "KV cache", Unit::bytes, both([](const RunRecord& r) { return positive(static_cast<double>(r.memory.kv)); }), true);
  put("memory_peak", "Memory at most, with recording", Unit::bytes, both([](const RunRecord& r) { return positive(static_cast<double>(r.memory_peak)); }), true);
  put("token_bytes", "Bytes per decoded token", Unit::bytes, both([](const RunRecord& r) { return r.token_bytes; }), true, true);
  put("expert_bytes", "of these, experts", Unit::bytes, both([](const RunRecord& r) { return r.expert_bytes; }), true, true);
  put("k_mean", "Experts per token", Unit::number, {experts_per_token(a(), routing_a_), experts_per_token(b(), routing_b_)}, true);
  const auto experts = [&](const char* key, const char* name, bool less, auto of) {
    const auto value = [&](const RoutingWork& work) -> Value {
      const auto figures = utilization_of_layers(work);
      return figures ? Value(of(figures->mean)) : std::nullopt;
    };
    put(key, name, Unit::number, {value(routing_a_), value(routing_b_)}, less);
  };
  experts("cv", "CV of experts", true, [](const UtilizationFigures& f) { return f.cv; });
  experts("utilization", "Utilization of experts", false, [](const UtilizationFigures& f) { return f.utilization; });
  experts("entropy", "Entropy of experts", false, [](const UtilizationFigures& f) { return f.entropy; });
  put("attention_density", "Attention density, decode", Unit::percent,
      both([](const RunRecord& r) { return r.decode_attention ? Value(r.decode_attention->density) : std::nullopt; }), true);
  put("attention_flops_ratio", "Attention operations, decode", Unit::percent,
      both([](const RunRecord& r) { return r.decode_attention ? Value(r.decode_attention->flops_ratio) : std::nullopt; }), true, true);
  const auto scored = scores() != nullptr ? pair_figures(*scores()) : std::nullopt;
  put("perplexity", "Perplexity of the scored text", Unit::number,
      scored ? std::pair<Value, Value>(scored->perplexity_a, scored->perplexity_b) : std::pair<Value, Value>(), true);
  put("tokens", "Tokens generated", Unit::count, both([](const RunRecord& r) { return Value(r.timings.generated_tokens); }), true);
  figures_.back().neutral = true;
}

const ComparedFigure* Comparison::figure(std::string_view key) const {
  const auto found = std::ranges::find(figures_, key, &ComparedFigure::key);
  return found == figures_.end() ? nullptr : &*found;
}

ComparedSeries Comparison::milliseconds() const { return {a().token_milliseconds(), b().token_milliseconds()}; }
ComparedSeries Comparison::memory() const { return {token_memory(a()), token_memory(b())}; }
ComparedSeries Comparison::experts_used() const { return {experts_by_token(a()), experts_by_token(b())}; }

ComparedSeries Comparison::divergence() const {
  ComparedSeries series;
  if (scores() == nullptr) return series;
  series.a.resize(scores()->first);
  series.a.insert(series.a.end(), scores()->kl.begin(), scores()->kl.end());
  return series;
}

ComparedSeries Comparison::expert_counts() const { return {shares(over_layers(routing_a_).counts), shares(over_layers(routing_b_).counts)}; }

ComparedSeries Comparison::utilization(std::optional<std::uint32_t> layer) const {
  const auto of = [&](const RoutingWork& work) {
    if (!layer) return shares(over_layers(work).calls);
    return *layer < work.size() ? shares(work[*layer].calls) : std::vector<Value>{};
  };
  return {of(routing_a_), of(routing_b_)};
}

std::uint32_t Comparison::layers() const { return static_cast<std::uint32_t>(std::min(routing_a_.size(), routing_b_.size())); }

}  // namespace fovea
