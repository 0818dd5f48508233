#include "engine/kernels/linear.hpp"

#include <algorithm>

#include "engine/kernels/product_tile.hpp"
#include "shaders/interface/embed.h"
#include "shaders/interface/matmul.h"
#include "shaders/interface/norm.h"

namespace fovea {

Result<void> record_embed(KernelRecorder& kernels, const EmbedArgs& args) {
  const shader::EmbedPush push{.table = args.table.address, .history = args.history, .x = args.x, .state = args.state,
                               .width = args.table.columns, .row_bytes = args.table.row_bytes, .stride = args.stride,
                               .vocabulary = args.table.rows};
  const std::uint32_t local = kernels.subgroup(), pieces = (args.table.columns + 31) / 32;
  return kernels.dispatch(shader_for(ShaderId::embed_F32, args.table.type), {local}, push, (pieces + local - 1) / local,
                          args.tokens);
}

Result<void> record_matmul(KernelRecorder& kernels, const MatmulArgs& args) {
  const std::uint32_t tokens = args.one_row ? 1 : args.tokens;
  if (args.norm.weight == 0 && takes_tiles(kernels, args.weights, tokens))
    return record_dense_tiles(kernels, dense_tile(kernels, args.weights.rows, tokens), args.weights.type, tokens,
                              {.weights = args.weights.address, .x = args.x, .y = args.y, .state = args.state,
                               .columns = args.weights.columns, .rows = args.weights.rows,
                               .row_bytes = args.weights.row_bytes, .x_stride = args.x_stride,
                               .y_stride = args.y_stride, .x_share = 1, .accumulate = args.accumulate ? 1u : 0u});
  ProductShape shape = kernels.product_shape(args.weights.rows, tokens);
  if (!kernels.cpu_form() && tokens > 8 && args.weights.rows <= 512) {
    // A router for a whole prompt: few rows, so that only the columns give a GPU enough to do.
    shape = {.subgroup_form = true, .local_size = 4 * kernels.subgroup(), .rows = 2, .tokens = 8, .subgroup = kernels.subgroup()};
  }
  const shader::MatmulPush push{.weights = args.weights.address, .x = args.x, .y = args.y, .state = args.state,
                                .norm = args.norm.weight, .rows = args.weights.rows, .row_bytes = args.weights.row_bytes,
                                .x_stride = args.x_stride, .y_stride = args.y_stride,
                                .accumulate = args.accumulate ? 1u : 0u, .one_row = args.one_row ? 1u : 0u,
                                .epsilon = args.norm.epsilon};
  return kernels.dispatch(shader_for(ShaderId::matmul_F32, args.weights.type),
                          {shape.local_size, args.weights.columns, shape.rows, shape.tokens, shape.subgroup_form ? 1u : 0u,
                           args.norm.weight != 0 ? 1u : 0u},
                          push, shape.groups(args.weights.rows), (tokens + shape.tokens - 1) / shape.tokens);
}

Result<void> record_rms_norm(KernelRecorder& kernels, const RmsNormArgs& args) {
  const shader::RmsNormPush push{.weight = args.weight, .x = args.x, .y = args.y, .state = args.state, .width = args.width,
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
