#include "engine/session/policy_scoring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/api/divergence.hpp"
#include "engine/api/nll_score.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/paired_logits.hpp"
#include "engine/session/policy.hpp"

namespace fovea {
namespace {

constexpr std::size_t kLongestText = std::size_t{64} << 20;  // bytes of a file
constexpr std::uint32_t kLeastScored = 2;                    // tokens

Error stopped() { return {ErrorCode::cancelled, "the comparison", "it was stopped", "start it again when wanted"}; }

// Losses of one policy, and what its experts did.
struct Losses {
  std::vector<double> nll;
  LayerRouting experts;
  double expert_bytes = 0;
};

Result<Losses> score_alone(Engine& engine, const ScoredText& text, const std::function<void(double)>& tell, std::stop_token stop) {
  Losses losses;
  const double count = static_cast<double>(text.tokens.size() - text.first);
  const auto take = [&](std::uint32_t position, std::span<const float> logits, std::span<const float>) {
    if (position + 1 >= text.tokens.size()) return;
    losses.nll.push_back(log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(text.tokens[position + 1])]));
    tell(static_cast<double>(losses.nll.size()) / count);
  };
  FOVEA_TRY(paired_logits(engine, nullptr, text.tokens, text.first - 1, take, std::move(stop)));
  FOVEA_ASSIGN(const RoutingFacts facts, engine.routing_facts());
  const RoutingWork work = facts.both();
  losses.experts = over_layers(work);
  losses.expert_bytes = expert_bytes(engine.summary(), work);
  return losses;
}

// What a policy asks of a load. Errors: as load_with().
Result<EngineOptions> options_of(const ScoringModel& model, const PolicyText& policy) {
  const PolicyOptions written{policy.attention, policy.moe, policy.kv, policy.activations, ""};
  for (const auto& [which, text] : {std::pair("attention", policy.attention), {"moe", policy.moe}, {"kv", policy.kv}, {"activations", policy.activations}})
    if (const std::string problem = spec_problem(which, text); !problem.empty())
      return fail(ErrorCode::usage, "the policy", fmt::format("{}: {}", which, problem), "compare runs of policies that this version runs");
  FOVEA_ASSIGN(const Policy parts, resolve_policy(written));
  if (parts.moe.find("bias") != nullptr)
    return fail(ErrorCode::unsupported, "the policy", "its frozen bias is a file, which a run does not carry", "name the policies with --a and --b instead");
  EngineOptions options{.device = model.device, .context = model.context, .kv = kv_type(parts), .kv_tiers = kv_tiers(parts), .activations = activation_type(parts),
                        .attention = sparse_attention(parts), .top_share = top_share(parts)};
  if (!chooses_plainly(parts)) {
    FOVEA_ASSIGN(const ModelSummary summary, inspect(model.path));
    FOVEA_ASSIGN(options.experts, expert_rule(parts.moe, summary));
  }
  return options;
}

bool escorts(const std::optional<ExpertRule>& rule) { return rule && rule->escort; }

// `engine` with another policy, its weights where they are, or a model loaded with it: a cache of another type and an expert more
// come with a load alone.
Result<void> take_policy(std::unique_ptr<Engine>& engine, const ScoringModel& model, const PolicyText& now, const PolicyText& next, std::stop_token stop) {
  FOVEA_ASSIGN(const EngineOptions options, options_of(model, next));
  const bool stays = engine != nullptr && now.kv == next.kv && now.activations == next.activations && !escorts(options.experts) &&
                     !escorts(engine->summary().experts_rule);
  if (stays) {
    FOVEA_TRY(engine->choose_attention(options.attention));
    return engine->choose_experts(fitted(options.experts, engine->summary().experts_used));
  }
  engine.reset();  // one model in memory at a time
  FOVEA_ASSIGN(engine, Engine::load(model.path, options, {}, std::move(stop)));
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> load_with(const ScoringModel& model, const PolicyText& policy, std::stop_token stop) {
  FOVEA_ASSIGN(const EngineOptions options, options_of(model, policy));
  return Engine::load(model.path, options, {}, std::move(stop));
}

Result<ScoredText> resolve_text(const Engine& engine, ScoredText text) {
  const std::string what = text.file.empty() ? "the text" : "text file " + shown_name(text.file);
  const std::uint32_t context = engine.summary().context;
  if (!text.file.empty()) {
    FOVEA_ASSIGN(const std::string bytes, read_file(text.file, what, kLongestText));
    const std::vector<TokenId> tokens = engine.tokenizer().encode(bytes, {.add_bos = true, .parse_special = false});
    const std::size_t most = std::min<std::size_t>({tokens.size(), text.most == 0 ? context : text.most, context});
    text.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(most));
    text.first = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(most) / 4);
  }
  text.first = std::max(text.first, 1u);
  if (text.tokens.size() < std::size_t{text.first} + kLeastScored)
    return fail(ErrorCode::usage, what, fmt::format("its {} tokens leave too few to predict", text.tokens.size()), "use a longer text");
  if (text.tokens.size() > context)
    return fail(ErrorCode::usage, what, fmt::format("it has {} tokens and the context {}", text.tokens.size(), context), "use a shorter text or a larger -c");
  return text;
}

Result<PairScores> score_pair(Engine& a, Engine& b, const ScoredText& text, const ScoreProgress& progress, std::stop_token stop) {
  PairScores scores{.text = text.name, .first = text.first};
  const double count = static_cast<double>(text.tokens.size() - text.first);
  // A is the standard: divergences are from its predictions.
  const auto take = [&](std::uint32_t position, std::span<const float> of_b, std::span<const float> of_a) {
    if (position + 1 >= text.tokens.size()) return;
    const auto target = static_cast<std::size_t>(text.tokens[position + 1]);
    const PairedPrediction prediction = paired_prediction(of_a, of_b, target);
    scores.nll_a.push_back(prediction.standard_loss);
    scores.nll_b.push_back(prediction.judged_loss);
    scores.kl.push_back(prediction.kl);
    scores.same_top.push_back(prediction.same_top ? 1 : 0);
    if (progress) progress("Scoring the text", static_cast<double>(scores.count()) / count);
  };
  FOVEA_TRY(paired_logits(b, &a, text.tokens, text.first - 1, take, stop));
  if (scores.count() != text.tokens.size() - text.first) return tl::unexpected(stopped());
  return scores;
}

Result<PairScores> score_policies(const ScoringModel& model, const ScoredText& text, const PolicyText& a, const PolicyText& b,
                                  const ScoreProgress& progress, std::stop_token stop) {
  const auto tell = [&](const char* doing, double fraction) {
    if (progress) progress(doing, fraction);
  };
  tell("Loading the model", 0);
  FOVEA_ASSIGN(const auto engine_a, load_with(model, a, stop));
  tell("Loading the model", 0.5);
  FOVEA_ASSIGN(const auto engine_b, load_with(model, b, stop));
  FOVEA_ASSIGN(const ScoredText resolved, resolve_text(*engine_a, text));
  return score_pair(*engine_a, *engine_b, resolved, progress, std::move(stop));
}

Result<Frontier> measure_frontier(const ScoringModel& model, const ScoredText& text, const PolicyText& base, std::span<const PolicyText> policies,
                                  const ScoreProgress& progress, const TakeFrontier& take, std::stop_token stop) {
  FOVEA_ASSIGN(const ModelSummary summary, inspect(model.path));
  if (summary.experts_used == 0)
    return fail(ErrorCode::unsupported, "the frontier", "not applicable: this model is dense, it has no experts to choose", "open a mixture");
  // The model's own choice first, since all others are held against it; its kernels count nothing, so it is written as a rule.
  std::vector<std::pair<PolicyText, bool>> measured;
  for (std::uint32_t k = summary.experts_used; k > 0; --k) {
    PolicyText fixed = base;
    fixed.moe = k == summary.experts_used ? "dynamic:p=1" : fmt::format("static:k={}", k);
    measured.emplace_back(std::move(fixed), true);
  }
  for (const PolicyText& policy : policies)
    if (!policy.moe.starts_with("static:k=") && policy.moe != "static") measured.emplace_back(policy, false);
  Frontier frontier{.text = text.name};
  ScoredText resolved;
  std::unique_ptr<Engine> engine;
  std::vector<double> own;
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const auto tell = [&](const char* doing, double fraction) {
      if (progress) progress(doing, (static_cast<double>(i) + fraction) / static_cast<double>(measured.size()));
    };
    tell("Loading the model", 0);
    FOVEA_TRY(take_policy(engine, model, measured[i > 0 ? i - 1 : 0].first, measured[i].first, stop));
    if (i == 0) {
      FOVEA_ASSIGN(resolved, resolve_text(*engine, text));
    }
    FOVEA_ASSIGN(const Losses losses, score_alone(*engine, resolved, [&](double done) { tell("Scoring the text", 0.3 + 0.7 * done); }, stop));
    if (losses.nll.size() != resolved.tokens.size() - resolved.first) return tl::unexpected(stopped());
    if (i == 0) {
      own = losses.nll;
      frontier.tokens = static_cast<std::uint32_t>(own.size());
      frontier.own_bytes = losses.expert_bytes;
    }
    const PairedLosses paired = paired_losses(losses.nll, own);
    FrontierPoint point{.policy = measured[i].first, .fixed = measured[i].second, .k_mean = losses.experts.mean_experts(),
                        .expert_bytes = losses.expert_bytes, .perplexity = paired.perplexity,
                        .delta_ppl_percent = paired.delta_percent, .delta_stderr_percent = paired.delta_stderr_percent};
    if (i == 0) point.policy.moe = fmt::format("static:k={}", summary.experts_used);
    frontier.points.push_back(std::move(point));
    if (take) take(frontier);
  }
  return frontier;
}

}  // namespace fovea
