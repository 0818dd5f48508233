#include "app/cli/moe_figures.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "engine/api/layers_utilization.hpp"
#include "engine/runs/run_header.hpp"
#include "engine/session/policy.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(bool there, double value) { return there ? Json(value) : Json(nullptr); }

void put_bytes(Json& into, const ModelSummary& model, const RoutingWork& work) {
  const double whole = expert_bytes(model, {}), bytes = expert_bytes(model, work);
  into["expert_bytes_per_token"] = or_null(whole > 0, bytes);
  into["expert_bytes_ratio"] = or_null(whole > 0, bytes / whole);
}

void put_numbers(Json& into, const LayerRouting& routing) {
  into["k_mean"] = or_null(routing.tokens > 0, routing.mean_experts());
  into["k_histogram"] = routing.tokens > 0 ? Json(routing.counts) : Json(nullptr);
}

Json phase_json(const ModelSummary& model, const RoutingWork& work, const RoutingWork& counted) {
  Json phase;
  phase["tokens"] = work.empty() ? 0 : work.front().tokens;
  put_figures(phase, work);
  put_masses(phase, over_layers(counted));
  put_bytes(phase, model, work);
  return phase;
}

Json escort_json(const ModelSummary& model, const RoutingFacts& facts) {
  if (facts.escort.empty() || !model.experts_rule || !model.experts_rule->escort) return nullptr;
  Json escort{{"mode", name(model.experts_rule->escort->mode)}, {"layers", Json::array()}};
  for (const EscortFacts& layer : facts.escort)
    escort["layers"].push_back({{"calls", layer.calls},
                                {"of", layer.of},
                                {"share", or_null(layer.of > 0, static_cast<double>(layer.calls) / static_cast<double>(layer.of))},
                                {"tokens", layer.tokens},
                                {"log_probability", or_null(layer.tokens > 0, layer.liking)},
                                {"log_probability_called", or_null(layer.calls > 0, layer.called_liking)}});
  return escort;
}

Json prefetch_json(const ModelSummary& model, const RoutingFacts& counted) {
  if (counted.prefetch.size == 0) return nullptr;
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  return {{"experts", counted.prefetch.size},
          {"first_layer", counted.prefetch.first_layer},
          {"predicted", number(predicted_hits(counted))},
          {"recent", number(counted.prefetch.recent)},
          {"chance", static_cast<double>(counted.prefetch.size) / model.experts}};
}

}  // namespace

void put_figures(Json& into, const LayerRouting& routing) {
  put_numbers(into, routing);
  const auto figures = utilization_figures(routing.calls);
  put_utilization(into, figures ? &*figures : nullptr);
}

void put_figures(Json& into, const RoutingWork& work) {
  put_numbers(into, over_layers(work));
  const auto figures = utilization_of_layers(work);
  put_utilization(into, figures ? &figures->mean : nullptr);
  into["worst_cv"] = figures ? Json(figures->worst_cv) : Json(nullptr);
  into["worst_layer"] = figures ? Json(figures->worst_layer) : Json(nullptr);
}

// Of a policy's choices alone: router mass kept, that of the best experts of the same number, and how many are among those.
void put_masses(Json& into, const LayerRouting& counted) {
  const double tokens = static_cast<double>(counted.tokens);
  const bool there = counted.tokens > 0;
  into["retained_mass"] = or_null(there, counted.kept_mass / tokens);
  into["mass_of_best"] = or_null(there, counted.moved_mass / tokens);
  into["agreement"] = or_null(there, static_cast<double>(counted.same) / static_cast<double>(counted.total_calls() - counted.escorted));
}

Json moe_json(const ModelSummary& model) {
  Json moe;
  moe["policy"] = shown_moe(model);
  moe["k_mean"] = model.experts_used > 0 && !model.experts_rule ? Json(model.experts_used) : Json(nullptr);
  for (const char* key : {"k_histogram", "cv", "utilization", "entropy", "gini", "dead"}) moe[key] = nullptr;
  return moe;
}

Json moe_json(const ModelSummary& model, const RoutingFacts& shown, const RoutingFacts& counted) {
  const RoutingWork whole = shown.both(), all_counted = counted.both();
  if (whole.empty()) return moe_json(model);
  Json moe;
  moe["policy"] = shown_moe(model);
  moe.update(phase_json(model, whole, all_counted));
  moe["calls"] = over_layers(whole).calls;
  moe["prefill"] = phase_json(model, shown.prefill, counted.prefill);
  moe["decode"] = phase_json(model, shown.decode, counted.decode);
  moe["escort"] = escort_json(model, counted);
  moe["prefetch"] = prefetch_json(model, counted);
  moe["layers"] = Json::array();
  for (std::size_t layer = 0; layer < whole.size(); ++layer) {
    Json row{{"layer", layer}};
    put_figures(row, whole[layer]);
    put_masses(row, layer < all_counted.size() ? all_counted[layer] : LayerRouting{});
    row["calls"] = whole[layer].calls;
    moe["layers"].push_back(std::move(row));
  }
  return moe;
}

std::string moe_line(const ModelSummary& model, const RoutingWork& work) {
  const LayerRouting sum = over_layers(work);
  const auto layers = utilization_of_layers(work);
  if (!model.experts_rule || sum.tokens == 0 || !layers) return "";
  const UtilizationFigures* const figures = &layers->mean;
  return fmt::format("experts {}: {:.3f} a token, {:.1f} % of their bytes, router mass {:.4f}; CV {:.3f}, utilization {:.3f}, entropy {:.4f}\n",
                     shown_moe(model), sum.mean_experts(), 100 * expert_bytes(model, work) / expert_bytes(model, {}),
                     sum.kept_mass / static_cast<double>(sum.tokens), figures->cv, figures->utilization, figures->entropy);
}

}  // namespace fovea::cli
