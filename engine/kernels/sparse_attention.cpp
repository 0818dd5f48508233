#include "engine/kernels/sparse_attention.hpp"

#include <algorithm>
#include <bit>

namespace fovea {
namespace {

constexpr std::uint32_t kMostStagedBytes = 16384;  // queries in shared memory
constexpr std::uint32_t kMostSubgroups = 32;
constexpr std::uint32_t kDecodeSubgroups = 8;  // enough to choose by, few enough that two workgroups share a multiprocessor
constexpr std::uint32_t kGroupsWanted = 128;
constexpr std::uint64_t kMostScoreBytes = 32u << 20;

std::uint32_t divide_up(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

std::uint32_t blocks_of(std::uint32_t pages) { return divide_up(pages, shader::kPageBlock); }

std::uint32_t pieces_of(std::uint32_t head_width) { return divide_up(head_width, shader::kBoundPiece); }

// Subgroups of a workgroup: one on a CPU driver, which runs them one after another.
std::uint32_t subgroups_of(const KernelRecorder& kernels, std::uint32_t wanted) {
  if (kernels.facts().cpu && kernels.cpu_form()) return 1;
  return std::max(1u, std::min({wanted, kernels.facts().max_workgroup_invocations / kernels.subgroup(), kMostSubgroups}));
}

// Whether what a choice keeps of all pages fits into shared memory beside the rest (shaders/include/page_choice.glsl) and
// `staged` bytes.
bool keeps_in_shared(const KernelRecorder& kernels, std::uint32_t pages, std::uint32_t queries, std::uint32_t staged, bool masses) {
  constexpr std::uint32_t kCounts = 4096 + 2048;  // of bins, each once more with masses; of few pages, and sums
  const std::uint32_t ranks = pages * 4, factors = queries * blocks_of(pages) * 4, bits = 2 * divide_up(pages, 32) * 4;
  return ranks + factors + bits + queries * 4 + kCounts + (masses ? 4096 : 0) + staged <= kernels.facts().shared_memory_bytes;
}

// Tiles of a prompt that are scored together: scores of all would take gigabytes of a long context.
std::uint32_t tiles_together(std::uint32_t query_heads, std::uint32_t pages, std::uint32_t tokens) {
  if (tokens == 1) return 1;
  const std::uint64_t scores_of_tile = std::uint64_t{query_heads} * shader::kSampledRows * pages * sizeof(float);
  const std::uint32_t tiles = divide_up(tokens, shader::kTileRows);
  const auto most = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kMostScoreBytes / scores_of_tile, 1, tiles));
  return divide_up(tiles, divide_up(tiles, most));  // turns of one size
}

std::uint32_t staged_bytes(const AttentionShape& shape, std::uint32_t samples) {
  return shape.query_heads / shape.kv_heads * samples * pieces_of(shape.head_width) * shader::kBoundPiece * 4;
}

}  // namespace

std::uint64_t page_bounds_bytes(std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t pages, std::uint32_t scorer) {
  const std::uint64_t planes = scorer == shader::kScorerMean ? 1 : 2;
  return std::uint64_t{kv_heads} * blocks_of(pages) * pieces_of(head_width) * planes * shader::kPageBlock * shader::kBoundPiece * 2;
}

Result<void> record_page_bounds(KernelRecorder& kernels, const PageBoundsArgs& args) {
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::page_bounds_F16, args.shape.kv));
  // A batch that begins within a page ends one more.
  const std::uint32_t most = args.shape.tokens / shader::kPageKeys + 1;
  const shader::PageBoundsPush push{.pages = args.shape.pages, .bounds = args.bounds, .state = args.shape.state,
                                    .layer_offset = args.shape.layer_offset, .layer_stride = args.layer_stride,
                                    .kv_heads = args.shape.kv_heads, .blocks = blocks_of(args.pages), .pages_of_batch = most};
  return kernels.dispatch(id, {kernels.subgroup(), args.shape.head_width, args.scorer}, push, args.shape.kv_heads,
                          args.layers * most);
}

std::uint64_t PageChoiceBuffers::lay_out(std::uint64_t base, std::uint32_t query_heads, std::uint32_t kv_heads, std::uint32_t pages,
                                         std::uint32_t tokens) {
  std::uint64_t at = base;
  const auto take = [&at](std::uint64_t& address, std::uint64_t bytes) {
    address = at;
    at += (bytes + 255) / 256 * 256;
  };
  const std::uint64_t tiles = divide_up(tokens, shader::kTileRows), slots = tiles * kv_heads;
  const std::uint64_t queries = std::uint64_t{tiles_together(query_heads, pages, tokens)} * query_heads * (tokens > 1 ? shader::kSampledRows : 1);
  take(scores, queries * blocks_of(pages) * shader::kPageBlock * sizeof(float));
  take(totals, queries * blocks_of(pages) * 2 * sizeof(float));
  take(best, queries * blocks_of(pages) * 2 * sizeof(std::uint64_t));
  take(tickets, slots * sizeof(std::uint32_t));
  take(list, slots * pages * sizeof(std::uint32_t));
  take(table, slots * pages * sizeof(std::uint64_t));
  take(keys, 2 * slots * sizeof(std::uint32_t));
  keys += slots * sizeof(float);  // behind the masses
  return at - base;
}

bool choice_rotates(const KernelRecorder& kernels, const AttentionShape& shape) {
  return kernels.folds_steps() && staged_bytes(shape, 1) <= kMostStagedBytes;
}

Result<void> record_page_choice(KernelRecorder& kernels, const PageChoiceArgs& args) {
  const AttentionShape& shape = args.shape;
  const PageRule& rule = args.rule;
  const PageChoiceBuffers& b = args.buffers;
  const bool decode = shape.tokens == 1, cpu = kernels.cpu_form(), chooses = decode && !args.apart;
  const std::uint32_t group = shape.query_heads / shape.kv_heads, lanes = kernels.subgroup();
  const std::uint32_t samples = decode ? 1 : shader::kSampledRows, tile = decode ? 1 : shader::kTileRows;
  const std::uint32_t tiles = divide_up(shape.tokens, tile);
  const RopeStoreArgs rope = args.rope != nullptr ? *args.rope : RopeStoreArgs{};
  shader::PageChoicePush push{.query = args.rope != nullptr ? rope.qkv : args.query, .query_norm = rope.query_norm,
                                    .turns = rope.turns, .bounds = args.bounds, .state = shape.state, .pages = shape.pages,
                                    .scores = b.scores, .totals = b.totals, .best = b.best, .tickets = b.tickets, .list = b.list,
                                    .table = b.table, .keys = b.keys, .facts = args.facts, .kv_heads = shape.kv_heads,
                                    .epsilon = rope.epsilon};
  const auto rule_constants = [&](std::uint32_t subgroups, bool in_shared) {
    return std::vector<std::uint32_t>{lanes * subgroups, group, samples, tile, args.pages, rule.window, rule.sink_pages,
                                      rule.dense_below, rule.global, rule.least, rule.mass, in_shared ? 1u : 0u};
  };

  // Of a decoded token the workgroup that ends last also chooses, hence many subgroups; four queries at once, since more of them
  // would leave too few subgroups busy and fewer would unpack the bounds more often. Of a prompt there are workgroups enough.
  const PageScoring& wanted = args.scoring;
  const std::uint32_t subgroups = subgroups_of(kernels, wanted.subgroups > 0 ? wanted.subgroups : decode ? kDecodeSubgroups : 4);
  // As many blocks as leave a large GPU's multiprocessors a workgroup or two each.
  const std::uint32_t blocks = blocks_of(args.pages);
  const std::uint32_t suitable = decode && !cpu ? std::clamp(blocks * shape.kv_heads / kGroupsWanted, 1u, 2u) : 1;
  const std::uint32_t chunk = wanted.blocks > 0 ? wanted.blocks : suitable;
  const std::uint32_t at_once = std::min(group, wanted.queries > 0 ? wanted.queries : decode && !cpu ? 4u : 8u);
  const std::uint32_t turns = std::min(pieces_of(shape.head_width), wanted.pieces > 0 ? wanted.pieces : 4u);
  const bool staged = !cpu && staged_bytes(shape, samples) <= kMostStagedBytes;
  const std::uint32_t staged_room = staged ? staged_bytes(shape, samples) : 0;
  std::vector<std::uint32_t> scoring =
      rule_constants(subgroups, chooses && keeps_in_shared(kernels, args.pages, group * samples, staged_room, rule.mass != 0));
  scoring.insert(scoring.end(), {lanes, subgroups, at_once, chunk, rule.scorer, staged ? 1u : 0u, args.rope != nullptr ? 1u : 0u,
                                 chooses ? 1u : 0u, shape.head_width, rope.rope_width, rope.halves ? 1u : 0u, rope.norm,
                                 cpu ? 1u : turns});
  const std::uint32_t chunks = divide_up(blocks, chunk), together = tiles_together(shape.query_heads, args.pages, shape.tokens);
  for (std::uint32_t first = 0; first < tiles; first += together) {
    const std::uint32_t count = std::min(together, tiles - first);
    if (first > 0) kernels.plan().barrier();
    push.first_tile = first;
    FOVEA_TRY(kernels.dispatch(ShaderId::page_scores, scoring, push, shape.kv_heads, count * chunks));
    if (chooses) return {};
    kernels.plan().barrier();
    FOVEA_TRY(kernels.dispatch(ShaderId::page_choice,
                               rule_constants(subgroups_of(kernels, wanted.choosing > 0 ? wanted.choosing : 8),
                                              keeps_in_shared(kernels, args.pages, group * samples, 0, rule.mass != 0)),
                               push, shape.kv_heads, count));
  }
  return {};
}

AttentionShape over_chosen_pages(AttentionShape shape, const PageChoiceBuffers& buffers, std::uint32_t pages) {
  shape.pages = buffers.table;
  shape.listed_keys = buffers.keys;
  shape.table_stride = pages;
  return shape;
}

}  // namespace fovea
