#include "engine/api/run_record.hpp"

#include <algorithm>

namespace fovea {

bool RunModel::same_as(const RunModel& other) const {
  if (!sha256.empty() && !other.sha256.empty()) return sha256 == other.sha256;
  return name == other.name && file == other.file && architecture == other.architecture && quantization == other.quantization &&
         file_bytes == other.file_bytes && parameters == other.parameters && layers == other.layers &&
         experts == other.experts && experts_used == other.experts_used && vocabulary == other.vocabulary;
}

RunModel run_model(const ModelSummary& model) {
  return {.name = model.name, .file = model.path.substr(model.path.find_last_of('/') + 1), .architecture = model.architecture,
          .quantization = model.quantization, .file_bytes = model.file_bytes, .parameters = model.parameters,
          .layers = model.layers, .query_heads = model.query_heads, .kv_heads = model.kv_heads, .experts = model.experts,
          .experts_used = model.experts_used, .vocabulary = model.vocabulary, .context = model.context};
}

std::string RunRecord::text() const {
  std::string text;
  for (const TokenText& token : tokens())
    if (!token.prompt) text += token.text;
  return text;
}

RoutingFacts RunRecord::routing() const {
  RoutingFacts recorded = recorded_routing(trace->routing, prompt_tokens());
  return recorded.prefill.empty() && recorded.decode.empty() ? counted : recorded;
}

std::optional<double> RunRecord::experts_of(std::uint32_t token) const {
  std::size_t used = 0;
  std::uint32_t layers = 0;
  for (std::uint32_t layer = 0; layer < trace->routing.layers; ++layer) {
    const std::size_t chosen = trace->routing.chosen(token, layer).size();
    used += chosen;
    layers += chosen > 0 ? 1 : 0;
  }
  return layers > 0 ? std::optional(static_cast<double>(used) / layers) : std::nullopt;
}

std::vector<std::optional<double>> RunRecord::token_milliseconds() const {
  std::vector<std::optional<double>> times(tokens().size());
  for (const StepTiming& step : trace->steps) {
    const std::size_t end = std::min<std::size_t>(std::size_t{step.first_token} + step.tokens, times.size());
    for (std::size_t token = step.first_token; token < end; ++token)
      times[token] = static_cast<double>(step.milliseconds) / step.tokens;
  }
  return times;
}

std::string_view name(StopReason reason) {
  switch (reason) {
    case StopReason::length:
      return "length";
    case StopReason::end_of_text:
      return "end_of_text";
    case StopReason::cancelled:
      return "cancelled";
    case StopReason::context_full:
      return "context_full";
  }
  return "unknown";
}

}  // namespace fovea
