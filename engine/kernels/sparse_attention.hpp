// Sparse attention by pages: the bounds of a page's keys, and the choice of the pages that queries read, which attention
// takes as a page table of its own (AttentionShape::listed_keys). Twin: engine/reference/sparse_attention.
#pragma once

#include <optional>

#include "engine/kernels/attention_tile.hpp"
#include "shaders/interface/sparse_attention.h"

namespace fovea {

struct PageRule {
  std::uint32_t window = 512;         // positions, at least 1
  std::uint32_t sink_pages = 1;
  std::uint32_t dense_below = 1024;   // keys
  std::uint32_t global = 250'000;     // of the remote pages, in millionths; of an adaptive budget the most
  std::uint32_t least = 80'000;       // adaptive: the least
  std::uint32_t mass = 0;             // adaptive: estimated mass to reach, in units of 2^-30; 0: a strict budget
  std::uint32_t scorer = shader::kScorerAutomatic;
  std::uint32_t samples = shader::kSampledRows;  // queries of a prompt's tile that the choice is made by, at most as many
};

// Bytes of the bounds of one layer's pages, for a context of `pages`.
[[nodiscard]] std::uint64_t page_bounds_bytes(std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t pages, std::uint32_t scorer);

// Likewise of their mean values, which a periphery of means reads: half (kv_heads, pages rounded up to blocks of 32, head_width).
[[nodiscard]] std::uint64_t page_values_bytes(std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t pages);

struct PageBoundsArgs {
  AttentionShape shape;            // of the first layer; `tokens`: room of the plan
  std::uint64_t bounds = 0;        // of the first layer
  std::uint64_t values = 0;        // mean values, of the first layer; 0: none
  std::uint32_t pages = 0;         // of the context
  std::uint32_t layers = 1;
  std::uint32_t layer_stride = 0;  // bytes in a page from one layer to the next
  std::uint32_t scorer = shader::kScorerAutomatic;
};
// Of the pages that this batch filled, in one step; does nothing where it filled none. Reads what attention reads.
[[nodiscard]] Result<void> record_page_bounds(KernelRecorder& kernels, const PageBoundsArgs& args);

// Where a choice and what leads to it is kept, for prompts of up to `tokens` per batch; layers take turns, and so do the scores
// of a long prompt's tiles.
struct PageChoiceBuffers {
  std::uint64_t scores = 0, totals = 0, best = 0, tickets = 0, list = 0, table = 0, keys = 0;
  // Lays them out from `base`, for tiles of `rows` queries or more; returns the bytes taken. Tickets must be zeros before the first use.
  std::uint64_t lay_out(std::uint64_t base, std::uint32_t query_heads, std::uint32_t kv_heads, std::uint32_t pages, std::uint32_t tokens,
                        std::uint32_t rows = shader::kTileRows);
};

// Scores of a prompt as products of matrices, on matrix cores (GL_NV_cooperative_matrix2) or, for tests, without. Queries and bounds
// are rounded to halves there.
struct PageScoreTile {
  AttentionMatrix matrix = AttentionMatrix::nv2;
  std::uint32_t subgroups = 0;  // of a workgroup, 16 queries each; 0: not as matrices
  std::uint32_t blocks = 4;     // of pages, of a workgroup
};
// Whether the device runs it in the recorder's form, for heads of this shape.
[[nodiscard]] bool runs_page_score_tile(const KernelRecorder& kernels, const PageScoreTile& tile, const AttentionShape& shape, std::uint32_t scorer);

// How the work of scoring is cut; 0: what suits. Gives the same scores up to the order of sums.
struct PageScoring {
  std::uint32_t subgroups = 0;  // of a workgroup
  std::uint32_t blocks = 0;     // of pages, of a workgroup
  std::uint32_t queries = 0;    // that a subgroup scores together, not of one token on a GPU
  std::uint32_t pieces = 0;     // of bounds whose loads are issued together, likewise
  std::uint32_t choosing = 0;   // subgroups of a workgroup that chooses alone
  std::optional<std::uint32_t> alone = std::nullopt;  // of one token: blocks that a subgroup scores at a time by itself; 0: all subgroups share one
  std::optional<PageScoreTile> tile = std::nullopt;  // none: what suits
};

struct PageChoiceArgs {
  AttentionShape shape;            // `tokens` 1: a decoded token; else a prompt, in tiles of `tile_rows` queries
  PageRule rule;
  PageChoiceBuffers buffers;
  std::uint64_t query = 0;         // float (tokens, query_heads * head_width): rotated
  const RopeStoreArgs* rope = nullptr;  // where queries are still raw: of one token, on a recorder that takes it
  std::uint64_t bounds = 0;        // of this layer
  std::uint64_t facts = 0;         // uint (kv_heads, kFactWords), or added to
  std::uint32_t pages = 0;         // of the context
  // Of one token: that choose together, in as many steps as one. What a layer has of queries, bounds, buffers and facts lies
  // behind that of the layer before; `rope` must be null.
  std::uint32_t layers = 1;
  PageScoring scoring;
  enum class Part : std::uint8_t { both, scores, choice } part = Part::both;  // to time them one by one
  bool apart = false;              // scores and choice of a decoded token in two steps, as of a prompt: gives the same
  std::uint32_t every = 0;         // of one token, whose choice those behind it read up to the next multiple of this position; 0: none does
};
// A decoded token's choice is one step on a GPU, where shared memory has room for it; else it is two with a barrier between them,
// of a prompt for as many tiles as there is room to score.
[[nodiscard]] Result<void> record_page_choice(KernelRecorder& kernels, const PageChoiceArgs& args);
// Whether the step can norm and rotate raw queries itself.
[[nodiscard]] bool choice_rotates(const KernelRecorder& kernels, const AttentionShape& shape);

struct PageGuideArgs {
  std::uint64_t facts = 0, decode_facts = 0;  // of the first layer that chooses
  std::uint64_t state = 0;
  std::uint32_t kv_heads = 0, layers = 0;
  std::uint32_t target = 0;                   // mean share of the remote pages in millionths; 0: none
  bool by_entropy = false;                    // heads get by their entropy
  float mass = 0;                             // that an adaptive budget begins with, above 0 and below 1
  std::uint32_t every = 0;                    // as in PageChoiceArgs
};
// Moves budgets by what this step's choices did, for the next step's. Twin: engine/reference/page_guide.
[[nodiscard]] Result<void> record_page_guide(KernelRecorder& kernels, const PageGuideArgs& args);

struct PagePeripheryArgs {
  AttentionShape shape;            // of all keys
  PageChoiceBuffers buffers;       // of the choice that attention read
  std::uint32_t first_slot = 0;    // of its layer, where layers have chosen together
  std::uint64_t query = 0;         // float (tokens, query_heads * head_width): rotated
  std::uint64_t bounds = 0, values = 0;  // of this layer; bounds are means (scorers automatic and mean)
  std::uint64_t sums = 0;          // float (tokens, query_heads, kRowSums): AttentionArgs::sums
  std::uint64_t y = 0;             // float (tokens, y_stride): what attention left; changed
  std::uint32_t y_stride = 0;
  std::uint32_t pages = 0;         // of the context
  std::uint32_t scorer = shader::kScorerAutomatic;
};
// Brings into each row, in one step behind attention over chosen pages, what those that were not read are thought to hold
// (shaders/attention/page_periphery.comp has the rule). Twin: engine/reference/sparse_attention (add_periphery).
[[nodiscard]] Result<void> record_page_periphery(KernelRecorder& kernels, const PagePeripheryArgs& args);

// The shape with which attention reads the pages chosen; `first_slot`: of its layer, where layers have chosen together.
[[nodiscard]] AttentionShape over_chosen_pages(AttentionShape shape, const PageChoiceBuffers& buffers, std::uint32_t pages, std::uint32_t first_slot = 0);

}  // namespace fovea
