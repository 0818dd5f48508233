// A text scored in windows, as llama-perplexity does, under one policy or under two side by side.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/api/divergence.hpp"
#include "engine/api/nll_score.hpp"
#include "engine/base/result.hpp"
#include "engine/session/engine.hpp"

namespace fovea {

struct EvaluationOptions {
  std::string file;           // that the tokens are of, for messages
  std::uint32_t windows = 0;  // at most; 0: as many as the text fills
  std::uint32_t last = 0;     // predictions of a window that are scored: the last ones; 0: the second half
  std::uint32_t measure = 0;  // sparse attention: recall in every so many rows; 0: in none
  bool decoded = false;       // scored positions are computed one by one by the steps of decoding
};

// What was scored.
struct Evaluation {
  NllScore score;
  std::uint32_t window = 0, windows = 0;
  std::size_t text_tokens = 0;
  double seconds = 0;
  AttentionFacts attention;  // of all windows
  std::vector<std::shared_ptr<const MeasuredRow>> measured;  // likewise
  RoutingFacts routing;      // likewise, of a policy of experts
  NllScore standard;         // of the policy that it is held against
  NllScore difference;       // of the losses of both, token by token: the policy's less the other's
  Divergence divergence;
};

using EvaluationProgress = std::function<void(const Evaluation&)>;  // after every window

// `standard`: of the policy that it is held against; null: none. Windows of `window` tokens, at least 2.
// Errors: a text that does not fill a window, what the engines say, a stop.
[[nodiscard]] Result<Evaluation> evaluate(Engine& engine, Engine* standard, const EvaluationOptions& options, std::span<const TokenId> tokens,
                                          std::uint32_t window, const EvaluationProgress& progress, std::stop_token stop);

// Of how much larger the perplexity is than the standard's, in percent: by first order from the paired differences of losses, which vary
// far less than the losses do. Neighbouring tokens are taken as independent. 0 below two tokens.
[[nodiscard]] inline double percent_above_error(const NllScore& difference) {
  return 100 * std::exp(difference.mean()) * difference.standard_error_of_mean();
}

// How much larger the perplexity is than the standard's.
[[nodiscard]] inline double percent_above(double perplexity, double standard) { return 100 * (perplexity / standard - 1); }

}  // namespace fovea
