#include "engine/semantic_router/side_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/io/shown_name.hpp"
#include "engine/runs/array_file.hpp"
#include "engine/runs/header_fields.hpp"
#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kLongestName = 256;
constexpr const char* kParameters = "parameters";

Json nullable(double value, bool there) { return there ? Json(value) : Json(nullptr); }

void read_share(HeaderFields& fields, const char* key, double& into) {
  fields.read(key, into);
  fields.check(key, into >= 0 && into <= 1);
}

void read_accuracy(const nlohmann::json* object, std::size_t domains, RouterAccuracy& accuracy, std::string& problem) {
  HeaderFields fields(object, problem);
  fields.read("tokens", accuracy.tokens);
  read_share(fields, "domain", accuracy.domain);
  read_share(fields, "domain_baseline", accuracy.domain_baseline);
  read_share(fields, "recall", accuracy.recall);
  read_share(fields, "recall_baseline", accuracy.recall_baseline);
  if (const auto* list = fields.field("domains"); list != nullptr && fields.check("domains", list->is_array() && list->size() == domains))
    for (const auto& entry : *list) {
      HeaderFields domain(&entry, problem);
      std::optional<double> value;
      domain.read("accuracy", value);
      domain.check("accuracy", value.value_or(0) >= 0 && value.value_or(0) <= 1);
      accuracy.domains.push_back(value.value_or(-1));
    }
  if (const auto* list = fields.field("layers"); list != nullptr && fields.check("layers", list->is_array() && list->size() <= 1024))
    for (const auto& entry : *list) {
      HeaderFields layer(&entry, problem);
      RouterLayerAccuracy& of = accuracy.layers.emplace_back();
      layer.read("layer", of.layer);
      read_share(layer, "recall", of.recall);
      read_share(layer, "baseline", of.baseline);
    }
}

void read_facts(const nlohmann::json* object, SemanticRouterFacts& facts, std::string& problem) {
  HeaderFields fields(object, problem);
  std::uint32_t version = 0;
  fields.read("version", version);
  if (problem.empty() && version != kVersion) problem = fmt::format("it is of version {}, and this program reads version {}", version, kVersion);
  fields.read("model", facts.model);
  fields.check("model", facts.model.size() <= kLongestName);
  fields.read("model_sha256", facts.model_sha256);
  fields.check("model_sha256", facts.model_sha256.size() == 64 && facts.model_sha256.find_first_not_of("0123456789abcdef") == std::string::npos);
  fields.read("model_bytes", facts.model_bytes);
  fields.read("width", facts.width);
  fields.read("first_layer", facts.first_layer);
  fields.read("layers", facts.layers);
  fields.read("experts", facts.experts);
  fields.read("experts_used", facts.experts_used);
  fields.read("seed", facts.seed);
  fields.read("tokens", facts.tokens);
  fields.read("passes", facts.passes);
  fields.read("window", facts.window);
  if (object != nullptr && object->contains("need_learned")) {  // older files have not learned it
    HeaderFields need(fields.field("need_learned"), problem);
    need.read("tokens", facts.need_tokens);
    need.read("mean", facts.need_mean);
    need.check("mean", facts.need_mean >= 1 && facts.need_mean <= 1024);
  }
  if (const auto* list = fields.field("domains"); list != nullptr && fields.check("domains", list->is_array() && !list->empty() && list->size() <= 256))
    for (const auto& name : *list)
      if (fields.check("domains", name.is_string() && name.get_ref<const std::string&>().size() <= kLongestName)) facts.domains.push_back(name.get<std::string>());
  if (problem.empty()) read_accuracy(fields.field("held_out"), facts.domains.size(), facts.held_out, problem);
}

}  // namespace

Json to_json(const RouterAccuracy& accuracy, const std::vector<std::string>& domains) {
  Json value{{"tokens", accuracy.tokens},
             {"domain", accuracy.domain},
             {"domain_baseline", accuracy.domain_baseline},
             {"domains", Json::array()},
             {"recall", accuracy.recall},
             {"recall_baseline", accuracy.recall_baseline},
             {"layers", Json::array()}};
  for (std::size_t d = 0; d < domains.size() && d < accuracy.domains.size(); ++d)
    value["domains"].push_back({{"name", domains[d]}, {"accuracy", nullable(accuracy.domains[d], accuracy.domains[d] >= 0)}});
  for (const RouterLayerAccuracy& layer : accuracy.layers) value["layers"].push_back({{"layer", layer.layer}, {"recall", layer.recall}, {"baseline", layer.baseline}});
  Json prefetch = Json::array();
  for (const RouterPrefetch& memory : accuracy.prefetch)
    prefetch.push_back({{"experts", memory.size}, {"predicted", memory.predicted}, {"recent", memory.recent}, {"most_used", memory.most_used}});
  value["prefetch"] = std::move(prefetch);
  value["need"] = nullptr;
  if (accuracy.need_tokens > 0)
    value["need"] = {{"tokens", accuracy.need_tokens},
                     {"divergence", kNeedDivergence},
                     {"mean", accuracy.need_mean},
                     {"exact", accuracy.need_exact},
                     {"exact_baseline", accuracy.need_exact_baseline},
                     {"error", accuracy.need_error},
                     {"error_baseline", accuracy.need_error_baseline},
                     {"loss", {{"mean_k", accuracy.use.mean_k}, {"own", accuracy.use.own}, {"any", accuracy.use.any}, {"semantic", accuracy.use.semantic},
                               {"mass", accuracy.use.mass}, {"oracle", accuracy.use.oracle}}}};
  return value;
}

Result<void> write_semantic_router(const std::filesystem::path& path, const SemanticRouter& router) {
  const SemanticRouterFacts& facts = router.facts;
  std::vector<std::uint16_t> halves;
  for (const float value : router.network.parameters()) halves.push_back(float_to_half(value));
  ArrayWriter writer;
  writer.add(kParameters, halves, {halves.size()}, "f16");
  return writer.write(path, {{"semantic_router",
                              {{"version", kVersion},
                               {"model", facts.model},
                               {"model_sha256", facts.model_sha256},
                               {"model_bytes", facts.model_bytes},
                               {"input", router.network.shape().input},
                               {"width", facts.width},
                               {"first_layer", facts.first_layer},
                               {"layers", facts.layers},
                               {"experts", facts.experts},
                               {"experts_used", facts.experts_used},
                               {"seed", facts.seed},
                               {"tokens", facts.tokens},
                               {"passes", facts.passes},
                               {"window", facts.window},
                               {"need_learned", {{"tokens", facts.need_tokens}, {"mean", facts.need_mean}}},
                               {"domains", facts.domains},
                               {"held_out", to_json(facts.held_out, facts.domains)}}}});
}

Result<SemanticRouter> read_semantic_router(const std::filesystem::path& path) {
  const std::string what = "semantic router " + shown_name(path.string());
  const auto refuse = [&](std::string why) { return fail(ErrorCode::format, what, std::move(why), "train one with train-router"); };
  FOVEA_ASSIGN(const ArrayFile file, ArrayFile::open(path));
  const auto found = file.header().find("semantic_router");
  if (found == file.header().end()) return refuse("it has no semantic router");
  SemanticRouterFacts facts;
  std::string problem;
  read_facts(&*found, facts, problem);
  RouterShape shape{.width = facts.width, .first_layer = facts.first_layer, .layers = facts.layers, .experts = facts.experts,
                    .experts_used = facts.experts_used, .domains = static_cast<std::uint32_t>(facts.domains.size())};
  HeaderFields(&*found, problem).read("input", shape.input);
  if (!problem.empty()) return refuse(problem);
  if (!plausible(shape)) return refuse("no model is of the shape that it names");
  const auto halves = file.read<std::uint16_t>(kParameters, 1, "f16");
  // Before anything of the shape's size is made: the file must hold it.
  if (!halves || halves->size() != shape.parameters()) return refuse(fmt::format("it does not hold the {} parameters of its shape", shape.parameters()));
  facts.parameters = halves->size();
  facts.bytes = halves->size() * sizeof(std::uint16_t);
  SemanticRouter router{RouterNetwork<float>(shape), std::move(facts)};
  std::ranges::transform(*halves, router.network.parameters().begin(), half_to_float);
  if (!std::ranges::all_of(router.network.parameters(), [](float value) { return std::isfinite(value); })) return refuse("some of its parameters are no numbers");
  return router;
}

std::filesystem::path semantic_router_path(const std::filesystem::path& model) {
  std::filesystem::path path = model;
  return path.replace_extension(".router");
}

std::string mismatch(const SemanticRouterFacts& router, const ModelSummary& model) {
  if (router.layers != model.layers || router.experts != model.experts || router.experts_used != model.experts_used)
    return fmt::format("it was trained for a model of {} layers with {} of {} experts", router.layers, router.experts_used, router.experts);
  if (router.model_bytes != model.file_bytes) return fmt::format("it was trained for another file of {} bytes, {}", router.model_bytes, shown_name(router.model));
  return "";
}

}  // namespace fovea
