// How the experts of recorded tokens follow each other: how few do most of the work, how soon one is called again, and which
// follows which from layer to layer. Plain arithmetic, fed token by token.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/api/trace.hpp"

namespace fovea {

// Share of all calls that the 1, 2, ... busiest experts take: ascending, the last is 1. Empty for no calls.
[[nodiscard]] std::vector<double> busiest_shares(std::span<const std::uint64_t> calls);

// How soon experts are called again: for every call, how many distinct experts its layer had called since (the stack distance of
// Mattson, Gecsei, Slutz and Traiger, 1970), which tells the hit rate of every memory that keeps the last n experts of a layer.
class ExpertReuse {
 public:
  ExpertReuse() = default;
  ExpertReuse(std::uint32_t layers, std::uint32_t experts);

  // The experts of the next token in a layer, the one of largest weight first; all are looked up before any counts as used.
  // `prefill`: in whose sums they count; what was used before is remembered across both.
  void add(std::uint32_t layer, std::span<const ExpertChoice> chosen, bool prefill);
  // Entry n - 1: share of the calls whose expert was among the last n distinct ones of its layer, n up to all experts. A first
  // call is never. Of one layer or of all; empty for no calls.
  [[nodiscard]] std::vector<double> hit_rates(bool prefill, std::optional<std::uint32_t> layer) const;

 private:
  struct Sums {
    std::vector<std::uint64_t> by_distance;  // (layers, experts): calls that found their expert at that place, the last used first
    std::vector<std::uint64_t> calls;        // by layer, first ones included
  };
  std::uint32_t layers_ = 0, experts_ = 0;
  std::vector<std::vector<std::uint16_t>> last_;  // of each layer, the last used first
  Sums sums_[2];                                  // [prefill]
};

// Of a recorded run, prompt and generation: the hit rate of a memory that keeps the last `size` experts of each layer, in layers
// from `first_layer` on; nullopt: nothing was recorded there.
[[nodiscard]] std::optional<double> recent_hits(const RoutingTrace& routing, std::uint32_t size, std::uint32_t first_layer);

// From which main expert of a layer to which of the next, token by token.
class ExpertTransitions {
 public:
  static constexpr std::uint64_t kMostCells = 8u << 20;  // of one phase; beyond that nothing is counted

  ExpertTransitions() = default;
  ExpertTransitions(std::uint32_t layers, std::uint32_t experts);

  // kUnusedSlot in place of an expert: not recorded. `main`: one expert for each layer.
  void add(std::span<const std::uint16_t> main, bool prefill);
  [[nodiscard]] bool counts() const { return cells() > 0; }
  // Tokens that went from each expert of `layer` (rows) to each of layer + 1 (columns).
  [[nodiscard]] std::span<const std::uint32_t> from(std::uint32_t layer, bool prefill) const;

 private:
  [[nodiscard]] std::size_t cells() const { return sums_[0].size(); }
  std::uint32_t layers_ = 0, experts_ = 0;
  std::vector<std::uint32_t> sums_[2];  // [prefill], (layers - 1, experts, experts)
};

// What knowing the row tells of the column, in the tokens that were counted: how often the most frequent column of its row is the
// right one, and how often the most frequent column of all is. nullopt for no tokens.
struct Foresight {
  double knowing = 0, guessing = 0;
};
[[nodiscard]] std::optional<Foresight> foresight(std::span<const std::uint32_t> counts, std::uint32_t columns);

}  // namespace fovea
