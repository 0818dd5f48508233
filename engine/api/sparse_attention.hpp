// Sparse attention by pages, as a policy chooses it, and what a run of it did: plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace fovea {

// By what the attention mass of a page is estimated.
enum class PageScorer {
  automatic,  // the mean keys of its halves and how far keys spread around them
  quest,      // the largest score that the bounds of its keys allow
  mean,       // its mean key
};
[[nodiscard]] constexpr std::string_view name(PageScorer scorer) {
  return scorer == PageScorer::quest ? "quest" : scorer == PageScorer::mean ? "mean" : "auto";
}
[[nodiscard]] constexpr std::optional<PageScorer> page_scorer_named(std::string_view text) {
  if (text == "auto") return PageScorer::automatic;
  if (text == "quest") return PageScorer::quest;
  if (text == "mean") return PageScorer::mean;
  return std::nullopt;
}

enum class PageBudget {
  strict,    // `global` of the remote pages
  adaptive,  // as few of them as reach the estimated mass
};

// Whose queries choose the pages that a decoded token reads. A prompt's tiles choose by their own.
enum class PageChooser {
  own,    // the token's, layer by layer
  ahead,  // in each layer those of the token before, so that all layers choose before the token's first step
};
[[nodiscard]] constexpr std::string_view name(PageChooser chooser) { return chooser == PageChooser::own ? "own" : "ahead"; }
[[nodiscard]] constexpr std::optional<PageChooser> page_chooser_named(std::string_view text) {
  if (text == "own") return PageChooser::own;
  if (text == "ahead") return PageChooser::ahead;
  return std::nullopt;
}

// What a query sees of the pages that it does not read.
enum class PagePeriphery {
  off,    // nothing
  means,  // where its attention is flat, their mean values, weighted by their estimated mass
};
[[nodiscard]] constexpr std::string_view name(PagePeriphery periphery) { return periphery == PagePeriphery::means ? "means" : "off"; }
[[nodiscard]] constexpr std::optional<PagePeriphery> page_periphery_named(std::string_view text) {
  if (text == "off") return PagePeriphery::off;
  if (text == "means") return PagePeriphery::means;
  return std::nullopt;
}

inline constexpr std::uint32_t kAttentionPage = 32;  // positions
inline constexpr std::uint32_t kChoiceRows = 16;     // queries of a prompt that share a choice; no layer's are more
inline constexpr std::uint32_t kChoiceSamples = 4;   // of those, the ones that it is made by; likewise

struct SparseAttention {
  std::uint32_t window = 512;       // positions up to the query's own that are always read, widened to whole pages
  double global = 0.25;             // share of the other pages that is read (strict)
  std::uint32_t sinks = 32;         // first positions that are always read, widened likewise
  PageScorer scorer = PageScorer::automatic;
  std::uint32_t dense_layers = 2;   // first layers that read everything
  // Shares of the other pages that the model's first layers read, from layer 0 on, whatever the budget; 1: everything.
  std::vector<double> layer_shares = {};
  // Queries of a prompt that share a choice, in the model's first layers, from layer 0 on: 16, 8, 4, 2 or 1; the others: kChoiceRows. And by how
  // many of them it is made: 1, 2 or 4; the others: kChoiceSamples.
  std::vector<std::uint32_t> layer_rows = {}, layer_samples = {};
  bool by_depth = false;            // both are yet to become what suits the model's number of layers (fitted())
  std::uint32_t dense_below = 1024; // so do queries that see fewer keys
  PageBudget budget = PageBudget::strict;
  double mass = 0.95;               // adaptive: the estimated share of attention to reach
  double least = 0.08, most = 0.40; // adaptive: share of the other pages that is read at any rate, and at most
  // A choice whose estimated attention is flatter, by entropy over ln(keys), may read the share `widen` of the other pages; 0: none.
  double flat = 0.85, widen = 0;
  std::optional<double> target = std::nullopt;  // adaptive: mean share of the other pages that a controller moves `mass` to reach
  bool heads_by_entropy = true;     // KV heads of a layer get more or less by their effective number of keys, the sum being the same
  PagePeriphery periphery = PagePeriphery::off;
  // A decoded token that sees fewer keys reads everything; none: below as many as make a choice pay on the device.
  std::optional<std::uint32_t> decode_dense_below = std::nullopt;
  PageChooser chooser = PageChooser::ahead;
  // ahead: tokens at multiples of this position choose, those between read what they chose; a power of two, a page at most; none: as many
  // as make a choice pay on the device.
  std::optional<std::uint32_t> every = std::nullopt;
  // On a CPU driver choices for every second token take some tenth of the time of decoding, on a GPU next to nothing (docs/performance.md).
  [[nodiscard]] std::uint32_t every_on(bool cpu) const { return every.value_or(cpu ? 4 : 2); }
  [[nodiscard]] std::uint32_t rows_of(std::uint32_t layer) const { return layer < layer_rows.size() ? layer_rows[layer] : kChoiceRows; }
  [[nodiscard]] std::uint32_t samples_of(std::uint32_t layer) const { return std::min(layer < layer_samples.size() ? layer_samples[layer] : kChoiceSamples, rows_of(layer)); }
  bool operator==(const SparseAttention&) const = default;
};

// What a model of so many layers takes of a rule by depth: the first layer reads the budget's share, the second three times as much, up
// to three quarters (at least the budget's share); in models of ten layers or fewer choices are for fewer queries of a prompt. Of the
// embedded model's six layers a sparse first one costs next to nothing, and the second most of what a choice costs (docs/reference.md);
// of no other model is it measured.
[[nodiscard]] SparseAttention fitted(SparseAttention rule, std::uint32_t layers);

// What choices in one layer did, all KV heads together. A decoded token makes a choice per KV head, a prompt one per KV
// head and tile of 16 tokens or fewer.
struct PageChoices {
  std::uint64_t choices = 0, whole = 0;  // made; of those, the ones that read everything since it was little
  std::uint64_t skipped = 0;             // (token, page, KV head) triples that were not read
  std::uint64_t scored = 0;              // (sampled token, page, KV head) triples that were scored
  std::uint64_t remote = 0, chosen = 0;  // pages there were to choose from, and chosen ones
  double mass = 0, entropy = 0;          // sums over choices, without whole ones: estimated mass read; entropy over ln(keys)
};
struct AttentionWork {
  double causal_pairs = 0;              // (token, key) pairs of one head
  std::vector<PageChoices> layers;      // none: no choices of pages
  std::optional<double> top_pairs = {}; // of attention to the largest weights: (token, key) pairs of one head that were kept
};
// How many of a row's keys the share `keep` leaves: in millionths, rounded up, one at least.
[[nodiscard]] std::uint64_t top_keys(std::uint64_t keys, double keep);

AttentionWork& operator+=(AttentionWork& sum, const AttentionWork& more);  // of one model
struct AttentionFacts {
  AttentionWork prefill, decode;
  [[nodiscard]] AttentionWork both() const;
};

// Attended (query, key) pairs over causal ones, all `layers` of `kv_heads` counted; 1 where nothing was computed.
[[nodiscard]] double attention_density(const AttentionWork& work, std::uint32_t kv_heads);
// Share of the choices that had to read everything, since it was little; 0 where none was made.
[[nodiscard]] double whole_share(const AttentionWork& work);
// (token, page, KV head) triples that a periphery of means estimates once more in a layer that left pages out: all pages before the
// token's, counted as a page for every kAttentionPage causal pairs.
[[nodiscard]] double periphery_scored(const AttentionWork& work, const PageChoices& layer, std::uint32_t kv_heads);
// Multiplications of attention, choosing and what is seen of the periphery included, over those of dense attention.
[[nodiscard]] double attention_flops_ratio(const AttentionWork& work, std::uint32_t kv_heads, const SparseAttention& rule);

}  // namespace fovea
