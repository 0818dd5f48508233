// What a run with sparse attention recorded of it: which pages its choices read, and on measured rows how much of dense
// attention under the same queries they hold. Immutable like the snapshots that hold it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/api/sparse_attention.hpp"

namespace fovea {

// Of one page of keys in a row of dense attention: the sum of its weights p, and that of p ln p.
struct PageShare {
  float mass = 0, log_mass = 0;
};

// What one step left of it, as plain views; empty: not recorded.
struct PageViews {
  // (layers that choose, tiles, kv_heads, choice_words): the estimated mass as the bits of a float, then a bit for every page
  // read. A tile is `tile_rows` consecutive queries from the step's first on; where a layer's choices are for more, they are repeated.
  std::span<const std::uint32_t> choices;
  std::uint32_t tiles = 0, tile_rows = 1, choice_words = 0;
  bool decoded = false;  // a token by itself, which chooses for itself in every layer
  // (layers, rows, query_heads, pages). Row i is the i-th position q of the step with (q + 1) a multiple of `every`.
  std::span<const PageShare> shares;
  std::uint32_t rows = 0, pages = 0, every = 0;
  AttentionFacts facts;  // since the run began
};

enum class PagePart { sinks, window, chosen, left_out };

// The choice that some consecutive queries share. Views stay valid as long as the trace.
struct ChosenPages {
  std::uint32_t first_query = 0, queries = 1;
  std::uint32_t first_remote = 0, end_remote = 0;  // pages there were to choose from
  float mass = 1;                                  // estimated mass of the pages read
  std::span<const std::uint32_t> bits;             // a bit for every page; empty: all are read
  [[nodiscard]] bool reads(std::uint32_t page) const { return bits.empty() || (page / 32 < bits.size() && (bits[page / 32] >> (page % 32) & 1) != 0); }
  [[nodiscard]] PagePart part(std::uint32_t page) const;
  // Of the pages up to `query`'s own: how many are read.
  [[nodiscard]] std::uint32_t pages_read(std::uint32_t query) const;
};

// What dense attention of one query head in one row says of a choice. Entropies are over the logarithm of the number of keys:
// 1 is even attention.
struct RowMeasure {
  float recall = 1;        // mass on the pages read
  float oracle = 1;        // that as many pages would hold, had they been chosen by the KV head's true mass in this row
  float entropy = 0;       // of dense attention
  float kept_entropy = 0;  // of the pages read alone
};
struct MeasuredRow {
  std::uint32_t query = 0;
  std::vector<RowMeasure> heads;  // (layers, query_heads)
  std::vector<std::uint8_t> whole;  // (layers, kv_heads): 1 where everything was read
};

// Choices of consecutive tiles, all of one step or of consecutive decoded tokens.
struct PageChoiceChunk {
  std::uint32_t first_query = 0, queries = 0, tile_rows = 1;
  bool decoded = false;
  std::uint32_t words = 0;
  std::vector<std::uint32_t> choices;  // (tiles, layers that choose, kv_heads, words): as PageViews::choices
};

struct PageTrace {
  std::optional<SparseAttention> policy;  // nullopt: dense, everything is read
  std::uint32_t layers = 0, query_heads = 0, kv_heads = 0;
  std::uint32_t every = 0;                // of how many rows one is measured
  std::vector<std::shared_ptr<const PageChoiceChunk>> choices;  // ascending
  std::vector<std::shared_ptr<const MeasuredRow>> rows;         // ascending
  AttentionFacts facts;                                         // of the run so far
  [[nodiscard]] bool chooses(std::uint32_t layer) const { return policy && layer >= policy->dense_layers; }
  // nullopt: not recorded.
  [[nodiscard]] std::optional<ChosenPages> choice(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t query) const;
  [[nodiscard]] const MeasuredRow* row(std::uint32_t query) const;  // nullptr: not measured
  [[nodiscard]] const RowMeasure* measure(std::uint32_t layer, std::uint32_t head, std::uint32_t query) const;
};

// Which pages the policy leaves to be chosen for queries [first_query, ...): [first, end).
struct RemotePages {
  std::uint32_t first = 0, end = 0;
};
[[nodiscard]] RemotePages remote_pages(const SparseAttention& policy, std::uint32_t first_query);

// What a choice kept of row `query`, of the query heads of one KV head together: shares (heads, stride).
void measure_row(std::span<const PageShare> shares, std::uint32_t stride, std::uint32_t query, const ChosenPages& choice, std::span<RowMeasure> out);

// Rows above this normalised entropy are told apart: no choice of a quarter of the pages can hold most of them.
inline constexpr float kFlatRow = 0.85f;

struct Spread {
  double mean = 0, p5 = 0;
};
// Of a layer, or of one of its heads. Recall is of rows in which something was left out; entropies are of all.
struct RecallFigures {
  std::uint32_t measured = 0, sparse = 0, flat = 0;  // (row, head) pairs: all; those with something left out; of these the flat ones
  Spread recall, oracle;                             // 0 where sparse is 0
  double flat_recall = 0;                            // mean over the flat ones
  double entropy = 0, kept_entropy = 0;              // means
};
using MeasuredRows = std::span<const std::shared_ptr<const MeasuredRow>>;
// `head`: nullopt: all. `first_layer` to `end_layer`: counted together.
[[nodiscard]] RecallFigures recall_figures(MeasuredRows rows, std::uint32_t query_heads, std::uint32_t first_layer, std::uint32_t end_layer,
                                           std::optional<std::uint32_t> head = std::nullopt);

}  // namespace fovea
