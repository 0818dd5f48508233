#include "engine/api/routing_facts.hpp"

#include <algorithm>
#include <numeric>

namespace fovea {
namespace {

void add(std::vector<std::uint64_t>& sum, const std::vector<std::uint64_t>& more) {
  sum.resize(std::max(sum.size(), more.size()));
  for (std::size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}

void add(LayerRouting& sum, const LayerRouting& more) {
  sum.tokens += more.tokens;
  sum.kept_mass += more.kept_mass;
  sum.moved_mass += more.moved_mass;
  sum.same += more.same;
  sum.escorted += more.escorted;
  sum.predicted += more.predicted;
  add(sum.counts, more.counts);
  add(sum.calls, more.calls);
}

}  // namespace

std::uint64_t LayerRouting::total_calls() const { return std::accumulate(calls.begin(), calls.end(), escorted); }

double LayerRouting::mean_experts() const {
  return tokens > 0 ? static_cast<double>(total_calls()) / static_cast<double>(tokens) : 0;
}

RoutingWork& operator+=(RoutingWork& sum, const RoutingWork& more) {
  sum.resize(std::max(sum.size(), more.size()));
  for (std::size_t layer = 0; layer < more.size(); ++layer) add(sum[layer], more[layer]);
  return sum;
}

RoutingWork RoutingFacts::both() const {
  RoutingWork sum = prefill;
  return sum += decode;
}

std::optional<double> predicted_hits(const RoutingFacts& facts) {
  if (facts.prefetch.size == 0) return std::nullopt;
  const RoutingWork work = facts.both();
  std::uint64_t hits = 0, calls = 0;
  for (std::size_t layer = facts.prefetch.first_layer; layer < work.size(); ++layer) {
    hits += work[layer].predicted;
    calls += work[layer].total_calls() - work[layer].escorted;
  }
  return calls == 0 ? std::nullopt : std::optional(static_cast<double>(hits) / static_cast<double>(calls));
}

RoutingFacts recorded_routing(const RoutingTrace& routing, std::uint32_t prompt_tokens) {
  RoutingFacts facts;
  if (routing.experts == 0 || routing.chunks.empty()) return facts;
  const LayerRouting none{.counts = std::vector<std::uint64_t>(routing.slots), .calls = std::vector<std::uint64_t>(routing.experts)};
  facts.prefill.assign(routing.layers, none);
  facts.decode.assign(routing.layers, none);
  for (const auto& chunk : routing.chunks)
    for (std::uint32_t token = chunk->first_token; token < chunk->first_token + chunk->tokens; ++token)
      for (std::uint32_t layer = 0; layer < routing.layers; ++layer) {
        const std::vector<ExpertChoice> chosen = routing.chosen(token, layer);
        if (chosen.empty() || chosen.size() > routing.slots) continue;
        LayerRouting& sum = (token < prompt_tokens ? facts.prefill : facts.decode)[layer];
        ++sum.tokens;
        ++sum.counts[chosen.size() - 1];
        for (const ExpertChoice& choice : chosen)
          if (choice.expert < routing.experts) ++sum.calls[choice.expert];
      }
  return facts;
}

LayerRouting over_layers(const RoutingWork& work) {
  LayerRouting sum;
  for (const LayerRouting& layer : work) add(sum, layer);
  return sum;
}

double expert_bytes(const ModelSummary& model, const RoutingWork& work) {
  if (!model.token_bytes) return 0;
  double bytes = 0;
  for (std::size_t layer = 0; layer < model.token_bytes->expert.size(); ++layer)
    bytes += static_cast<double>(model.token_bytes->expert[layer]) *
             (layer < work.size() && work[layer].tokens > 0 ? work[layer].mean_experts() : model.experts_used);
  return bytes;
}

}  // namespace fovea
