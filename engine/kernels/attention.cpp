#include "engine/kernels/attention.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <thread>

#include "engine/kernels/attention_tile.hpp"
#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/sparse_attention.h"

namespace fovea {
namespace {

float score_scale(std::uint32_t head_width) { return 1.0f / std::sqrt(static_cast<float>(head_width)); }

shader::AttentionPush attention_push(const AttentionArgs& args) {
  return {.query = args.query, .pages = args.shape.pages, .listed_keys = args.shape.listed_keys, .y = args.y, .partial = args.partial, .state = args.shape.state, .sums = args.sums,
          .layer_offset = args.shape.layer_offset, .query_heads = args.shape.query_heads, .kv_heads = args.shape.kv_heads,
          .y_stride = args.y_stride, .scale = score_scale(args.shape.head_width), .table_stride = args.shape.table_stride};
}

constexpr std::uint32_t kStoringHeads = 8;  // of a workgroup of rope_store
constexpr std::uint32_t kMostSplits = 64;
constexpr std::uint32_t kLeastPages = 4;   // of a split of rope_attention: one for each of its subgroups
constexpr std::uint32_t kMostSubgroups = 4;
// Query heads of a workgroup of rope_attention: one is the quickest; where keys are many, four that read them together.
constexpr std::uint32_t kHeadsTogether = 4;

// Shared memory of shaders/attention/rope_attention.comp, rounded up: queries of a group or sums of all subgroups,
// their maxima and weights, a key and a value with the peaks of their words.
std::uint32_t rope_attention_bytes(const AttentionShape& shape, std::uint32_t subgroups, std::uint32_t group, std::uint32_t splits) {
  const std::uint32_t queries = group * ((shape.head_width + 127) / 128 * 128);
  const std::uint32_t sums = subgroups * group * ((shape.head_width + 7) / 8 * 8);
  const std::uint32_t staged = (shape.head_width + 15) / 16 * 16 * 5 / 2;
  return 4 * (std::max(queries, sums) + 2 * subgroups * group + splits * group + 1 + staged);
}

// Query heads of a workgroup: the largest divisor of a KV head's that is no more than wanted.
std::uint32_t rope_attention_heads(const AttentionShape& shape, bool deep) {
  const std::uint32_t group = shape.query_heads / shape.kv_heads;
  std::uint32_t heads = std::min(deep ? kHeadsTogether : 1, group);
  while (group % heads != 0) --heads;
  return heads;
}

// Subgroups that take a split together: as many as shared memory allows; 0 where it is too small for one.
std::uint32_t rope_attention_subgroups(const gpu::DeviceFacts& facts, const AttentionShape& shape, std::uint32_t heads,
                                       std::uint32_t splits) {
  std::uint32_t subgroups = kMostSubgroups;
  while (subgroups > 0 && rope_attention_bytes(shape, subgroups, heads, splits) > facts.shared_memory_bytes) subgroups /= 2;
  return subgroups;
}

constexpr std::uint32_t kLeastGroup = 4, kMostGroup = 16;  // query heads of a KV head that are worth a fragment of 16, and fill it
// Workgroups of a tiled attention and their subgroups: one for each multiprocessor of a large GPU, or, where shared memory is too small
// for that, two of half as many subgroups, which leave twice the sums to put together.
struct TiledForm {
  std::uint32_t groups, subgroups;
};
constexpr std::array kTiledForms{TiledForm{128, 8}, TiledForm{256, 4}};

// Shared memory of shaders/attention/rope_attention_tile.comp: its tile, what its fragments need, the splits' shares.
std::uint32_t rope_tile_bytes(const AttentionShape& shape, const RopeAttentionTile& tile, std::uint32_t splits) {
  constexpr std::uint32_t kStep = 16;  // keys of a subgroup
  const std::uint32_t group = shape.query_heads / shape.kv_heads, pitch = shape.head_width / 8 + 1;
  const std::uint32_t steps = tile.subgroups * kStep * pitch, queries = group * shape.head_width / 4;
  const bool plain = tile.matrix == AttentionMatrix::plain;
  const std::uint32_t before = plain ? std::max(steps, queries) : queries, fragments = plain ? 16 * (kStep * 2 + 4 + 8) : 1024;
  const std::uint32_t sums = std::max(64 * tile.subgroups, group * shape.head_width / 4);
  return 16 * std::max({steps, before + 16 * pitch, sums}) + tile.subgroups * fragments + 4 * splits * group + 64;
}

struct Combination {
  std::uint64_t values = 0, partial = 0, y = 0, sums = 0;
  std::uint32_t splits = 0;
};
Result<void> record_combine(KernelRecorder& kernels, const AttentionShape& shape, const Combination& of) {
  const std::uint32_t lanes = kernels.subgroup();
  const shader::CombinePush push{.sums = of.sums, .values = of.values, .partial = of.partial, .y = of.y, .state = shape.state,
                                 .listed_keys = shape.listed_keys, .query_heads = shape.query_heads,
                                 .group = shape.query_heads / shape.kv_heads};
  return kernels.dispatch(ShaderId::attention_combine,
                          {lanes, shape.head_width, of.splits}, push,
                          (shape.head_width + lanes - 1) / lanes, shape.query_heads);
}

}  // namespace

Result<ShaderId> kv_variant(ShaderId first, const AttentionShape& shape) {
  if (!kv_type_runs(shape.kv) || (shape.tiered && shape.kv != DType::F16))
    return fail(ErrorCode::unsupported, "the KV cache", std::string(name(shape.kv)) + " is no type that attention reads", "use f16 or q8_0");
  return static_cast<ShaderId>(static_cast<std::uint16_t>(first) + (shape.tiered ? 2 : shape.kv == DType::Q8_0 ? 1 : 0));
}

namespace {

// Of kernels that take batches, which are staged where the cache is in tiers.
Result<ShaderId> batch_variant(ShaderId first, const AttentionShape& shape) {
  if (shape.tiered) return fail(ErrorCode::internal, "the KV cache in tiers", "a batch would read far pages, which it never does", "report this");
  return kv_variant(first, shape);
}

}  // namespace

Result<void> record_rope_store(KernelRecorder& kernels, const RopeStoreArgs& args) {
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::rope_store_F16, args.shape));
  const shader::RopeStorePush push{.qkv = args.qkv, .query = args.query, .pages = args.shape.pages,
                                   .query_norm = args.query_norm, .key_norm = args.key_norm, .turns = args.turns,
                                   .state = args.shape.state, .last_query = args.last_query, .qkv_stride = args.qkv_stride,
                                   .layer_offset = args.shape.layer_offset, .query_heads = args.shape.query_heads,
                                   .kv_heads = args.shape.kv_heads, .epsilon = args.epsilon};
  // Heads of a workgroup: of one subgroup each a GPU runs too few at once.
  const std::uint32_t first = args.part == RopeStoreArgs::Part::keys_and_values ? args.shape.query_heads : 0;
  const std::uint32_t end = args.part == RopeStoreArgs::Part::queries ? args.shape.query_heads : args.shape.query_heads + 2 * args.shape.kv_heads;
  const std::uint32_t lanes = kernels.subgroup(), heads = end - first, wanted = args.shape.kv == DType::Q8_0 || kernels.cpu_form() ? 1 : kStoringHeads;
  const std::uint32_t together = std::max(1u, std::min({wanted, kernels.facts().max_workgroup_invocations / lanes, kernels.facts().max_workgroup_subgroups}));
  return kernels.dispatch(id, {lanes * together, args.shape.head_width, args.rope_width, args.halves ? 1u : 0u, args.norm, together, first, end}, push,
                          (heads + together - 1) / together, args.shape.tokens);
}

Result<void> record_attention_tile(KernelRecorder& kernels, const AttentionTile& tile, const AttentionArgs& args) {
  constexpr std::array kFirst{ShaderId::attention_tile_KHR_F16, ShaderId::attention_tile_NV2_F16,
                              ShaderId::attention_tile_PLAIN_F16};  // as AttentionMatrix counts
  FOVEA_ASSIGN(const ShaderId id, batch_variant(kFirst.at(static_cast<std::size_t>(tile.matrix)), args.shape));
  const std::uint32_t lanes = kernels.subgroup();
  return kernels.dispatch(id,
                          {lanes * tile.subgroups, lanes, args.shape.head_width, tile.subgroups, tile.block_keys, tile.heads, args.in_halves ? 1u : 0u, 16 / tile.fragment_heads()},
                          attention_push(args), args.shape.query_heads / tile.heads,
                          (args.shape.tokens + tile.tokens() - 1) / tile.tokens());
}

bool leaves_halves(const KernelRecorder& kernels, const AttentionShape& shape) { return attention_tile(kernels, shape).subgroups > 0; }

Result<void> record_attention_prefill(KernelRecorder& kernels, const AttentionArgs& args) {
  if (const AttentionTile tile = attention_tile(kernels, args.shape); tile.subgroups > 0)
    return record_attention_tile(kernels, tile, args);
  FOVEA_ASSIGN(const ShaderId id, batch_variant(ShaderId::attention_prefill_F16, args.shape));
  const std::uint32_t local = kernels.subgroup();
  const std::uint32_t rows = args.shape.listed_keys == 0 ? local : std::min(local, args.shape.tile_rows);
  const std::uint32_t group = args.shape.query_heads / args.shape.kv_heads;
  std::uint32_t heads = std::min(local / rows, group);
  while (group % heads != 0) --heads;
  return kernels.dispatch(id, {local, args.shape.head_width, local, rows, args.shape.tile_rows, heads}, attention_push(args),
                          (args.shape.tokens + rows - 1) / rows, args.shape.query_heads / heads);
}

std::uint32_t attention_splits(const gpu::DeviceFacts& facts, std::uint32_t kv_heads) {
  // A CPU driver needs a workgroup per core; a GPU about two per multiprocessor, of which 264 covers the largest. Powers
  // of two, so that the key range divides into whole pages evenly more often than not.
  const std::uint32_t wanted = facts.cpu ? std::max(1u, std::thread::hardware_concurrency()) : 256;
  std::uint32_t splits = 1;
  while (splits * kv_heads < wanted && splits < kMostSplits) splits *= 2;
  return splits;
}

std::uint32_t rope_attention_splits(const gpu::DeviceFacts& facts, std::uint32_t kv_heads, bool deep) {
  // Each has workgroups, which wait and count themselves for nothing where it finds no keys (qwen3-30b-a3b at depths 0 and 1,000 in 599 and
  // 551 t/s instead of 594 and 543).
  const std::uint32_t splits = attention_splits(facts, kv_heads);
  return deep || facts.cpu ? splits : std::min(splits, kDeepAttention / (kLeastPages * shader::kPageKeys));
}

namespace {

// Lanes share rows of f16, eight of them 64 bytes at a time (shaders/attention/attention_token.comp).
bool takes_attention_token(const KernelRecorder& kernels, const AttentionShape& shape) {
  return kernels.facts().cpu && kernels.subgroup() == 8 && shape.kv == DType::F16 && !shape.tiered && shape.head_width % 32 == 0;
}

}  // namespace

Result<void> record_attention_decode(KernelRecorder& kernels, const AttentionArgs& args) {
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::attention_decode_F16, args.shape));
  const AttentionShape& shape = args.shape;
  const std::uint32_t lanes = kernels.subgroup(), splits = attention_splits(kernels.facts(), shape.kv_heads);
  shader::AttentionPush push = attention_push(args);
  const bool whole = splits == 1;
  if (!whole) push.y = args.values;
  const std::uint32_t group = shape.query_heads / shape.kv_heads;
  if (takes_attention_token(kernels, shape))
    FOVEA_TRY(kernels.dispatch(ShaderId::attention_token_APART, {lanes, shape.head_width, group, whole ? 1u : 0u}, push, shape.kv_heads, splits));
  else
    FOVEA_TRY(kernels.dispatch(id, {lanes, shape.head_width, group, lanes, whole ? 1u : 0u}, push, shape.kv_heads, splits));
  if (whole) return {};
  kernels.plan().barrier();
  return record_combine(kernels, shape,
                        {.values = args.values, .partial = args.partial, .y = args.y, .sums = args.sums, .splits = splits});
}

bool takes_rope_attention(const KernelRecorder& kernels, const AttentionShape& shape) {
  if (kernels.cpu_form()) return takes_attention_token(kernels, shape);
  if (shape.tiered && kernels.subgroup() > shader::kPageKeys) return false;  // a step's keys are of one page
  return kernels.folds_steps() && kernels.subgroup() >= 4 &&
         rope_attention_subgroups(kernels.facts(), shape, rope_attention_heads(shape, true), kMostSplits) > 0;
}

bool runs_rope_attention_tile(const KernelRecorder& kernels, const RopeAttentionTile& tile, const AttentionShape& shape,
                              std::uint32_t splits) {
  const gpu::DeviceFacts& facts = kernels.facts();
  return tile.subgroups > 0 && tile.matrix != AttentionMatrix::khr && kernels.folds_steps() &&
         runs_attention_matrix(kernels, tile.matrix) && facts.subgroup >= 8 && facts.subgroup <= 64 && shape.kv == DType::F16 && !shape.tiered &&
         shape.head_width % 16 == 0 && shape.query_heads / shape.kv_heads <= kMostGroup &&
         tile.subgroups <= facts.max_workgroup_subgroups && tile.subgroups * facts.subgroup <= facts.max_workgroup_invocations &&
         rope_tile_bytes(shape, tile, splits) <= facts.shared_memory_bytes;
}

namespace {
// The tile that decoding over many keys takes, and its splits; no subgroups: none.
struct SuitedTile {
  RopeAttentionTile tile;
  std::uint32_t splits;
};
SuitedTile suited_tile(const KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t splits) {
  if (shape.query_heads / shape.kv_heads >= kLeastGroup)
    for (const TiledForm& form : kTiledForms) {
      const SuitedTile suited{{AttentionMatrix::nv2, form.subgroups}, std::clamp(form.groups / shape.kv_heads, 1u, splits)};
      if (runs_rope_attention_tile(kernels, suited.tile, shape, suited.splits)) return suited;
    }
  return {{}, splits};
}
}  // namespace

bool gains_by_chained_steps(const KernelRecorder& kernels, const AttentionShape& shape) {
  // On an H200 at depth 0 and 1,000: qwen3-30b-a3b with 8 heads 12 and 9 %, llama-8b 4 and 2 % and mixtral-8x7b 1 and 0 % with 4; olmoe-1b-7b,
  // whose heads have keys of their own, loses 1 to 3 %.
  constexpr std::uint32_t kLeastSharing = 4;
  return takes_rope_attention(kernels, shape) && shape.query_heads / shape.kv_heads >= kLeastSharing;
}

Result<void> record_rope_attention(KernelRecorder& kernels, const RopeAttentionArgs& args) {
  const RopeStoreArgs& rope = args.rope;
  const AttentionShape& shape = rope.shape;
  const bool chains = kernels.chains();
  FOVEA_ASSIGN(const ShaderId id, kv_variant(chains ? ShaderId::rope_attention_chained_F16 : ShaderId::rope_attention_F16, shape));
  const std::uint32_t lanes = kernels.subgroup(), splits = args.splits;
  const std::uint32_t heads = args.heads > 0 ? args.heads : rope_attention_heads(shape, args.deep);
  // Values before scores cost registers, hence workgroups: for few keys, where the wait is all there is.
  const bool early = args.early.value_or(!args.deep);
  const std::uint32_t least = args.least_pages > 0 ? args.least_pages : kLeastPages;
  const std::uint32_t subgroups = rope_attention_subgroups(kernels.facts(), shape, heads, splits);
  const shader::RopeAttentionPush push{.qkv = rope.qkv, .query = rope.query, .pages = shape.pages,
                                       .query_norm = rope.query_norm, .key_norm = rope.key_norm, .turns = rope.turns,
                                       .y = args.y, .values = args.values, .partial = args.partial,
                                       .arrived = args.arrived, .state = shape.state, .listed_keys = shape.listed_keys,
                                       .layer_offset = shape.layer_offset, .query_heads = shape.query_heads,
                                       .kv_heads = shape.kv_heads, .epsilon = rope.epsilon,
                                       .scale = score_scale(shape.head_width), .table_stride = shape.table_stride};
  const std::uint32_t group = shape.query_heads / shape.kv_heads;
  if (kernels.cpu_form()) {
    FOVEA_TRY(kernels.dispatch(ShaderId::attention_token_ROTATES,
                               {lanes, shape.head_width, group, splits == 1 ? 1u : 0u, rope.rope_width, rope.halves ? 1u : 0u, rope.norm}, push,
                               shape.kv_heads, splits));
    if (splits == 1) return {};
    kernels.plan().barrier();
    return record_combine(kernels, shape, {.values = args.values, .partial = args.partial, .y = args.y, .splits = splits});
  }
  const SuitedTile suited = args.tile || !args.deep ? SuitedTile{args.tile.value_or(RopeAttentionTile{}), splits} : suited_tile(kernels, shape, splits);
  const RopeAttentionTile& tile = suited.tile;
  if (tile.subgroups > 0)
    return kernels.dispatch_chained(tile.matrix == AttentionMatrix::nv2
                                        ? (chains ? ShaderId::rope_attention_tile_chained_NV2 : ShaderId::rope_attention_tile_NV2)
                                        : (chains ? ShaderId::rope_attention_tile_chained_PLAIN : ShaderId::rope_attention_tile_PLAIN),
                            {lanes * tile.subgroups, shape.head_width, rope.rope_width, rope.halves ? 1u : 0u, rope.norm, group, lanes,
                             tile.subgroups, suited.splits, least, args.rounded ? 1u : 0u},
                            push, shape.kv_heads, suited.splits);
  return kernels.dispatch_chained(id,
                          {lanes * subgroups, shape.head_width, rope.rope_width, rope.halves ? 1u : 0u, rope.norm, heads, lanes,
                           subgroups, splits, least, shape.query_heads / shape.kv_heads / heads, args.rounded ? 1u : 0u, early ? 1u : 0u},
                          push, shape.query_heads / heads, splits);
}

Result<void> record_attention_rows(KernelRecorder& kernels, const AttentionRowsArgs& args) {
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::attention_rows_F16, args.shape));
  const shader::AttentionRowsPush push{.query = args.query, .pages = args.shape.pages, .heads = args.heads, .rows = args.rows,
                                       .state = args.shape.state, .layer_offset = args.shape.layer_offset,
                                       .query_heads = args.shape.query_heads, .kv_heads = args.shape.kv_heads,
                                       .row_stride = args.row_stride, .tokens_capacity = args.tokens_capacity,
                                       .scale = score_scale(args.shape.head_width)};
  return kernels.dispatch(id, {kernels.subgroup(), args.shape.head_width}, push, args.shape.tokens,
                          args.slots);
}

}  // namespace fovea
