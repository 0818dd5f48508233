// Policies held against each other on the tokens of one text, two at a time with a model of its own in memory each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>

#include "engine/api/policy_scores.hpp"
#include "engine/session/engine.hpp"

namespace fovea {

// What is being done and how far it is, 0 to 1.
using ScoreProgress = std::function<void(const char* doing, double fraction)>;
using TakeFrontier = std::function<void(const Frontier& so_far)>;

struct ScoringModel {
  std::filesystem::path path;
  std::int32_t device = -1;
  std::uint32_t context = 0;  // 0: as Engine::load has it
};

// A model with a policy as a run's record writes it.
// Errors: a policy that is none, that names a file (a bias is not part of a record), that the model cannot do; those of load().
[[nodiscard]] Result<std::unique_ptr<Engine>> load_with(const ScoringModel& model, const PolicyText& policy, std::stop_token stop = {});

// The tokens of a text, of a file with the model's own tokenizer.
// Errors: an unreadable file, one too short to score, ids that the model does not know, more than the context holds.
[[nodiscard]] Result<ScoredText> resolve_text(const Engine& engine, ScoredText text);

// Tokens [text.first, ...) under A and B, each with the logits of both for all tokens before it. Errors: as logits().
[[nodiscard]] Result<PairScores> score_pair(Engine& a, Engine& b, const ScoredText& text, const ScoreProgress& progress = {}, std::stop_token stop = {});
// The same with models loaded for it.
[[nodiscard]] Result<PairScores> score_policies(const ScoringModel& model, const ScoredText& text, const PolicyText& a, const PolicyText& b,
                                                const ScoreProgress& progress = {}, std::stop_token stop = {});

// Static numbers of experts from 1 to the model's own, then `policies`; their losses beside the model's own choice. `attention`,
// `kv` and `activations` of a static point are those of `base`. Points come as they are measured, with one model in memory that is
// loaded again only for another type of cache or activations, or an escort.
// Errors: a dense model; those of the others.
[[nodiscard]] Result<Frontier> measure_frontier(const ScoringModel& model, const ScoredText& text, const PolicyText& base, std::span<const PolicyText> policies,
                                                const ScoreProgress& progress = {}, const TakeFrontier& take = {}, std::stop_token stop = {});

}  // namespace fovea
