#include "engine/kernels/experts.hpp"

#include <algorithm>

#include "engine/kernels/product_tile.hpp"
#include "engine/kernels/row_streams.hpp"

namespace fovea {
namespace {

bool chooses(const ExpertBatch& batch) { return batch.mode == ExpertMode::routed || batch.mode == ExpertMode::by_policy; }
bool one_by_one(const ExpertBatch& batch) { return batch.mode == ExpertMode::direct || chooses(batch); }

// Tokens a tile in registers takes; the same for both products of a batch, since they share the tile list.
std::uint32_t tile_tokens(const KernelRecorder& kernels, const ExpertBatch& batch, std::uint32_t rows) {
  return one_by_one(batch) ? 1 : kernels.product_shape(rows, batch.tokens, 2).tokens;
}

std::vector<std::uint32_t> product_constants(const ProductShape& shape, std::uint32_t columns, const ExpertBatch& batch) {
  return {shape.local_size, columns, shape.rows, shape.tokens, shape.subgroup_form ? 1u : 0u,
          static_cast<std::uint32_t>(batch.mode), batch.slots};
}

ProductShape gate_shape(const KernelRecorder& kernels, const ExpertBatch& batch, std::uint32_t rows) {
  return kernels.product_shape(rows, one_by_one(batch) ? 1 : batch.tokens, 2);
}

ProductShape down_shape(const KernelRecorder& kernels, const ExpertBatch& batch, std::uint32_t rows) {
  ProductShape shape = kernels.product_shape(rows, one_by_one(batch) ? 1 : batch.tokens);
  shape.tokens = tile_tokens(kernels, batch, rows);
  return shape;
}

// Of a workgroup whose invocations have four numbers of a row each.
std::uint32_t subgroups_of_row(std::uint32_t lanes, std::uint32_t width) { return (width / 4 + lanes - 1) / lanes; }

TileShape tile_of(const KernelRecorder& kernels, const ExpertBatch& batch, const DeviceMatrix& matrix) {
  return expert_tile(kernels, batch.in_lanes, batch.tokens * batch.slots, matrix.matrices);
}

}  // namespace

bool leaves_normed(const KernelRecorder& kernels, std::uint32_t width) {
  const std::uint32_t lanes = kernels.subgroup(), subgroups = subgroups_of_row(lanes, width);
  return width % 4 == 0 && subgroups <= kernels.facts().max_workgroup_subgroups && subgroups * lanes <= kernels.facts().max_workgroup_invocations;
}

bool experts_take_tiles(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& gate,
                        const DeviceMatrix& down) {
  return takes_tiles(kernels, gate, tokens) && takes_tiles(kernels, down, tokens);
}

std::uint32_t most_tiles(std::uint32_t tokens, std::uint32_t slots, std::uint32_t experts) {
  // Every expert may end in a partial tile; tiles of one token are the other extreme.
  return std::min(tokens * slots, tokens * slots / 8 + experts) + 1;
}

Result<void> record_router_topk(KernelRecorder& kernels, const RouterArgs& args) {
  const shader::RouterPush push{.logits = args.logits, .experts = args.experts, .weights = args.weights, .state = args.state,
                                .stride = args.stride};
  const std::uint32_t lanes = kernels.subgroup();
  return kernels.dispatch(ShaderId::router_topk, {lanes, args.expert_count, args.slots, args.normalize ? 1u : 0u, lanes}, push,
                          args.tokens);
}

bool takes_router_token(const KernelRecorder& kernels, const DeviceMatrix& router) {
  constexpr std::uint64_t kMost = 65536;  // weights
  return router.type == DType::F32 && kernels.subgroup() == 8 && streams_rows(kernels, router, 1) &&
         std::uint64_t{router.rows} * router.columns <= kMost;
}

Result<void> record_router_token(KernelRecorder& kernels, const RouterTokenArgs& args) {
  const RouterArgs& choice = args.choice;
  const shader::RouterTokenPush push{.router = args.router.address, .x = args.x, .norm = args.norm.weight, .logits = choice.logits,
                                     .experts = choice.experts, .weights = choice.weights, .state = choice.state,
                                     .memory = args.policy.memory, .facts = args.policy.facts, .epsilon = args.norm.epsilon};
  return kernels.dispatch(ShaderId::router_token,
                          {kernels.subgroup(), args.router.columns, choice.expert_count, choice.slots, choice.normalize ? 1u : 0u,
                           args.by_policy ? 1u : 0u, args.policy.count, args.policy.load, args.policy.remembers ? 1u : 0u},
                          push, 1);
}

Result<void> record_expert_group(KernelRecorder& kernels, const ExpertBatch& batch, const DeviceMatrix& gate,
                                 const DeviceMatrix& down) {
  shader::GroupPush push{.experts = batch.experts, .sorted = batch.sorted, .tiles = batch.tiles,
                         .dispatch = batch.dispatch->address(), .state = batch.state};
  std::uint32_t tokens = tile_tokens(kernels, batch, gate.rows);
  if (batch.in_tiles) {
    const TileShape tile = tile_of(kernels, batch, gate);
    tokens = tile.tokens;
    push.gate_groups = tile_groups(tile, gate.rows, true);
    push.down_groups = tile_groups(tile, down.rows, false);
  } else {
    push.gate_groups = gate_shape(kernels, batch, gate.rows).groups(gate.rows);
    push.down_groups = down_shape(kernels, batch, down.rows).groups(down.rows);
  }
  // One workgroup does it all. On a GPU it is as large as may be and has room to count in: the step takes as long as one
  // subgroup takes for its stretch.
  const std::uint32_t experts = gate.matrices, lanes = kernels.subgroup();
  const gpu::DeviceFacts& facts = kernels.facts();
  const std::uint32_t room = facts.shared_memory_bytes / 4 / experts, head = 4;  // what an expert needs besides
  const std::uint32_t most = kernels.cpu_form() ? 1 : std::min({facts.max_workgroup_invocations / lanes, facts.max_workgroup_subgroups, 32u});
  const std::uint32_t subgroups = std::clamp(room > head ? room - head : 0, 1u, std::max(most, 1u));
  return kernels.dispatch(ShaderId::expert_group, {lanes * subgroups, experts, batch.slots, tokens, lanes, subgroups}, push, 1);
}

Result<void> record_gate_up(KernelRecorder& kernels, const ExpertBatch& batch, const GateUpArgs& args) {
  if (batch.in_tiles) {
    const shader::ProductTilePush push{.weights = args.gate.address, .up = args.up.address, .x = args.halves, .y = args.act,
                                       .state = batch.state, .tiles = batch.tiles, .sorted = batch.sorted,
                                       .columns = args.gate.columns, .rows = args.gate.rows,
                                       .row_bytes = args.gate.row_bytes,
                                       .expert_bytes_low = args.gate.matrix_bytes_low(),
                                       .expert_bytes_high = args.gate.matrix_bytes_high(), .y_stride = args.gate.rows,
                                       .slots = batch.slots};
    if (batch.mode == ExpertMode::grouped)
      return record_expert_tiles(kernels, tile_of(kernels, batch, args.gate), args.gate.type, *batch.dispatch, 0, push);
    return record_dense_product(kernels, args.gate.type, batch.tokens, args.unpacked, push);
  }
  const bool streams = batch.mode != ExpertMode::grouped && streams_rows(kernels, args.gate, batch.tokens);
  const ProductShape shape = streams ? stream_shape(kernels, args.gate.rows) : gate_shape(kernels, batch, args.gate.rows);
  const bool folded = batch.mode == ExpertMode::by_policy;
  const shader::GateUpPush push{.gate = args.gate.address, .up = args.up.address, .x = args.x, .act = args.act,
                                .experts = batch.experts, .tiles = folded ? batch.policy.memory : batch.tiles,
                                .sorted = folded ? batch.policy.facts : batch.sorted, .state = batch.state,
                                .norm = args.norm.weight, .logits = batch.logits, .weights = batch.weights,
                                .rows = args.gate.rows, .row_bytes = args.gate.row_bytes,
                                .expert_bytes_low = args.gate.matrix_bytes_low(),
                                .expert_bytes_high = args.gate.matrix_bytes_high(),
                                .x_stride = args.x_stride, .y_stride = args.act_stride, .epsilon = args.norm.epsilon};
  const ShaderId shader = shader_for(ShaderId::gate_up_F32, args.gate.type);
  auto constants = product_constants(shape, args.gate.columns, batch);
  constants.insert(constants.end(), {args.norm.weight != 0 ? 1u : 0u, std::max(batch.expert_count, 1u),
                                     batch.normalize ? 1u : 0u, kernels.subgroup(), batch.policy.count, batch.policy.load,
                                     batch.policy.remembers ? 1u : 0u, kernels.hands(shape), streams ? kernels.subgroup() : 0});
  if (batch.mode == ExpertMode::grouped) return kernels.dispatch_indirect(shader, std::move(constants), push, *batch.dispatch, 0);
  const std::uint32_t y = one_by_one(batch) ? batch.tokens * batch.slots
                                                           : (batch.tokens + shape.tokens - 1) / shape.tokens;
  const std::uint32_t groups = shape.groups(args.gate.rows);
  return streams ? kernels.dispatch(shader, std::move(constants), push, y, groups) : kernels.dispatch(shader, std::move(constants), push, groups, y);
}

Result<void> record_expert_down(KernelRecorder& kernels, const ExpertBatch& batch, const ExpertDownArgs& args) {
  const bool streams = batch.mode != ExpertMode::grouped && streams_rows(kernels, args.down, batch.tokens);
  const ProductShape shape = streams ? stream_shape(kernels, args.down.rows) : down_shape(kernels, batch, args.down.rows);
  const bool grouped = batch.mode == ExpertMode::grouped;
  const shader::DownPush push{.down = args.down.address, .act = args.act, .y = grouped ? args.partial : args.x,
                              .experts = batch.experts, .weights = batch.weights, .tiles = batch.tiles, .sorted = batch.sorted,
                              .state = batch.state, .rows = args.down.rows, .row_bytes = args.down.row_bytes,
                              .expert_bytes_low = args.down.matrix_bytes_low(),
                              .expert_bytes_high = args.down.matrix_bytes_high(),
                              .x_stride = args.act_stride, .y_stride = grouped ? args.partial_stride : args.x_stride};
  const ShaderId shader = shader_for(ShaderId::expert_down_F32, args.down.type);
  ExpertBatch chosen = batch;
  if (chooses(batch)) chosen.mode = ExpertMode::direct;  // the choice is made by now
  auto constants = product_constants(shape, args.down.columns, chosen);
  constants.insert(constants.end(), {kernels.hands(shape), streams ? kernels.subgroup() : 0});
  if (!grouped) return kernels.dispatch(shader, std::move(constants), push, shape.groups(args.down.rows), batch.tokens);
  constexpr std::uint64_t kDownCounts = 3 * sizeof(std::uint32_t);
  if (batch.in_tiles) {
    const shader::ProductTilePush tile{.weights = args.down.address, .x = args.act, .y = args.partial, .state = batch.state,
                                       .tiles = batch.tiles, .sorted = batch.sorted, .columns = args.down.columns,
                                       .rows = args.down.rows, .row_bytes = args.down.row_bytes,
                                       .expert_bytes_low = push.expert_bytes_low,
                                       .expert_bytes_high = push.expert_bytes_high,
                                       .y_stride = args.partial_stride, .slots = batch.slots};
    FOVEA_TRY(record_expert_tiles(kernels, tile_of(kernels, batch, args.down), args.down.type, *batch.dispatch,
                                  kDownCounts, tile));
  } else {
    FOVEA_TRY(kernels.dispatch_indirect(shader, std::move(constants), push, *batch.dispatch, kDownCounts));
  }
  kernels.plan().barrier();
  const shader::ExpertCombinePush combine{.partial = args.partial, .experts = batch.experts, .weights = batch.weights, .x = args.x, .state = batch.state,
                                          .norm = args.next.weight, .halves = args.next.halves, .width = args.down.rows, .partial_stride = args.partial_stride,
                                          .x_stride = args.x_stride, .epsilon = args.next.epsilon};
  if (args.next.weight != 0) {
    const std::uint32_t lanes = kernels.subgroup(), subgroups = subgroups_of_row(lanes, args.down.rows);
    return kernels.dispatch(ShaderId::expert_combine, {lanes * subgroups, batch.slots, 4, subgroups}, combine, 1, batch.tokens);
  }
  const std::uint32_t local = kernels.subgroup() * 2, elements = (args.down.rows | args.partial_stride | args.x_stride) % 4 == 0 ? 4 : 1;
  return kernels.dispatch(ShaderId::expert_combine, {local, batch.slots, elements, 0}, combine, (args.down.rows + local * elements - 1) / (local * elements), batch.tokens);
}

}  // namespace fovea
