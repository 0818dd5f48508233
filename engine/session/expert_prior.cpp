#include "engine/session/expert_prior.hpp"

#include <filesystem>
#include <string>

#include "engine/io/sha256.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/semantic_router/side_file.hpp"

namespace fovea {

Result<ExpertPrior> read_expert_prior(const ExpertPrior& wanted, const ModelSummary& model) {
  const std::filesystem::path path = wanted.file.empty() ? semantic_router_path(model.path) : std::filesystem::path(wanted.file);
  const std::string what = "semantic router " + shown_name(path.string());
  FOVEA_ASSIGN(const SemanticRouter router, read_semantic_router(path));
  const RouterShape& shape = router.network.shape();
  std::string problem = mismatch(router.facts, model);
  if (problem.empty() && shape.input != model.width) problem = "it was trained for a model of another width";
  if (problem.empty()) {
    FOVEA_ASSIGN(const std::string hash, file_sha256(model.path, {}));
    if (hash != router.facts.model_sha256) problem = "it was trained for another file (by SHA-256)";
  }
  if (!problem.empty()) return fail(ErrorCode::usage, what, problem, "train one for this model with train-router, or leave prior out");
  if (wanted.weight != 0 && router.facts.need_tokens == 0)
    return fail(ErrorCode::usage, what, "it has not learned how many experts a token needs", "train one with --need-every, or take prior-weight=0, which only tells what it predicts");
  return ExpertPrior{.input = shape.input, .width = shape.width, .first_layer = shape.first_layer, .layers = shape.layers, .experts = shape.experts,
                     .experts_used = shape.experts_used, .domains = shape.domains, .parameters = router.network.parameters(),
                     .need_mean = router.facts.need_mean, .weight = wanted.weight, .file = wanted.file};
}

}  // namespace fovea
