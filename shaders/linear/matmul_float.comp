// Product of float weights with many activation rows on a GPU: the routers of a prompt, which do not take tiles since their
// choices must not hang on rounding to halves.
//
// A workgroup has 2 x 2 subgroups, each of ROWS rows and TOKENS tokens; lanes take columns, four side by side each, so that
// loads are whole lines. Float sums, per lane in ascending columns and then over the subgroup. Twin: engine/reference/matvec.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/addresses.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/matmul.h"

layout(local_size_x_id = 0) in;                 // 4 * LANES
layout(constant_id = 1) const uint LANES = 32;
layout(constant_id = 2) const uint COLUMNS = 512;  // a multiple of 4
layout(constant_id = 3) const uint ROWS = 8;       // of a subgroup
layout(constant_id = 4) const uint TOKENS = 8;

layout(push_constant, scalar) uniform Push { MatmulPush p; };

void main() {
  uint tokens = State(p.state).s.tokens;
  uint first_row = (gl_WorkGroupID.x * 2u + gl_SubgroupID % 2u) * ROWS, first_token = (gl_WorkGroupID.y * 2u + gl_SubgroupID / 2u) * TOKENS;
  if (first_token >= tokens || first_row >= p.rows) return;

  // Rows and tokens past the end repeat the last one; their sums are not written.
  uint64_t w[ROWS], x[TOKENS];
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    w[r] = p.weights + uint64_t(min(first_row + r, p.rows - 1u)) * uint64_t(p.row_bytes);
  [[unroll]] for (uint t = 0; t < TOKENS; t++)
    x[t] = p.x + uint64_t(min(first_token + t, tokens - 1u)) * uint64_t(p.x_stride * 4u);

  float sum[ROWS * TOKENS];
  [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) sum[i] = 0.0;
  [[dont_unroll]] for (uint four = gl_SubgroupInvocationID; four < COLUMNS / 4u; four += LANES) {
    vec4 weights[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; r++) weights[r] = Float4s(w[r]).v[four];
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      vec4 v = Float4s(x[t]).v[four];
      [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r * TOKENS + t] += dot(weights[r], v);
    }
  }

  [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) sum[i] = subgroupAdd(sum[i]);
  if (!subgroupElect()) return;
  [[unroll]] for (uint t = 0; t < TOKENS; t++) {
    if (first_token + t >= tokens) break;
    Floats y = Floats(p.y + uint64_t(first_token + t) * uint64_t(p.y_stride) * 4ul);
    [[unroll]] for (uint r = 0; r < ROWS; r++)
      if (first_row + r < p.rows) y.v[first_row + r] = sum[r * TOKENS + t] + (p.accumulate == 1u ? y.v[first_row + r] : 0.0);
  }
}
