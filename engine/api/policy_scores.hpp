// How policies predict one text, position by position: plain values, and the figures that both fronts tell of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/api/policy_text.hpp"

namespace fovea {

// Tokens that policies are asked to predict, each from all before it (teacher forcing).
struct ScoredText {
  std::string name;       // "the tokens of A", or a file
  std::string file;       // its text is read and tokenised; "" = the tokens are given
  std::vector<std::int32_t> tokens;
  std::uint32_t first = 1;  // the first token that is scored; 0 has nothing before it
  std::uint32_t most = 0;   // of a file: tokens that are used; 0: as many as the context holds
};

// Of token first + i, given the tokens before it.
struct PairScores {
  std::string text;             // which one
  std::uint32_t first = 1;
  std::vector<double> nll_a, nll_b;       // -ln of its probability, nats
  std::vector<double> kl;                 // Kullback-Leibler divergence of B's distribution from A's, nats: sum p_A ln(p_A / p_B)
  std::vector<std::uint8_t> same_top;     // 1: both have the same most likely token
  [[nodiscard]] std::size_t count() const { return kl.size(); }
};

struct PairFigures {
  double kl_mean = 0, kl_p99 = 0, same_top = 1;
  double perplexity_a = 1, perplexity_b = 1;
  double delta_ppl_percent = 0;  // of B over A
  // Standard error of the latter: that of the mean of the paired differences of losses, by first order; 0 below two tokens.
  double delta_stderr_percent = 0;
};
// nullopt: nothing was scored.
[[nodiscard]] std::optional<PairFigures> pair_figures(const PairScores& scores);

// One policy on the text.
struct FrontierPoint {
  PolicyText policy;
  bool fixed = true;         // a static number of experts
  double k_mean = 0;         // experts of a token and layer
  double expert_bytes = 0;   // that a token reads of experts where it is decoded alone, derived
  double perplexity = 1;
  double delta_ppl_percent = 0, delta_stderr_percent = 0;  // over the model's own choice, as PairFigures has them
};
struct Frontier {
  std::string text;
  std::uint32_t tokens = 0;  // scored
  double own_bytes = 0;      // expert bytes of the model's own choice
  std::vector<FrontierPoint> points;
};

struct PairedLosses {
  double perplexity = 1, standard = 1;  // of the judged policy, and of the one that it is held against
  double delta_percent = 0, delta_stderr_percent = 0;
};
// Losses of the same tokens, as many of each.
[[nodiscard]] PairedLosses paired_losses(std::span<const double> judged, std::span<const double> standard);

}  // namespace fovea
