// How many experts tokens got and which, as it was counted by the kernels that chose: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/model_summary.hpp"
#include "engine/api/trace.hpp"

namespace fovea {

// What was chosen in one layer.
struct LayerRouting {
  std::uint64_t tokens = 0;
  double kept_mass = 0;   // sum over tokens: router mass of the chosen experts over that of the model's own choice
  double moved_mass = 0;  // the same over that of the best experts of the same number: below the tokens where load moved choices
  std::uint64_t same = 0;               // chosen experts that are among those
  std::vector<std::uint64_t> counts;    // tokens by their number of experts less one
  std::vector<std::uint64_t> calls;     // by expert of the model's own
  std::uint64_t escorted = 0;           // of a new expert
  std::uint64_t predicted = 0;          // of experts that were among the best predicted before the layer ran (ExpertPrefetch)
  [[nodiscard]] std::uint64_t total_calls() const;
  [[nodiscard]] double mean_experts() const;  // of a token; 0 without tokens
};
// By layer; none where the model chooses for itself, and of dense models.
using RoutingWork = std::vector<LayerRouting>;
RoutingWork& operator+=(RoutingWork& sum, const RoutingWork& more);  // of one model
// A new expert's escort in one layer, since load was last forgotten.
struct EscortFacts {
  std::uint64_t calls = 0;      // of the new expert
  std::uint64_t of = 0;         // of all experts until its last one was given
  std::uint64_t tokens = 0;     // likewise
  double liking = 0;            // mean over these tokens of the log of its router probability beside the model's own experts
  double called_liking = 0;     // over those that called it
};
// How often a memory of `size` experts a layer would have held what a token called, in layers from `first_layer` on, had it been
// filled with the best predicted: a hit rate, since nothing is loaded ahead.
struct ExpertPrefetch {
  std::uint32_t size = 0, first_layer = 0;  // size 0: no semantic router predicts
  std::optional<double> recent;             // the same hit rate of a memory that keeps the experts called last; nullopt: not recorded
};
struct RoutingFacts {
  RoutingWork prefill, decode;
  ExpertPrefetch prefetch;
  std::vector<EscortFacts> escort;  // by layer; none without one
  [[nodiscard]] RoutingWork both() const;
};

// Share of calls in layers from the prefetch's first on whose experts had been predicted; nullopt: nothing was predicted or called.
[[nodiscard]] std::optional<double> predicted_hits(const RoutingFacts& facts);

// The same of a recorded run, without masses: `prefill` are the first `prompt_tokens`.
[[nodiscard]] RoutingFacts recorded_routing(const RoutingTrace& routing, std::uint32_t prompt_tokens);

// All layers as one: tokens are those of every layer.
[[nodiscard]] LayerRouting over_layers(const RoutingWork& work);
// Expert weights that a token reads on average where nothing is shared with other tokens, in bytes; with the model's own
// number of experts for no work.
[[nodiscard]] double expert_bytes(const ModelSummary& model, const RoutingWork& work);

}  // namespace fovea
