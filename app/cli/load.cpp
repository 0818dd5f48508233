#include "app/cli/load.hpp"

#include <optional>
#include <utility>

#include "engine/session/embedded_model.hpp"
#include "engine/session/expert_calibration.hpp"

namespace fovea::cli {

Result<std::filesystem::path> model_path(const CommonOptions& options) {
  if (options.model.empty()) return embedded_model();
  return std::filesystem::path(options.model);
}

namespace {

Result<std::unique_ptr<Engine>> load(const CommonOptions& options, const Policy& policy, const std::filesystem::path& path,
                                     std::optional<ExpertRule> experts, std::uint32_t context, std::stop_token stop) {
  EngineOptions engine_options;
  engine_options.experts = std::move(experts);
  engine_options.device = options.device;
  engine_options.kv = chosen_kv(policy);
  engine_options.kv_tiers = kv_tiers(policy);
  engine_options.activations = activation_type(policy);
  engine_options.attention = sparse_attention(policy);
  engine_options.top_share = top_share(policy);
  if (options.expert_budget) engine_options.expert_budget = static_cast<std::uint64_t>(*options.expert_budget * (1u << 20));
  engine_options.context = options.context != 0 ? options.context : context;
  return Engine::load(path, engine_options, {}, std::move(stop));
}

}  // namespace

Result<std::unique_ptr<Engine>> load_engine(const CommonOptions& options, std::uint32_t context, std::stop_token stop) {
  FOVEA_ASSIGN(const Policy policy, resolve_policy(options.policy));
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options));
  std::optional<ExpertRule> experts;
  if (!chooses_plainly(policy)) {
    FOVEA_ASSIGN(const ModelSummary summary, inspect(path));
    FOVEA_ASSIGN(experts, expert_rule(policy.moe, summary));
  }
  return load(options, policy, path, std::move(experts), context, std::move(stop));
}

Result<std::unique_ptr<Engine>> load_calibrated(const CommonOptions& options, std::uint32_t context, std::stop_token stop) {
  FOVEA_ASSIGN(const Policy policy, resolve_policy(options.policy));
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options));
  FOVEA_ASSIGN(const ModelSummary summary, inspect(path));
  FOVEA_ASSIGN(const std::optional<ExpertRule> given, expert_rule(policy.moe, summary));
  FOVEA_ASSIGN(ExpertRule rule, rule_to_calibrate(given, summary));
  return load(options, policy, path, std::move(rule), context, std::move(stop));
}

}  // namespace fovea::cli
