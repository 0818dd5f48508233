// What to record of a run, and what was recorded: immutable snapshots that any thread may read.
//
// A snapshot holds shared pointers to frozen chunks, so publishing one costs a few pointers and an old one stays valid
// for whoever is painting it. What was not recorded is absent, never zero.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/api/kernel_times.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/api/kv_tiers.hpp"
#include "engine/api/page_trace.hpp"

namespace fovea {

struct HeadId {
  std::uint32_t layer = 0, head = 0;  // query head
  friend bool operator==(const HeadId&, const HeadId&) = default;
};

// The subscription. Empty: the plain plan runs and nothing extra is computed.
struct TracePlan {
  std::vector<HeadId> heads;         // exact attention rows of these
  bool all_heads = false;            // of every layer and head, while the rows fit attention_budget_bytes
  bool routing = true;               // experts and their weights, every layer and token (mixtures only)
  // Sparse attention: the pages that every choice read, and of every Nth row how dense attention spreads over pages (all
  // layers and heads); of fewer rows where they would take too much memory. 0: neither.
  std::uint32_t measure_every = 0;
  std::uint64_t attention_budget_bytes = 512ull << 20;  // of recorded rows on the host, and again of choices of pages; older rows stay, new ones are not recorded beyond it
  [[nodiscard]] bool records_attention() const { return all_heads || !heads.empty(); }
};

struct TokenText {
  std::int32_t id = -1;
  std::string text;   // whole code points that this token completed; may be "" inside a character
  std::string piece;  // the vocabulary's own spelling
  bool prompt = false;
};

// Consecutive attention rows of one head. Row r belongs to query first_query + r and has first_query + r + 1 weights
// (keys 0..query), stored as IEEE half; each row sums to one up to rounding.
struct AttentionChunk {
  std::uint32_t first_query = 0, rows = 0;
  std::vector<std::uint16_t> weights;
  [[nodiscard]] std::span<const std::uint16_t> row(std::uint32_t query) const;  // empty outside the chunk
};

struct HeadTrace {
  HeadId id;
  std::vector<std::shared_ptr<const AttentionChunk>> chunks;  // ascending, gaps possible
  [[nodiscard]] std::span<const std::uint16_t> row(std::uint32_t query) const;  // empty = not recorded
};

inline constexpr std::uint16_t kUnusedSlot = 0xFFFF;  // in place of an expert: the token used fewer; used slots come first

// Experts of consecutive tokens: index ((token - first_token) * layers + layer) * slots + slot.
struct RoutingChunk {
  std::uint32_t first_token = 0, tokens = 0, layers = 0, slots = 0;
  std::vector<std::uint16_t> experts;
  std::vector<float> weights;
};

struct ExpertChoice {
  std::uint16_t expert = 0;
  float weight = 0;
};

struct RoutingTrace {
  std::uint32_t layers = 0, experts = 0, slots = 0;  // 0 experts: dense model, not applicable
  std::vector<std::shared_ptr<const RoutingChunk>> chunks;
  // The experts that a token used in a layer, by descending weight; empty = not recorded.
  [[nodiscard]] std::vector<ExpertChoice> chosen(std::uint32_t token, std::uint32_t layer) const;
  // Calls per expert over tokens [from, to) of one layer, or of all layers when layer is nullopt.
  [[nodiscard]] std::vector<std::uint64_t> calls(std::uint32_t from, std::uint32_t to, std::optional<std::uint32_t> layer) const;
  [[nodiscard]] std::uint32_t recorded_tokens() const;
};

// Utilization figures of the contract: p_e = N_e/N, CV = std/mean, U = mean/max, entropy H/ln E, dead: N_e < 1 % of the mean.
struct UtilizationFigures {
  double cv = 0, utilization = 0, entropy = 0;
  double gini = 0;      // mean difference of two experts' counts over twice their mean
  double cv_floor = 0;  // CV that perfectly even random choice would show at this count: sqrt((E-1)/N)
  std::uint32_t dead = 0;
  std::uint64_t total = 0;
};
// nullopt for no calls.
[[nodiscard]] std::optional<UtilizationFigures> utilization_figures(std::span<const std::uint64_t> calls);

// Bytes in use after a token, from the allocator.
struct MemorySample {
  std::uint32_t tokens = 0;  // tokens in the context by then
  MemoryBytes bytes;
};

struct StepTiming {
  std::uint32_t first_token = 0, tokens = 0;  // several at once in prefill, and in decode where nobody watches each
  float milliseconds = 0;
  bool prefill = false;
  bool recording = false;  // attention rows were captured in this step
  bool timing = false;     // its kernels were timed
};

struct TraceSnapshot {
  std::uint64_t run = 0;  // RequestId
  std::uint32_t layers = 0, query_heads = 0;
  std::shared_ptr<const std::vector<TokenText>> tokens;  // prompt first
  std::uint32_t prompt_tokens = 0;
  std::vector<HeadTrace> heads;  // only subscribed heads appear
  RoutingTrace routing;
  std::shared_ptr<const PageTrace> pages;  // null: not recorded
  std::shared_ptr<const KvTierFacts> tiers;  // null: the cache is in no tiers
  std::vector<MemorySample> memory;
  std::vector<StepTiming> steps;
  std::shared_ptr<const KernelTimes> prefill_kernels, decode_kernels;  // null = no step of the phase was timed
  std::string note;  // why something is missing, as a sentence ("rows beyond token 2,048 were not recorded: ...")
  [[nodiscard]] const HeadTrace* head(HeadId id) const;  // nullptr = not recorded
};

}  // namespace fovea
