#include "app/cli/moe_figures.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "engine/session/policy.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

void put_figures(Json& into, std::span<const std::uint64_t> calls) {
  const auto figures = utilization_figures(calls);
  into["cv"] = figures ? Json(figures->cv) : Json(nullptr);
  into["cv_floor"] = figures ? Json(figures->cv_floor) : Json(nullptr);
  into["utilization"] = figures ? Json(figures->utilization) : Json(nullptr);
  into["entropy"] = figures ? Json(figures->entropy) : Json(nullptr);
  into["dead"] = figures ? Json(figures->dead) : Json(nullptr);
}

// Tokens of [from, to) whose experts are known.
std::uint64_t known_tokens(const RoutingTrace& routing, std::uint32_t from, std::uint32_t to) {
  std::uint64_t known = 0;
  for (const auto& chunk : routing.chunks) {
    const std::uint32_t first = std::max(from, chunk->first_token);
    const std::uint32_t last = std::min(to, chunk->first_token + chunk->tokens);
    if (first < last) known += last - first;
  }
  return known;
}

Json phase_json(const RoutingTrace& routing, std::uint32_t from, std::uint32_t to) {
  const auto calls = routing.calls(from, to, std::nullopt);
  const std::uint64_t tokens = known_tokens(routing, from, to);
  const std::uint64_t total = std::accumulate(calls.begin(), calls.end(), std::uint64_t{0});
  Json phase;
  phase["tokens"] = tokens;
  phase["k_mean"] =
      tokens > 0 ? Json(static_cast<double>(total) / static_cast<double>(tokens) / routing.layers) : Json(nullptr);
  put_figures(phase, calls);
  return phase;
}

}  // namespace

Json moe_json(const ModelSummary& model) {
  Json moe;
  moe["policy"] = shown_moe(model);
  moe["k_mean"] = model.experts_used > 0 ? Json(model.experts_used) : Json(nullptr);
  for (const char* key : {"k_histogram", "cv", "utilization", "entropy", "dead"}) moe[key] = nullptr;
  return moe;
}

Json moe_json(const ModelSummary& model, const TraceSnapshot& trace) {
  const RoutingTrace& routing = trace.routing;
  if (routing.experts == 0 || routing.layers == 0 || routing.chunks.empty()) return moe_json(model);
  const std::uint32_t end = routing.chunks.back()->first_token + routing.chunks.back()->tokens;
  Json moe;
  moe["policy"] = shown_moe(model);
  moe.update(phase_json(routing, 0, end));
  moe["calls"] = routing.calls(0, end, std::nullopt);
  moe["prefill"] = phase_json(routing, 0, trace.prompt_tokens);
  moe["decode"] = phase_json(routing, trace.prompt_tokens, end);
  moe["layers"] = Json::array();
  for (std::uint32_t layer = 0; layer < routing.layers; ++layer) {
    const auto calls = routing.calls(0, end, layer);
    Json row{{"layer", layer}};
    put_figures(row, calls);
    row["calls"] = calls;
    moe["layers"].push_back(std::move(row));
  }
  return moe;
}

}  // namespace fovea::cli
