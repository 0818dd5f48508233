#include "engine/kernels/sparse_attention.hpp"

#include <algorithm>
#include <bit>

namespace fovea {
namespace {

constexpr std::uint32_t kMostStagedBytes = 16384;  // queries in shared memory
constexpr std::uint32_t kMostSubgroups = 32;
constexpr std::uint32_t kDecodeSubgroups = 8;  // of a token's scores
constexpr std::uint32_t kGroupsWanted = 132;   // workgroups of a token's scores
constexpr std::uint32_t kGroupsOfLayers = 8 * kGroupsWanted;  // of all layers' together, which wait for bytes: as many as run at once
constexpr std::uint32_t kSubgroupsAlone = 8, kBlocksAlone = 1, kTurnsAlone = 2;  // of these scores where subgroups do not wait for each other
constexpr std::uint32_t kChoosing = 16;  // subgroups of a workgroup that chooses alone
// Pages of a context whose choice the workgroup makes that ends its scores last. Of more a wider one of its own makes it sooner,
// the step behind a barrier included.
constexpr std::uint32_t kMostPagesFolded = 1536;
constexpr std::uint32_t kTiledSubgroups = 6, kTiledBlocks = 6;  // of a prompt's scores as products of matrices
constexpr std::uint32_t kQueryUnits = 2048;  // room for their queries on the way to registers (page_scores_tile.comp)
constexpr std::uint32_t kTokenChunks = 2;      // workgroups that share the pages of a KV head on a CPU driver, to which each is dear
constexpr std::uint32_t kPeripherySubgroups = 4;
constexpr std::uint32_t kMostInFloat = 8;      // tokens, as of attention (attention_tile.cpp)
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

// The most tiles of a prompt that are scored together: scores of all would take gigabytes of a long context.
std::uint32_t most_together(std::uint32_t query_heads, std::uint32_t pages, std::uint32_t tiles) {
  const std::uint64_t scores_of_tile = std::uint64_t{query_heads} * shader::kSampledRows * pages * sizeof(float);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kMostScoreBytes / scores_of_tile, 1, tiles));
}
std::uint32_t tiles_together(std::uint32_t query_heads, std::uint32_t pages, std::uint32_t tiles) {
  return divide_up(tiles, divide_up(tiles, most_together(query_heads, pages, tiles)));  // turns of one size
}

std::uint32_t staged_bytes(const AttentionShape& shape, std::uint32_t samples) {
  return shape.query_heads / shape.kv_heads * samples * pieces_of(shape.head_width) * shader::kBoundPiece * 4;
}

}  // namespace

std::uint64_t page_bounds_bytes(std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t pages, std::uint32_t scorer) {
  const std::uint64_t planes = scorer == shader::kScorerMean ? 1 : 2, spread = scorer == shader::kScorerAutomatic ? sizeof(float) : 0;
  return std::uint64_t{kv_heads} * blocks_of(pages) * shader::kPageBlock * (pieces_of(head_width) * planes * shader::kBoundPiece * 2 + spread);
}

std::uint64_t page_values_bytes(std::uint32_t kv_heads, std::uint32_t head_width, std::uint32_t pages) {
  return std::uint64_t{kv_heads} * blocks_of(pages) * shader::kPageBlock * head_width * 2;
}

Result<void> record_page_bounds(KernelRecorder& kernels, const PageBoundsArgs& args) {
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::page_bounds_F16, args.shape));
  // A batch that begins within a page ends one more.
  const std::uint32_t most = args.shape.tokens / shader::kPageKeys + 1;
  const shader::PageBoundsPush push{.pages = args.shape.pages, .bounds = args.bounds, .values = args.values, .state = args.shape.state,
                                    .layer_offset = args.shape.layer_offset, .layer_stride = args.layer_stride,
                                    .kv_heads = args.shape.kv_heads, .blocks = blocks_of(args.pages), .pages_of_batch = most};
  return kernels.dispatch(id, {kernels.subgroup(), args.shape.head_width, args.scorer, args.values != 0 ? 1u : 0u}, push, args.shape.kv_heads,
                          args.layers * most);
}

std::uint64_t PageChoiceBuffers::lay_out(std::uint64_t base, std::uint32_t query_heads, std::uint32_t kv_heads, std::uint32_t pages,
                                         std::uint32_t tokens, std::uint32_t rows) {
  std::uint64_t at = base;
  const auto take = [&at](std::uint64_t& address, std::uint64_t bytes) {
    address = at;
    at += (bytes + 255) / 256 * 256;
  };
  const std::uint32_t tiles = tokens > 1 ? divide_up(tokens, rows) : 1;
  const std::uint64_t slots = std::uint64_t{tiles} * kv_heads;
  const std::uint64_t queries = std::uint64_t{most_together(query_heads, pages, tiles)} * query_heads * (tokens > 1 ? shader::kSampledRows : 1);
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

bool runs_page_score_tile(const KernelRecorder& kernels, const PageScoreTile& tile, const AttentionShape& shape, std::uint32_t scorer) {
  const gpu::DeviceFacts& facts = kernels.facts();
  const bool plain = tile.matrix == AttentionMatrix::plain;
  const std::uint32_t pitch = shape.head_width / 8 + 1, planes = scorer == shader::kScorerMean ? 1 : 2, operands = scorer == shader::kScorerQuest ? 2 : 1;
  const std::uint32_t rooms = shape.head_width <= (plain ? 64 : 128) ? 2 : 1;  // as page_scores_tile.comp has them
  const std::uint32_t queries = tile.subgroups * operands * 16 * pitch, bounds = rooms * planes * shader::kPageBlock * pitch;  // units of 16 bytes
  const std::uint32_t units = plain ? bounds + queries : std::max(bounds, std::min(queries, kQueryUnits));
  const std::uint32_t of_subgroup = 16 * 16 * 4 + 3 * 16 * 4 + (plain ? 16 * (shader::kPageBlock / 2 + 1) * 4 : 0);
  return shape.tokens > 1 && tile.subgroups > 0 && tile.matrix != AttentionMatrix::khr && !kernels.cpu_form() && runs_attention_matrix(kernels, tile.matrix) &&
         facts.subgroup >= 8 && facts.subgroup <= 64 && shape.head_width % 16 == 0 && 16 * units + tile.subgroups * of_subgroup + 8 * shader::kPageBlock <= facts.shared_memory_bytes &&
         tile.subgroups <= facts.max_workgroup_subgroups && tile.subgroups * facts.subgroup <= facts.max_workgroup_invocations;
}

bool choice_rotates(const KernelRecorder& kernels, const AttentionShape& shape) {
  return kernels.folds_steps() && staged_bytes(shape, 1) <= kMostStagedBytes;
}

namespace {

// How the scores of a step are made, and by which constants.
struct ScoreStep {
  ShaderId shader{};
  std::vector<std::uint32_t> constants;
  std::uint32_t groups = 1;   // workgroups that share the pages
  std::uint32_t queries = 0;  // that a workgroup takes; 0: those of a tile
  bool chooses = false;       // and the choice with them
};

std::vector<std::uint32_t> rule_constants(const PageChoiceArgs& args, std::uint32_t invocations) {
  const bool decode = args.shape.tokens == 1;
  const PageRule& rule = args.rule;
  return {invocations, args.shape.query_heads / args.shape.kv_heads, decode ? 1 : rule.samples, decode ? 1 : args.shape.tile_rows,
          args.pages, rule.window, rule.sink_pages, rule.dense_below, rule.global, rule.least, rule.mass};
}

std::uint32_t token_subgroups(const KernelRecorder& kernels, const PageChoiceArgs& args) {
  const std::uint32_t group = args.shape.query_heads / args.shape.kv_heads, wanted = args.scoring.subgroups;
  return subgroups_of(kernels, wanted > 0 ? wanted : args.layers > 1 ? kSubgroupsAlone : std::clamp(64 / group, 1u, kDecodeSubgroups));
}

// One token on a GPU: of 32 pages a workgroup, of which the last also chooses.
ScoreStep score_token(const KernelRecorder& kernels, const PageChoiceArgs& args) {
  const AttentionShape& shape = args.shape;
  const std::uint32_t lanes = kernels.subgroup(), subgroups = token_subgroups(kernels, args), group = shape.query_heads / shape.kv_heads;
  const std::uint32_t alone = lanes > shader::kPageBlock ? 0 : args.scoring.alone.value_or(args.layers > 1 ? kBlocksAlone : 0);
  // As many blocks as leave a large GPU's multiprocessors a workgroup each: those beyond wait for one to end.
  const std::uint32_t suitable = divide_up(blocks_of(args.pages) * shape.kv_heads, args.layers > 1 ? kGroupsOfLayers : kGroupsWanted);
  const std::uint32_t chunk = args.scoring.blocks > 0 ? args.scoring.blocks : alone > 0 ? kTurnsAlone * alone * subgroups : suitable, scored = staged_bytes(shape, 1) + subgroups * group * shader::kPageBlock * 8;
  const bool shared = keeps_in_shared(kernels, args.pages, group, scored, args.rule.mass != 0), chooses = shared && args.pages <= kMostPagesFolded && !args.apart && alone == 0;
  const RopeStoreArgs rope = args.rope != nullptr ? *args.rope : RopeStoreArgs{};
  ScoreStep step{.shader = ShaderId::page_scores_token, .constants = rule_constants(args, lanes * subgroups),
                 .groups = divide_up(blocks_of(args.pages), chunk), .chooses = chooses};
  step.constants.insert(step.constants.end(), {chooses ? 1u : 0u, lanes, subgroups, chunk, args.rule.scorer, args.rope != nullptr ? 1u : 0u,
                                               chooses ? 1u : 0u, shape.head_width, rope.rope_width, rope.halves ? 1u : 0u, rope.norm, alone});
  return step;
}

ScoreStep score_as_matrices(const KernelRecorder& kernels, const PageChoiceArgs& args, const PageScoreTile& tile) {
  ScoreStep step{.shader = tile.matrix == AttentionMatrix::nv2 ? ShaderId::page_scores_tile_NV2 : ShaderId::page_scores_tile_PLAIN,
                 .constants = rule_constants(args, kernels.subgroup() * tile.subgroups),
                 .groups = divide_up(blocks_of(args.pages), tile.blocks),
                 .queries = 16 * tile.subgroups};
  step.constants.insert(step.constants.end(), {kernels.subgroup(), tile.subgroups, args.shape.head_width, tile.blocks, args.rule.scorer});
  return step;
}

ScoreStep score_in_float(const KernelRecorder& kernels, const PageChoiceArgs& args) {
  const AttentionShape& shape = args.shape;
  const PageScoring& wanted = args.scoring;
  const bool cpu = kernels.cpu_form();
  const std::uint32_t lanes = kernels.subgroup(), subgroups = subgroups_of(kernels, wanted.subgroups > 0 ? wanted.subgroups : 4);
  const std::uint32_t chunk = wanted.blocks > 0 ? wanted.blocks : cpu && shape.tokens == 1 ? divide_up(blocks_of(args.pages), kTokenChunks) : 1, at_once = std::min(shape.query_heads / shape.kv_heads, wanted.queries > 0 ? wanted.queries : 8u);
  const std::uint32_t turns = std::min(pieces_of(shape.head_width), wanted.pieces > 0 ? wanted.pieces : 4u);
  const bool staged = !cpu && staged_bytes(shape, shape.tokens == 1 ? 1 : args.rule.samples) <= kMostStagedBytes;
  ScoreStep step{.shader = ShaderId::page_scores, .constants = rule_constants(args, lanes * subgroups), .groups = divide_up(blocks_of(args.pages), chunk)};
  step.constants.insert(step.constants.end(), {lanes, subgroups, at_once, chunk, args.rule.scorer, staged ? 1u : 0u, shape.head_width, cpu ? 1u : turns});
  return step;
}

ScoreStep score_step(const KernelRecorder& kernels, const PageChoiceArgs& args) {
  const AttentionShape& shape = args.shape;
  if (shape.tokens == 1 && choice_rotates(kernels, shape) && !args.scoring.tile) return score_token(kernels, args);
  if (args.scoring.tile) return args.scoring.tile->subgroups > 0 ? score_as_matrices(kernels, args, *args.scoring.tile) : score_in_float(kernels, args);
  const PageScoreTile tile{AttentionMatrix::nv2, shape.tokens > kMostInFloat ? kTiledSubgroups : 0, kTiledBlocks};
  return runs_page_score_tile(kernels, tile, shape, args.rule.scorer) ? score_as_matrices(kernels, args, tile) : score_in_float(kernels, args);
}

// The choice of all slots of the shape, whichever layers they are of.
Result<void> record_slots(KernelRecorder& kernels, const PageChoiceArgs& args) {
  using Part = PageChoiceArgs::Part;
  const AttentionShape& shape = args.shape;
  const PageChoiceBuffers& b = args.buffers;
  const bool decode = shape.tokens == 1;
  const std::uint32_t queries = shape.query_heads / shape.kv_heads * (decode ? 1 : args.rule.samples);
  const std::uint32_t tiles = decode ? 1 : divide_up(shape.tokens, shape.tile_rows), together = tiles_together(shape.query_heads, args.pages, tiles);
  const RopeStoreArgs rope = args.rope != nullptr ? *args.rope : RopeStoreArgs{};
  shader::PageChoicePush push{.query = args.rope != nullptr ? rope.qkv : args.query, .query_norm = rope.query_norm,
                              .turns = rope.turns, .bounds = args.bounds, .state = shape.state, .pages = shape.pages,
                              .scores = b.scores, .totals = b.totals, .best = b.best, .tickets = b.tickets, .list = b.list,
                              .table = b.table, .keys = b.keys, .facts = args.facts, .kv_heads = shape.kv_heads,
                              .epsilon = rope.epsilon};
  const ScoreStep step = score_step(kernels, args);
  const std::uint32_t choosing = subgroups_of(kernels, args.scoring.choosing > 0 ? args.scoring.choosing : kChoosing);
  std::vector<std::uint32_t> choice = rule_constants(args, kernels.subgroup() * choosing);
  choice.insert(choice.end(), {keeps_in_shared(kernels, args.pages, queries, 0, args.rule.mass != 0) ? 1u : 0u, std::max(args.every, 1u)});
  for (std::uint32_t first = 0; first < tiles; first += together) {
    if (first > 0) kernels.plan().barrier();
    push.first_tile = first;
    push.tiles = std::min(together, tiles - first);
    if (args.part != Part::choice) {
      const std::uint32_t groups = step.queries > 0 ? divide_up(push.tiles * queries, step.queries) : push.tiles;
      FOVEA_TRY(kernels.dispatch(step.shader, step.constants, push, shape.kv_heads, groups * step.groups));
      if (step.chooses || args.part == Part::scores) continue;
      kernels.plan().barrier();
    }
    FOVEA_TRY(kernels.dispatch(ShaderId::page_choice, choice, push, shape.kv_heads, push.tiles));
  }
  return {};
}

}  // namespace

Result<void> record_page_choice(KernelRecorder& kernels, const PageChoiceArgs& args) {
  PageChoiceArgs together = args;  // layers that choose together are one of as many heads
  together.shape.query_heads *= args.layers;
  together.shape.kv_heads *= args.layers;
  return record_slots(kernels, together);
}

Result<void> record_page_guide(KernelRecorder& kernels, const PageGuideArgs& args) {
  const shader::PageGuidePush push{.facts = args.facts, .decode_facts = args.decode_facts, .state = args.state, .kv_heads = args.kv_heads,
                                   .target = args.target, .by_entropy = args.by_entropy ? 1u : 0u, .mass = args.mass, .every = args.every};
  constexpr std::uint32_t kHeadsTogether = 32;
  return kernels.dispatch(ShaderId::page_guide, {kernels.facts().cpu ? kernels.subgroup() : kHeadsTogether}, push, args.layers);
}

Result<void> record_page_periphery(KernelRecorder& kernels, const PagePeripheryArgs& args) {
  const AttentionShape& shape = args.shape;
  const std::uint32_t lanes = kernels.subgroup(), subgroups = subgroups_of(kernels, kPeripherySubgroups);
  const shader::PagePeripheryPush push{.query = args.query, .bounds = args.bounds, .values = args.values,
                                       .list = args.buffers.list + std::uint64_t{args.first_slot} * args.pages * sizeof(std::uint32_t),
                                       .keys = args.buffers.keys + std::uint64_t{args.first_slot} * sizeof(std::uint32_t),
                                       .sums = args.sums, .y = args.y, .state = shape.state, .query_heads = shape.query_heads,
                                       .kv_heads = shape.kv_heads, .y_stride = args.y_stride};
  return kernels.dispatch(ShaderId::page_periphery, {lanes * subgroups, shape.head_width, lanes, subgroups, args.pages, args.scorer, shape.tile_rows}, push,
                          shape.query_heads, shape.tokens);
}

AttentionShape over_chosen_pages(AttentionShape shape, const PageChoiceBuffers& buffers, std::uint32_t pages, std::uint32_t first_slot) {
  shape.pages = buffers.table + std::uint64_t{first_slot} * pages * sizeof(std::uint64_t);
  shape.listed_keys = buffers.keys + std::uint64_t{first_slot} * sizeof(std::uint32_t);
  shape.table_stride = pages;
  return shape;
}

}  // namespace fovea
