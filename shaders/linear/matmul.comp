// Matrix product of stored weights with a batch of activation rows; decode is a batch of one.
//
// y[t][row] = sum_k W[row][k] x[t][k], float accumulation in ascending k (row form) or per lane and then over the
// subgroup (subgroup form). One invocation (or one subgroup) computes ROWS x TOKENS outputs, so that a weight is decoded
// once for all tokens and an activation is loaded once for all rows. With NORM the rows of x are normed on the way in:
// who reads a row of x reads all of it, so its mean square costs no further load. Twins: engine/reference/matvec, rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/blocks.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/matmul.h"
#include "shaders/sample/ordered_key.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;   // k
layout(constant_id = 2) const uint ROWS = 1;        // per invocation or subgroup
layout(constant_id = 3) const uint TOKENS = 1;      // per invocation or subgroup
layout(constant_id = 4) const bool SUBGROUP = false;  // lanes of a subgroup share rows and split k
layout(constant_id = 5) const bool NORM = false;      // x is x / sqrt(mean(x^2) + epsilon) * norm
layout(constant_id = 6) const uint HANDS = 0;         // of the row form, see shared_row.glsl
layout(constant_id = 7) const uint STREAMED = 0;      // one token on a CPU driver, see row_products.glsl

#include "shaders/include/shared_row.glsl"
#include "shaders/include/row_products.glsl"

layout(push_constant, scalar) uniform Push { MatmulPush p; };

#if FORMAT_STREAMS
float eight_rows(uint first, uint chunk) {
  float values = 0.0;
  [[dont_unroll]] for (uint r = 0; r < 8; r++) {
    touch(p.weights + uint64_t(min(first + r + kAhead, p.rows - 1u)) * uint64_t(p.row_bytes));
    float product = row_product(p.weights + uint64_t(min(first + r, p.rows - 1u)) * uint64_t(p.row_bytes), chunk);
    values = r == share_lane() ? product : values;
  }
  return values;
}
void put_row(uint row, float sum, float scale) {
  Floats y = Floats(p.y);
  row += of_touches();
  if (row < p.rows) y.v[row] = sum * scale + (p.accumulate == 1u ? y.v[row] : 0.0);
}
// Of rows that are kept whole a workgroup, of one subgroup, goes through any number.
void multiply_chunk() {
  load_x(p.x, p.norm, 0u);
  float scale = norm_scale(p.epsilon);
  uint eights = (p.rows + 7u) / 8u, each = (eights + gl_NumWorkGroups.x - 1u) / gl_NumWorkGroups.x, end = min((gl_WorkGroupID.x + 1u) * each, eights);
  [[dont_unroll]] for (uint eight = gl_WorkGroupID.x * each; eight < end; eight++) {
    float sum = eight_rows(8u * eight, 0u);
    put_row(8u * eight + share_lane(), sum, scale);
    if (p.keys == 0ul) continue;
    uint key = 8u * eight + share_lane() < p.rows ? ordered_key(floatBitsToUint(sum * scale)) : 0u;
    key = max(key, subgroupShuffleXor(key, 1u));
    key = max(key, subgroupShuffleXor(key, 2u));
    key = max(key, subgroupShuffleXor(key, 4u));
    if (share_lane() == 0u) Uints(p.keys).v[eight] = key;
  }
}
void multiply_streams() {
  float sum[ROWS];
  [[unroll]] for (uint i = 0; i < ROWS; i++) sum[i] = 0.0;
  [[dont_unroll]] for (uint chunk = 0; chunk < kChunks; chunk++) {
    load_x(p.x, p.norm, chunk);
    [[dont_unroll]] for (uint eight = 0; eight < ROWS; eight++) add_eight(sum, eight, eight_rows(first_row() + 8u * eight, chunk));
  }
  float scale = norm_scale(p.epsilon);
  [[unroll]] for (uint i = 0; i < ROWS; i++) put_row(first_row() + 8u * i + share_lane(), sum[i], scale);
}
#endif

void main() {
#if FORMAT_STREAMS
  if (STREAMED == 8u && kChunks == 1u) {
    multiply_chunk();
    return;
  }
  if (STREAMED > 0u) {
    multiply_streams();
    return;
  }
#endif
  uint tokens = p.one_row == 1u ? 1u : State(p.state).s.tokens;
  uint first_token = gl_WorkGroupID.y * TOKENS;
  if (first_token >= tokens) return;
  uint unit = SUBGROUP ? gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID : gl_GlobalInvocationID.x;
  uint units = SUBGROUP ? gl_NumWorkGroups.x * gl_NumSubgroups : gl_NumWorkGroups.x * gl_WorkGroupSize.x;

  // Rows of one unit are `units` apart, so that neighbouring lanes hold neighbouring rows. Rows past the end repeat the
  // last one and are not written.
  uint64_t row[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    row[r] = p.weights + uint64_t(min(unit + r * units, p.rows - 1u)) * uint64_t(p.row_bytes);
  uint64_t x[TOKENS];
  [[unroll]] for (uint t = 0; t < TOKENS; t++)
    x[t] = p.x + uint64_t(min(first_token + t, tokens - 1u)) * uint64_t(p.x_stride * 4u);

  float sum[ROWS * TOKENS];
  [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) sum[i] = 0.0;
  float squares[TOKENS];
  [[unroll]] for (uint t = 0; t < TOKENS; t++) squares[t] = 0.0;

  uint first = SUBGROUP ? gl_SubgroupInvocationID : 0u, step = SUBGROUP ? gl_SubgroupSize : 1u;
  [[dont_unroll]] for (uint sub = first; sub < COLUMNS / 32u; sub += step) {
    vec4 w[ROWS * 8];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      vec4 one[8];
      load32(row[r], sub, one);
      [[unroll]] for (uint j = 0; j < 8; j++) w[r * 8 + j] = one[j];
    }
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      vec4 xt[8];
      load_shared32(x[t] + uint64_t(sub * 128u), xt);
      [[unroll]] for (uint j = 0; j < 8; j++) {
        vec4 v = xt[j];
        if (NORM) {
          squares[t] += dot(v, v);
          v *= Float4s(p.norm + uint64_t(sub * 128u)).v[j];
        }
        [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r * TOKENS + t] += dot(w[r * 8 + j], v);
      }
    }
  }
#if FORMAT_HAS_TAIL
  [[dont_unroll]] for (uint k = COLUMNS / 32u * 32u + first; k < COLUMNS; k += step)
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      float v = Floats(x[t]).v[k];
      if (NORM) {
        squares[t] += v * v;
        v *= Floats(p.norm).v[k];
      }
      [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r * TOKENS + t] += load1(row[r], k) * v;
    }
#endif

  if (NORM) [[unroll]] for (uint t = 0; t < TOKENS; t++) {
    float scale = inversesqrt((SUBGROUP ? subgroupAdd(squares[t]) : squares[t]) / float(COLUMNS) + p.epsilon);
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r * TOKENS + t] *= scale;
  }
  if (SUBGROUP) [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) sum[i] = subgroupAdd(sum[i]);
  if (SUBGROUP && !subgroupElect()) return;
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      uint out_row = unit + r * units, token = first_token + t;
      if (out_row >= p.rows || token >= tokens) continue;
      Floats y = Floats(p.y + uint64_t(token * p.y_stride) * 4ul);
      y.v[out_row] = sum[r * TOKENS + t] + (p.accumulate == 1u ? y.v[out_row] : 0.0);
    }
}
