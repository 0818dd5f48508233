#include "app/cli/load.hpp"

#include "engine/session/embedded_model.hpp"

namespace fovea::cli {

Result<std::filesystem::path> model_path(const CommonOptions& options) {
  if (options.model.empty()) return embedded_model();
  return std::filesystem::path(options.model);
}

Result<std::unique_ptr<Engine>> load_engine(const CommonOptions& options, std::uint32_t context, std::stop_token stop) {
  FOVEA_ASSIGN(const Policy policy, resolve_policy(options.policy));
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options));
  EngineOptions engine_options;
  if (!chooses_plainly(policy)) {
    FOVEA_ASSIGN(const ModelSummary summary, inspect(path));
    FOVEA_ASSIGN(engine_options.experts, expert_rule(policy.moe, summary));
  }
  engine_options.device = options.device;
  engine_options.kv = kv_type(policy);
  engine_options.activations = activation_type(policy);
  engine_options.attention = sparse_attention(policy);
  engine_options.context = options.context != 0 ? options.context : context;
  return Engine::load(path, engine_options, {}, std::move(stop));
}

}  // namespace fovea::cli
