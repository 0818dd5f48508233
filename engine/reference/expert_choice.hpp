// Which experts a token goes to under a policy: how many of them, and away from (or towards) those that were called most.
//
// The number k(t): the fewest experts whose weights, normalised over the model's own number K, reach a threshold p (Huang et
// al. 2024, arXiv 2403.07652); or ceil(c exp(H)) with the entropy H of those weights; or fixed. A controller can hold the mean.
// The choice: by scores s times a factor h of the expert's load u, where the best expert always stays, a substitute has
// at least tau times the score of the k-th best, and weights come from s. Everything is in double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/reference/router.hpp"

namespace fovea::reference {

enum class CountRule { fixed, mass, entropy };
enum class LoadRule {
  off,
  seed,      // h = 1 - u
  headroom,  // h = 1 - gamma u / max(u)
  locality,  // h = 1 + gamma u / max(u)
  bias,      // h = exp(bias), the same for ever
  // A price instead of a factor: s / (sum of the model's own choice) - price. What keeps most mass for the evenness that it gives:
  // max sum of s / M - g / 2 CV^2 over all choices has the prices g (u / mean(u) - 1), the derivative of the second term.
  price,        // g = gamma / 4
  fixed_price,  // the same for ever, the rule's bias
};

enum class EscortForm {
  none,
  shadow,  // a call of its own with the weight 0
  weight,  // in place of the last expert of a token that has two or more, with a capped weight
};

// A new expert's escort: a share of all calls until it has had a number of them. A call is owed when the credit, which grows
// by the share with every call, reaches one; it is made for a token in which the new expert's log probability is above its
// running quantile, or at once when kOwedCalls are owed, as many as in the beginning.
struct EscortRule {
  EscortForm form = EscortForm::none;
  double share = 0.05, weight = 0.05;  // weight: the most of a call, of a token's whole
  std::uint64_t calls = 1000;
};
inline constexpr double kOwedCalls = 4, kMostOwedCalls = 64, kEscortStep = 0.1;
inline constexpr std::uint64_t kEscortUnit = 1048576;  // credit of one call: whole numbers add up to the same everywhere

class Escort {
 public:
  explicit Escort(const EscortRule& rule);
  // Whether a token with this number of experts calls the new one. `liking`: log of the new expert's score over the sum of the
  // others' exponentials.
  [[nodiscard]] bool calls(std::uint32_t experts, double liking);
  [[nodiscard]] std::uint64_t given() const { return given_; }
  [[nodiscard]] std::uint64_t of() const { return of_; }  // calls of all experts until the last that was given

 private:
  EscortRule rule_;
  std::uint64_t share_, credit_, given_ = 0, of_ = 0;
  double level_ = 0;
  bool begun_ = false;
};

struct ExpertRule {
  CountRule count = CountRule::fixed;
  std::uint32_t least = 1, most = 1;  // experts of a token
  double threshold = 0.7;             // mass: p; entropy: c
  double target = 0;                  // mean number that the controller holds by changing the threshold; 0: none
  LoadRule load = LoadRule::off;
  double gamma = -1;                  // negative: the controller of the coefficient of variation sets it, from 0
  double gamma_most = 0.95, cv = 0.07, retained = 0.97;  // the controller's: its most, its aim, the mass that must be kept
  double tau = 0.5, half_life = 2048;  // of u, in tokens
  std::vector<double> bias;            // of each expert's log score, or its price
  EscortRule escort;
};

// `weights`: of the model's own number of experts, in descending order; they need not sum to one.
[[nodiscard]] std::uint32_t expert_count(std::span<const double> weights, const ExpertRule& rule, double threshold);
// h of every expert, or its price.
[[nodiscard]] std::vector<double> load_factors(std::span<const double> load, LoadRule rule, double gamma);
// `count` experts in the order of their choice, the best first.
[[nodiscard]] std::vector<std::uint32_t> select_experts(std::span<const double> scores, std::span<const double> factors,
                                                        std::uint32_t count, double tau);
// The same with prices; `whole`: the sum of the scores of the model's own choice.
[[nodiscard]] std::vector<std::uint32_t> select_priced_experts(std::span<const double> scores, std::span<const double> prices, double whole,
                                                               std::uint32_t count, double tau);
// Of counts or of load: standard deviation over mean.
[[nodiscard]] double variation(std::span<const double> load);

// One layer's router, token after token from position 0. Load and controllers move at the end of every block of
// kRouterBlock tokens, so that the tokens of a block could be routed side by side; the controller of the mean number at the
// end of a period that grows with the sequence.
inline constexpr std::uint32_t kRouterBlock = 16;
inline constexpr std::uint32_t kNumberPeriod = 128;    // the longest
// Tokens of the period in which a position lies, whose end is a multiple of them: 16, from position 512 on 32, from 1,024 on 64.
[[nodiscard]] std::uint32_t number_period(std::uint64_t position);
inline constexpr std::uint32_t kColdTokens = 256;      // a given gamma is 0 before
inline constexpr std::uint32_t kControlTokens = 512;   // from one step of gamma's controller to the next
// Gamma moves by this much of what the coefficient of variation lacks, but up by no more, and down by no less, than the guard
// says: as large a part of itself as what was kept is above `retained`, over what may be lost; so its mean settles where the mass
// kept is `retained`. A small gamma moves as kLeastMovedGamma would.
inline constexpr double kGammaGain = 0.5, kGuardGain = 0.5, kLeastMovedGamma = 0.25;
// What the threshold's logit (log, of c) moves by per period and expert that is lacking, over the largest number of experts:
// a number of experts that grows evenly with the mass grows by at most a quarter of that largest number per unit of logit.
inline constexpr double kThresholdGain = 1.2, kThresholdIntegralGain = 0.12;

class ExpertRouter {
 public:
  // `used`: the model's own number; `normalize`: its convention of weights. Where it does not normalise, what is kept is
  // scaled to the sum of the model's own choice.
  ExpertRouter(std::uint32_t experts, std::uint32_t used, bool normalize, const ExpertRule& rule);
  // With an escort the logits have one more, the new expert's, which is called as the expert behind the others.
  // `shift`: what a semantic router adds to the threshold's logit, or of an entropy's factor to its logarithm; a threshold of 1 stays.
  // Logits that are NaN count as the least, and infinite ones as +-1e30; a shift that is no number shifts nothing.
  [[nodiscard]] Routing route(std::span<const float> logits, double shift = 0);

  [[nodiscard]] double threshold() const;
  [[nodiscard]] double gamma() const;  // in force now
  [[nodiscard]] const std::vector<double>& load() const { return load_; }
  [[nodiscard]] const Escort& escort() const { return escort_; }

 private:
  void end_block();
  std::uint32_t used_;
  bool normalize_;
  ExpertRule rule_;
  double control_ = 0, integral_ = 0, gamma_ = 0;
  std::uint64_t tokens_ = 0, period_slots_ = 0, window_mass_ = 0;
  std::vector<double> load_, calls_;
  Escort escort_;
};

}  // namespace fovea::reference
