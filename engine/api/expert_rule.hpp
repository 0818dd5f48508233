// The rule by which a policy chooses experts: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// By what a token's number of experts is found, from the weights of the model's own choice.
enum class ExpertCount {
  fixed,    // kmax
  mass,     // the fewest whose weights reach the share p
  entropy,  // ceil(c exp(H)), H the entropy of the weights
};
[[nodiscard]] constexpr std::string_view name(ExpertCount count) {
  return count == ExpertCount::fixed ? "fixed" : count == ExpertCount::mass ? "mass" : "entropy";
}

// What load, the share of the last tokens that called an expert, does to its score.
enum class ExpertBalance {
  off,
  seed,      // score * (1 - load)
  headroom,  // score * (1 - gamma * load / largest load)
  locality,  // score * (1 + gamma * load / largest load)
  price,     // score / scores of the model's own choice - gamma / 4 * (load / mean load - 1)
};
[[nodiscard]] constexpr std::string_view name(ExpertBalance balance) {
  constexpr std::string_view kNames[]{"off", "seed", "headroom", "locality", "price"};
  return kNames[static_cast<int>(balance)];
}

// When load is forgotten.
enum class LoadReset {
  session,  // at the beginning of every run
  never,    // as long as the model is loaded: what was generated before changes what comes
  frozen,   // there is none: prices of experts, or a bias of log scores, that were measured before
};
[[nodiscard]] constexpr std::string_view name(LoadReset reset) {
  return reset == LoadReset::session ? "session" : reset == LoadReset::never ? "never" : "frozen";
}

// How a new expert is called while it is escorted.
enum class EscortMode {
  shadow,  // beside the token's own experts, with the weight 0: what comes out does not change
  weight,  // in place of the last of a token's experts, with a small weight
};
[[nodiscard]] constexpr std::string_view name(EscortMode mode) { return mode == EscortMode::shadow ? "shadow" : "weight"; }

// A new expert in every layer: a copy of one that is there, or one from a side file.
struct ExpertEscort {
  std::uint32_t copy_of = 0;   // where `file` is empty
  std::string file;            // GGUF: blk.N.ffn_{gate,up,down}_exps.weight of one expert, blk.N.ffn_gate_inp.weight of one row
  EscortMode mode = EscortMode::shadow;
  double share = 0.05;         // of all calls, until it has had `calls`
  std::uint32_t calls = 1000;
  double weight = 0.05;        // mode weight: the most of a call
  bool operator==(const ExpertEscort&) const = default;
};

// A semantic router whose predictions take part in the choice (engine/semantic_router/network.hpp has its shape and the order of its
// parameters): a token that is predicted to need more experts than most gets more of them, and the experts that it predicts are
// held against those that are called.
struct ExpertPrior {
  std::uint32_t input = 0, width = 0, first_layer = 0, layers = 0, experts = 0, experts_used = 0, domains = 0;
  std::vector<float> parameters;
  double need_mean = 1;  // the predicted need, 1 + sum_j P(need > j), of an average token
  double weight = 0;     // what each expert of predicted need above the average adds to the logit of p, or to the logarithm of c
  std::string file;      // that it was read from
  bool operator==(const ExpertPrior&) const = default;
};

struct ExpertRule {
  ExpertCount count = ExpertCount::mass;
  std::uint32_t kmin = 1, kmax = 0;       // experts of a token; kmax 0: the model's own number, which is the most
  std::vector<std::uint32_t> layer_kmax;  // of every layer, in place of kmax; empty: the same for all
  double p = 0.7;                         // mass
  std::vector<double> layer_p;            // of every layer, in place of p; empty: the same for all
  double c = 1;                           // entropy
  double target_k = 0;                    // mean number, which a controller of p or c holds in every layer; 0: none
  std::vector<double> layer_target_k;     // of every layer, in place of target_k; empty: the same for all
  std::optional<ExpertPrior> prior;       // mass and entropy
  ExpertBalance balance = ExpertBalance::off;
  std::optional<double> gamma;            // nullopt: set by a controller that wants `cv`, from 0 up to 0.95
  double cv = 0.07;                       // coefficient of variation of the load
  double retained = 0.97;                 // share of router mass below which the controller gives way
  double tau = 0.5;                       // a substitute has at least this share of the score of the last expert it may replace
  double half_life = 2048;                // of load, in tokens
  LoadReset reset = LoadReset::session;
  std::vector<float> bias;                // frozen: prices or of log scores, (layers, experts)
  bool priced = false;                    // frozen: they are prices, taken off score / scores of the model's own choice
  std::optional<ExpertEscort> escort;
  bool operator==(const ExpertRule&) const = default;
};

// A rule that was chosen for whatever model comes, for one that takes `experts_used` experts a token: numbers above that become
// that. nullopt: the model's own choice, whichever way the rule says it; always of a dense model, which has 0.
[[nodiscard]] std::optional<ExpertRule> fitted(const std::optional<ExpertRule>& rule, std::uint32_t experts_used);

}  // namespace fovea
