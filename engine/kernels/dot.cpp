#include "engine/kernels/dot.hpp"

#include <algorithm>

namespace fovea {
namespace {
constexpr std::uint32_t kSharedElsewhere = 256;  // bytes of shared memory that the kernels use beside the input

// Workgroups of a GPU product at most: eight for each of 132 multiprocessors, half as many where each rounds the same
// input again; two where lanes keep their activations, which more workgroups would only read again (on an H200, a query
// product of 4096 x 4096 in 6.1 us with 264, 6.8 with 512).
constexpr std::uint32_t kMostGroups = 1056, kMostHoldingGroups = 264;
std::uint32_t most_groups(const DotInput& x, bool holds) {
  if (holds) return kMostHoldingGroups;
  return x.rounded ? kMostGroups : kMostGroups / 2;
}
// At most `most` workgroups for `units` of work, and each as many units as the others, the last ones perhaps less.
std::uint32_t even_groups(std::uint32_t units, std::uint32_t most) {
  const std::uint32_t each = (units + most - 1) / most;
  return (units + each - 1) / each;
}
constexpr std::uint32_t kBlockRows = 32;  // rows of a workgroup that rounds its output: a block, or half a block
// From so many rows on whole blocks are workgroups enough for every multiprocessor: with fewer rows, half a block each (on an
// H200, 2048 x 4096 in 4.96 us instead of 5.62, the experts' down product of qwen3-30b-a3b in 8.2 instead of 10.9).
constexpr std::uint32_t kRowsOfWholeBlocks = 4096;
// From so many rows on the experts' down product leaves its output rounded: half a block for every multiprocessor, which
// saves a step.
constexpr std::uint32_t kRowsOfManyBlocks = 2048;
constexpr std::uint32_t kAhead = 1;      // the next weights are asked for before these are multiplied
constexpr std::uint32_t kMostHeld = 2;   // portions of a row whose activations a lane keeps
constexpr std::uint32_t kStreamWords = 14;  // of a lane's weights in shared memory (shaders/linear/matvec_dot.comp)
constexpr std::uint32_t kItemsInFlight = 4;  // portions of the down product whose loads a lane issues together

// A GPU's form: `subgroups` of a workgroup, each with `rows` rows at a time.
ProductShape gpu_shape(const KernelRecorder& kernels, std::uint32_t subgroups, std::uint32_t rows) {
  const std::uint32_t fit = std::max(1u, kernels.facts().max_workgroup_invocations / kernels.subgroup());
  ProductShape shape;
  shape.subgroup = kernels.subgroup();
  shape.subgroup_form = true;
  shape.local_size = std::min(subgroups, fit) * shape.subgroup;
  shape.rows = rows;
  return shape;
}

// A workgroup with `block` rows: two for each subgroup, or one, where the subgroups fit.
ProductShape block_shape(const KernelRecorder& kernels, std::uint32_t block, std::uint32_t rows) {
  const bool fits = block / rows * kernels.subgroup() <= kernels.facts().max_workgroup_invocations;
  return gpu_shape(kernels, block / (fits ? rows : 2), fits ? rows : 2);
}

ProductShape matvec_shape(const KernelRecorder& kernels, std::uint32_t rows, bool leaves) {
  if (leaves) return rows < kRowsOfWholeBlocks ? block_shape(kernels, kBlockRows / 2, 1) : block_shape(kernels, kBlockRows, 2);
  return kernels.folds_steps() ? gpu_shape(kernels, 8, rows < 8192 ? 1 : 2) : kernels.product_shape(rows, 1);
}

// Portions of a row (shaders/include/dot_blocks.glsl) that a lane has, where these are few enough to keep their
// activations in registers; else 0.
std::uint32_t held_portions(const KernelRecorder& kernels, const DeviceMatrix& matrix) {
  const std::uint32_t width = traits(matrix.type).block_length > 32 ? 64 : 32, turn = width * kernels.subgroup();
  const std::uint32_t portions = (matrix.columns + turn - 1) / turn;
  return kernels.folds_steps() && portions <= kMostHeld ? portions : 0;
}

// Whether weights come through shared memory: of superblocks of 210 bytes, where there is room.
bool streams(const KernelRecorder& kernels, const ProductShape& shape, const DeviceMatrix& matrix, const DotInput& x) {
  const std::uint32_t words = shape.local_size * kStreamWords + (x.rounded ? 0 : q8_words(matrix.columns));
  return shape.subgroup_form && matrix.type == DType::Q6_K &&
         words * sizeof(std::uint32_t) + 2 * kSharedElsewhere <= kernels.facts().shared_memory_bytes;
}

// One row per subgroup at a time, in as many turns as make a block.
ProductShape gate_up_shape(const KernelRecorder& kernels, std::uint32_t rows) {
  return kernels.folds_steps() ? gpu_shape(kernels, kBlockRows / 4, 1) : kernels.product_shape(rows, 1, 2);
}

// Portions that a lane has of all experts in a row of the down product.
std::uint32_t down_portions(const KernelRecorder& kernels, const DeviceMatrix& down, std::uint32_t slots) {
  const std::uint32_t turn = (traits(down.type).block_length > 32 ? 64 : 32) * kernels.subgroup();
  return (slots * down.columns + turn - 1) / turn;
}
// Of these a lane asks for three at once, if that is all, or for two (on an H200, experts of olmoe-1b-7b: four in 8.9 us, 9.2
// with four at once, 12.0 one by one). More of Q6_K come through shared memory, of two rows (mixtral-8x7b: 20.9 and 35.8 us
// with one expert and two, 22.0 and 36.1 straight). Where steps follow one another by counts all of it pays, of one row: qwen3-30b-a3b
// decodes 595 t/s in place of 551 at depth 0, 495 of 470 behind 6,000 keys, but with barriers 1 % fewer, and olmoe-1b-7b 2 % fewer.
constexpr std::uint32_t kMostStraight = 4;
std::uint32_t down_items(std::uint32_t portions) { return portions <= 3 ? portions : 2; }

ProductShape down_shape(const KernelRecorder& kernels, std::uint32_t rows, bool leaves, std::uint32_t rows_of_subgroup) {
  if (leaves) return block_shape(kernels, kBlockRows / 2, rows_of_subgroup);
  return kernels.folds_steps() ? gpu_shape(kernels, 4, 1) : kernels.product_shape(rows, 1);
}

std::uint32_t norms(const DotInput& x) { return x.norm_pending || x.norm.weight != 0 ? 1 : 0; }

}  // namespace

bool leaves_next(const KernelRecorder& kernels, const DeviceMatrix& matrix) {
  // The products of all chosen experts are too much for the few workgroups that blocks of few rows are.
  if (matrix.matrices > 1 && matrix.rows < kRowsOfManyBlocks) return false;
  return kernels.folds_steps() && matrix.rows % kBlockRows == 0 &&
         kBlockRows / 2 * kernels.subgroup() <= kernels.facts().max_workgroup_invocations;
}

std::uint32_t logit_parts(const KernelRecorder& kernels, const DeviceMatrix& writer, const DeviceMatrix& router) {
  constexpr std::uint32_t kMostBytes = 64 << 10;  // that every workgroup of the gate and up product adds up
  const std::uint32_t experts = router.rows;
  if (!leaves_next(kernels, writer) || router.type != DType::F32 || router.columns != writer.rows || router.row_bytes != 4 * router.columns ||
      router.address % 16 != 0 || experts % 4 != 0)
    return 0;
  const ProductShape shape = matvec_shape(kernels, writer.rows, true);
  const std::uint32_t rows = shape.local_size / shape.subgroup * shape.rows, parts = writer.rows / rows;
  const bool few = experts * rows / 4 <= 4 * shape.local_size && experts / 4 <= gate_up_shape(kernels, writer.rows).local_size;
  return few && parts * experts * sizeof(float) <= kMostBytes ? parts : 0;
}

bool takes_dot(const KernelRecorder& kernels, const DeviceMatrix& matrix) {
  // Eight lanes share a block of activations while it is rounded.
  if (!kernels.facts().integer_dot || kernels.subgroup() < 8 || traits(matrix.type).block_length < 32) return false;
  const std::uint64_t shared = std::uint64_t{q8_words(matrix.columns)} * sizeof(std::uint32_t) + kSharedElsewhere;
  return !kernels.folds_steps() || shared <= kernels.facts().shared_memory_bytes;
}

Result<void> record_quantize(KernelRecorder& kernels, const QuantizeArgs& args) {
  const shader::QuantizePush push{.x = args.x, .q8 = args.q8, .y = args.y, .norm = args.norm.weight, .width = args.width,
                                  .x_stride = args.x_stride, .q8_stride = args.q8_stride, .epsilon = args.norm.epsilon};
  // On a GPU a row's four-vectors all at once, as far as a workgroup goes.
  const std::uint32_t lanes = kernels.subgroup(), most = kernels.folds_steps() ? kernels.facts().max_workgroup_invocations / lanes : 1;
  const std::uint32_t subgroups = std::clamp((args.width / 4 + lanes - 1) / lanes, 1u, std::min(std::max(most, 1u), 16u));
  return kernels.dispatch(ShaderId::quantize, {subgroups * lanes, args.norm.weight != 0 ? 1u : 0u, subgroups}, push, args.rows);
}

Result<void> record_matvec_dot(KernelRecorder& kernels, const MatvecDotArgs& args) {
  const bool leaves = args.next.words != 0;
  const ProductShape shape = matvec_shape(kernels, args.weights.rows, leaves);
  const bool chains = kernels.chains();
  const shader::MatvecDotPush push{.weights = args.weights.address, .x = args.x.address, .y = args.y,
                                   .norm = args.x.norm.weight, .next = args.next.words, .next_norm = args.next.norm,
                                   .router = args.logits.router, .parts = args.logits.parts,
                                   .rows = args.weights.rows, .row_bytes = args.weights.row_bytes,
                                   .accumulate = args.accumulate ? 1u : 0u, .epsilon = args.x.norm.epsilon};
  const std::uint32_t groups = shape.groups(args.weights.rows);
  // Workgroups of one block of rows end before it would pay to keep the activations, but where they wait for these they have
  // all their weights by then.
  const std::uint32_t portions = held_portions(kernels, args.weights);
  const std::uint32_t held = leaves && (!chains || portions * shape.rows > kMostHeld) ? 0 : portions;
  const bool streamed = streams(kernels, shape, args.weights, args.x);
  return kernels.dispatch_chained(shader_for(chains ? ShaderId::matvec_dot_chained_Q8_0 : ShaderId::matvec_dot_Q8_0, args.weights.type, DType::Q8_0),
                          {shape.local_size, args.weights.columns, shape.rows, shape.subgroup_form ? 1u : 0u,
                           args.x.rounded ? 0u : 1u, norms(args.x), kAhead, leaves ? 1u : 0u, held,
                           streamed ? 1u : 0u, kernels.subgroup(), args.logits.experts},
                          push, shape.subgroup_form ? even_groups(groups, most_groups(args.x, held > 0)) : groups);
}

Result<void> record_router_logits(KernelRecorder& kernels, const RouterLogitsArgs& args) {
  return kernels.dispatch(ShaderId::router_logits,
                          {gate_up_shape(kernels, args.width).local_size, args.width, args.experts, args.count, kernels.subgroup()},
                          shader::RouterLogitsPush{.parts = args.parts, .words = args.words, .logits = args.logits, .epsilon = args.epsilon}, 1);
}

Result<void> record_gate_up_dot(KernelRecorder& kernels, const ExpertBatch& batch, const GateUpDotArgs& args) {
  const ProductShape shape = gate_up_shape(kernels, args.gate.rows);
  const std::uint32_t slots = batch.mode == ExpertMode::dense ? 1 : batch.slots;
  const shader::GateUpDotPush push{.gate = args.gate.address, .up = args.up.address, .x = args.x.address, .act = args.act,
                                   .experts = batch.experts, .norm = args.x.norm.weight, .logits = batch.logits, .parts = batch.logit_parts,
                                   .weights = batch.weights, .memory = batch.policy.memory, .facts = batch.policy.facts,
                                   .state = batch.state, .rows = args.gate.rows, .row_bytes = args.gate.row_bytes,
                                   .expert_bytes_low = args.gate.matrix_bytes_low(),
                                   .expert_bytes_high = args.gate.matrix_bytes_high(), .y_stride = args.act_stride,
                                   .epsilon = args.x.norm.epsilon};
  const std::uint32_t held = held_portions(kernels, args.gate);
  std::uint32_t groups = shape.groups(args.gate.rows), turns = 1;
  if (shape.subgroup_form) {
    // Half blocks where whole ones are too few for every multiprocessor to have two.
    const std::uint32_t block = args.gate.rows / kBlockRows * slots < kMostHoldingGroups ? kBlockRows / 2 : kBlockRows;
    turns = block / (shape.local_size / shape.subgroup * shape.rows);
    groups = even_groups((args.gate.rows + block - 1) / block, most_groups(args.x, held > 0));
  }
  const bool chains = kernels.chains();
  return kernels.dispatch_chained(shader_for(chains ? ShaderId::gate_up_dot_chained_Q8_0 : ShaderId::gate_up_dot_Q8_0, args.gate.type, DType::Q8_0),
                          {shape.local_size, args.gate.columns, shape.rows, shape.subgroup_form ? 1u : 0u,
                           args.x.rounded ? 0u : 1u, norms(args.x),
                           static_cast<std::uint32_t>(batch.mode), slots, std::max(batch.expert_count, 1u),
                           batch.normalize ? 1u : 0u, kernels.subgroup(), args.rounded ? 1u : 0u, turns, kAhead, held,
                           batch.policy.count, batch.policy.load, batch.policy.remembers ? 1u : 0u, batch.parts},
                          push, groups, slots);
}

Result<void> record_expert_down_dot(KernelRecorder& kernels, const ExpertBatch& batch, const DownDotArgs& args) {
  const bool leaves = args.next.words != 0;
  const std::uint32_t portions = down_portions(kernels, args.down, batch.slots);
  const bool chains = kernels.chains(), long_rows = portions > kMostStraight;
  const bool streams_rows = leaves && args.down.type == DType::Q6_K && (args.streamed || long_rows);
  const ProductShape shape = down_shape(kernels, args.down.rows, leaves, streams_rows && long_rows ? 2 : 1);
  const bool streamed = streams_rows && streams(kernels, shape, args.down, {.rounded = true});
  const shader::DownDotPush push{.down = args.down.address, .act = args.act, .y = args.x, .experts = batch.experts,
                                 .weights = batch.weights, .next = args.next.words, .next_norm = args.next.norm,
                                 .rows = args.down.rows, .row_bytes = args.down.row_bytes,
                                 .expert_bytes_low = args.down.matrix_bytes_low(),
                                 .expert_bytes_high = args.down.matrix_bytes_high(), .act_stride = args.act_stride};
  return kernels.dispatch_chained(shader_for(chains ? ShaderId::expert_down_dot_chained_Q8_0 : ShaderId::expert_down_dot_Q8_0, args.down.type, DType::Q8_0),
                          {shape.local_size, args.down.columns, shape.rows, shape.subgroup_form ? 1u : 0u, batch.slots,
                           leaves ? down_items(portions) : kItemsInFlight, leaves ? 1u : 0u, batch.varies ? 1u : 0u, streamed ? 1u : 0u, kernels.subgroup()},
                          push, shape.groups(args.down.rows));
}

}  // namespace fovea
