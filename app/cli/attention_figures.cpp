#include "app/cli/attention_figures.hpp"

#include "engine/api/throughput.hpp"
#include "engine/session/attention_policy.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

// Of the remote pages that there were to choose from: how many were read; null where nothing was chosen.
Json chosen_share(const AttentionWork& work) {
  double remote = 0, chosen = 0;
  for (const PageChoices& layer : work.layers) {
    remote += static_cast<double>(layer.remote);
    chosen += static_cast<double>(layer.chosen);
  }
  return remote > 0 ? Json(chosen / remote) : Json(nullptr);
}

Json layer_json(const PageChoices& layer, const AttentionWork& work, std::uint32_t kv_heads) {
  const std::uint64_t choices = layer.choices - layer.whole;  // that left something out
  const auto mean = [&](double sum) { return choices > 0 ? Json(sum / static_cast<double>(choices)) : Json(nullptr); };
  return {{"density", attention_density({.causal_pairs = work.causal_pairs, .layers = {layer}, .top_pairs = {}}, kv_heads)},
          {"choices", layer.choices},
          {"whole", layer.whole},
          {"remote_pages", layer.remote},
          {"chosen_pages", layer.chosen},
          {"chosen_share", chosen_share({.causal_pairs = 0, .layers = {layer}, .top_pairs = {}})},
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
  phase["fallback_share"] = whole_share(work);
  phase["chosen_share"] = chosen_share(work);
  phase["layers"] = Json::array();
  for (const PageChoices& layer : work.layers) phase["layers"].push_back(layer_json(layer, work, model.kv_heads));
  return phase;
}

}  // namespace

void add_recall(Json& attention, MeasuredRows rows, const ModelSummary& model) {
  const auto known = [](bool is, double value) { return is ? Json(value) : Json(nullptr); };
  const auto spread = [&](bool is, const Spread& of) { return Json{{"mean", known(is, of.mean)}, {"p5", known(is, of.p5)}}; };
  const auto figures_json = [&](const RecallFigures& figures, const char* recall) {
    const bool sparse = figures.sparse > 0, measured = figures.measured > 0;
    return Json{{recall, spread(sparse, figures.recall)},
                {"oracle_recall", spread(sparse, figures.oracle)},
                {"entropy", known(measured, figures.entropy)},
                {"kept_entropy", known(measured, figures.kept_entropy)},
                {"flat", {{"share", known(sparse, sparse ? static_cast<double>(figures.flat) / figures.sparse : 0)},
                          {"recall", known(figures.flat > 0, figures.flat_recall)}}}};
  };
  attention["measured_rows"] = rows.size();
  attention.update(figures_json(recall_figures(rows, model.query_heads, 0, model.layers), "mass_recall"));
  attention["layers"] = nullptr;
  if (rows.empty()) return;
  attention["layers"] = Json::array();
  for (std::uint32_t layer = 0; layer < model.layers; ++layer)
    attention["layers"].push_back(figures_json(recall_figures(rows, model.query_heads, layer, layer + 1), "recall"));
}

Json attention_json(const ModelSummary& model, const AttentionFacts& facts) {
  Json attention{{"policy", shown_attention(model.attention, model.top_share)}};
  add_figures(attention, facts.both(), model);
  if (!model.attention) return attention;
  attention["fallback_share"] = whole_share(facts.both());
  attention["chosen_share"] = chosen_share(facts.both());
  attention["prefill"] = phase_json(facts.prefill, model);
  attention["decode"] = phase_json(facts.decode, model);
  return attention;
}

Json tiers_json(const KvTierFacts* tiers) {
  if (tiers == nullptr) return nullptr;
  return {{"f16", {{"pages", tiers->pages - tiers->far}, {"bytes", tiers->fresh_bytes}}},
          {"far", {{"pages", tiers->far}, {"bytes", tiers->far_bytes}}},
          {"hot", {{"pages", tiers->hot}, {"bytes", tiers->refinement_bytes}}},
          {"ranking_bytes", tiers->ranking_bytes}};
}

}  // namespace fovea::cli
