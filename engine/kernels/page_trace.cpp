#include "engine/kernels/page_trace.hpp"

#include <cmath>

#include "shaders/interface/page_trace.h"

namespace fovea {

Result<void> record_page_marks(KernelRecorder& kernels, const PageMarksArgs& args) {
  const shader::PageMarksPush push{.list = args.buffers.list, .keys = args.buffers.keys, .marks = args.marks,
                                   .state = args.shape.state, .kv_heads = args.shape.kv_heads, .first_slot = args.first_slot};
  const std::uint32_t tokens = args.shape.tokens, rows = args.shape.tile_rows;
  return kernels.dispatch(ShaderId::page_marks, {kernels.subgroup(), args.pages, choice_rows(tokens, rows), choice_rows(tokens, args.rows)}, push,
                          args.shape.kv_heads, choice_tiles(tokens, rows));
}

Result<void> record_page_shares(KernelRecorder& kernels, const PageSharesArgs& args) {
  FOVEA_ASSIGN(const ShaderId id, kv_variant(ShaderId::page_shares_F16, args.shape));
  const AttentionShape& shape = args.shape;
  const shader::PageSharesPush push{.query = args.query, .pages = shape.pages, .shares = args.shares, .state = shape.state,
                                    .layer_offset = shape.layer_offset, .query_heads = shape.query_heads,
                                    .kv_heads = shape.kv_heads, .every = args.every, .room = args.pages,
                                    .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_width))};
  return kernels.dispatch(id, {kernels.subgroup(), shape.head_width}, push, measured_rows(shape.tokens, args.every),
                          shape.query_heads);
}

}  // namespace fovea
