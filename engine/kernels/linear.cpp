#include "engine/kernels/linear.hpp"

#include <algorithm>

#include "engine/kernels/product_tile.hpp"
#include "engine/kernels/row_streams.hpp"
#include "shaders/interface/embed.h"
#include "shaders/interface/matmul.h"
#include "shaders/interface/norm.h"

namespace fovea {
namespace {

// Plain numbers on a GPU, in whole pieces of 16 bytes: one token, or floats for more than share a weight in registers.
bool takes_pieces(const KernelRecorder& kernels, const MatmulArgs& args, std::uint32_t tokens) {
  const DeviceMatrix& w = args.weights;
  if (tokens > 1 && (tokens <= 8 || w.type != DType::F32 || args.norm.weight != 0)) return false;
  return kernels.folds_steps() && traits(w.type).block_length == 1 && w.row_bytes % 16 == 0 && w.address % 16 == 0 &&
         std::uint64_t{w.row_bytes} == row_bytes(w.type, w.columns);
}

Result<void> record_matvec_plain(KernelRecorder& kernels, const MatmulArgs& args, const shader::MatmulPush& push) {
  // Rows that share the activations, where there are rows for every multiprocessor all the same.
  const std::uint32_t rows = args.weights.rows < 4096 ? 1 : 4, in_flight = 4 / rows;
  return kernels.dispatch(shader_for(ShaderId::matvec_plain_F32, args.weights.type),
                          {4 * kernels.subgroup(), args.weights.columns, rows, args.norm.weight != 0 ? 1u : 0u, in_flight}, push,
                          (args.weights.rows + rows - 1) / rows);
}

Result<void> record_matmul_float(KernelRecorder& kernels, const MatmulArgs& args, const shader::MatmulPush& push, std::uint32_t tokens) {
  constexpr std::uint32_t kRows = 4, kTokens = 4;  // of a subgroup; a workgroup has twice as many of both
  return kernels.dispatch(ShaderId::matmul_float, {4 * kernels.subgroup(), kernels.subgroup(), args.weights.columns, kRows, kTokens}, push,
                          (args.weights.rows + 2 * kRows - 1) / (2 * kRows), (tokens + 2 * kTokens - 1) / (2 * kTokens));
}

}  // namespace

Result<void> record_embed(KernelRecorder& kernels, const EmbedArgs& args) {
  const shader::EmbedPush push{.table = args.table.address, .history = args.history, .x = args.x, .state = args.state,
                               .width = args.table.columns, .row_bytes = args.table.row_bytes, .stride = args.stride,
                               .vocabulary = args.table.rows};
  const std::uint32_t local = kernels.subgroup(), pieces = (args.table.columns + 31) / 32;
  return kernels.dispatch(shader_for(ShaderId::embed_F32, args.table.type), {local}, push, (pieces + local - 1) / local,
                          args.tokens);
}

bool leaves_keys(const KernelRecorder& kernels, const DeviceMatrix& weights) {
  return streams_rows(kernels, weights, 1) && stream_groups(kernels, weights) > 0;
}

Result<void> record_matmul(KernelRecorder& kernels, const MatmulArgs& args) {
  const std::uint32_t tokens = args.one_row ? 1 : args.tokens;
  if (args.halves != 0)
    return record_dense_product(kernels, args.weights.type, tokens, args.unpacked,
                              {.weights = args.weights.address, .x = args.halves, .y = args.y, .state = args.state,
                               .columns = args.weights.columns, .rows = args.weights.rows,
                               .row_bytes = args.weights.row_bytes, .y_stride = args.y_stride, .slots = 1,
                               .accumulate = args.accumulate ? 1u : 0u});
  const bool streams = streams_rows(kernels, args.weights, tokens);
  const ProductShape shape = streams ? stream_shape(kernels, args.weights.rows) : kernels.product_shape(args.weights.rows, tokens);
  const shader::MatmulPush push{.weights = args.weights.address, .x = args.x, .y = args.y, .state = args.state,
                                .norm = args.norm.weight, .keys = args.keys, .rows = args.weights.rows, .row_bytes = args.weights.row_bytes,
                                .x_stride = args.x_stride, .y_stride = args.y_stride,
                                .accumulate = args.accumulate ? 1u : 0u, .one_row = args.one_row ? 1u : 0u,
                                .epsilon = args.norm.epsilon};
  if (takes_pieces(kernels, args, tokens))
    return tokens == 1 ? record_matvec_plain(kernels, args, push) : record_matmul_float(kernels, args, push, tokens);
  const std::uint32_t dealt = streams ? stream_groups(kernels, args.weights) : 0;
  return kernels.dispatch(shader_for(ShaderId::matmul_F32, args.weights.type),
                          {shape.local_size, args.weights.columns, dealt > 0 ? 1u : shape.rows, shape.tokens, shape.subgroup_form ? 1u : 0u,
                           args.norm.weight != 0 ? 1u : 0u, kernels.hands(shape), streams ? kernels.subgroup() : 0},
                          push, dealt > 0 ? dealt : shape.groups(args.weights.rows), (tokens + shape.tokens - 1) / shape.tokens);
}

Result<void> record_rms_norm(KernelRecorder& kernels, const RmsNormArgs& args) {
  const shader::RmsNormPush push{.weight = args.weight, .x = args.x, .y = args.y, .halves = args.halves, .state = args.state, .width = args.width,
                                 .stride = args.stride, .epsilon = args.epsilon, .last_only = args.last_only ? 1u : 0u};
  // On a GPU a row's numbers stay with the invocations that read them: two vectors of four for each, where the row has as many.
  const std::uint32_t lanes = kernels.subgroup();
  std::uint32_t subgroups = 1, vectors = 0;
  if (!kernels.cpu_form() && args.width % 4 == 0 && args.stride % 4 == 0) {
    const std::uint32_t most = std::min({kernels.facts().max_workgroup_invocations / lanes, kernels.facts().max_workgroup_subgroups, 16u});
    subgroups = std::clamp(args.width / (8 * lanes), 1u, most);
    vectors = (args.width / 4 + lanes * subgroups - 1) / (lanes * subgroups);
    if (vectors > 8) subgroups = 1, vectors = 0;
  }
  return kernels.dispatch(ShaderId::rms_norm, {lanes * subgroups, lanes, subgroups, vectors}, push, args.last_only ? 1 : args.tokens);
}

}  // namespace fovea
