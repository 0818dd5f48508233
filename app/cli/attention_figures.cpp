#include "app/cli/attention_figures.hpp"

#include "engine/session/attention_policy.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

Json layer_json(const PageChoices& layer, const AttentionWork& work, std::uint32_t kv_heads) {
  const std::uint64_t choices = layer.choices - layer.whole;  // that left something out
  const auto mean = [&](double sum) { return choices > 0 ? Json(sum / static_cast<double>(choices)) : Json(nullptr); };
  return {{"density", attention_density({.causal_pairs = work.causal_pairs, .layers = {layer}}, kv_heads)},
          {"choices", layer.choices},
          {"whole", layer.whole},
          {"remote_pages", layer.remote},
          {"chosen_pages", layer.chosen},
          {"estimated_mass", mean(layer.mass)},
          {"estimated_entropy", mean(layer.entropy)}};
}

void add_figures(Json& to, const AttentionWork& work, const ModelSummary& model) {
  to["density"] = attention_density(work, model.kv_heads);
  to["flops_ratio"] = flops_ratio(work, model);
}

Json phase_json(const AttentionWork& work, const ModelSummary& model) {
  if (work.causal_pairs == 0) return nullptr;
  Json phase;
  add_figures(phase, work, model);
  phase["layers"] = Json::array();
  for (const PageChoices& layer : work.layers) phase["layers"].push_back(layer_json(layer, work, model.kv_heads));
  return phase;
}

}  // namespace

double flops_ratio(const AttentionWork& work, const ModelSummary& model) {
  return attention_flops_ratio(work, model.kv_heads, model.attention ? model.attention->scorer : PageScorer::automatic);
}

Json attention_json(const ModelSummary& model, const AttentionFacts& facts) {
  Json attention{{"policy", shown_attention(model.attention)}};
  add_figures(attention, facts.both(), model);
  if (!model.attention) return attention;
  attention["prefill"] = phase_json(facts.prefill, model);
  attention["decode"] = phase_json(facts.decode, model);
  return attention;
}

}  // namespace fovea::cli
