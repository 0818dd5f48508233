// Matrix of plain numbers (F32, F16, BF16) times one vector, on a GPU: a workgroup has ROWS rows, and its invocations take
// what lies side by side of them, 16 bytes at a time. For few and short rows, as a router's, that is what keeps a GPU from
// waiting: many workgroups, whole loads, all of them under way at once. With NORM x is normed on the way in.
// Twins: engine/reference/matvec, rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/addresses.glsl"
#include "shaders/interface/matmul.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;  // a multiple of kWide
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool NORM = false;   // x is x / sqrt(mean(x^2) + epsilon) * norm
layout(constant_id = 4) const uint IN_FLIGHT = 4;  // pieces whose loads an invocation issues together

layout(push_constant, scalar) uniform Push { MatmulPush p; };

// Vectors of four in a piece of 16 bytes.
#if FORMAT_F32
const uint kVectors = 1;
vec4 weights_of(uvec4 piece, uint vector) { return uintBitsToFloat(piece); }
#else
const uint kVectors = 2;
vec4 weights_of(uvec4 piece, uint vector) {
  uvec2 words = vector == 0u ? piece.xy : piece.zw;
#if FORMAT_F16
  return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
#else
  return uintBitsToFloat(uvec4(words.x << 16, words.x & 0xFFFF0000u, words.y << 16, words.y & 0xFFFF0000u));
#endif
}
#endif
const uint kPieces = COLUMNS / (4u * kVectors);

shared float sums[64 * (ROWS + 1u)];  // of the subgroups: rows, then squares

void main() {
  uint first = gl_WorkGroupID.x * ROWS;
  float sum[ROWS], squares = 0.0;
  [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
  [[dont_unroll]] for (uint begin = gl_LocalInvocationID.x; begin < kPieces; begin += IN_FLIGHT * gl_WorkGroupSize.x) {
    uvec4 w[IN_FLIGHT * ROWS];
    vec4 x[IN_FLIGHT * kVectors], norm[IN_FLIGHT * kVectors];
    [[unroll]] for (uint i = 0; i < IN_FLIGHT; i++) {
      uint piece = begin + i * gl_WorkGroupSize.x, at = min(piece, kPieces - 1u);
      [[unroll]] for (uint r = 0; r < ROWS; r++)
        w[i * ROWS + r] = Uint4s(p.weights + uint64_t(min(first + r, p.rows - 1u)) * uint64_t(p.row_bytes)).v[at];
      [[unroll]] for (uint j = 0; j < kVectors; j++) {
        vec4 v = Float4s(p.x).v[at * kVectors + j];
        x[i * kVectors + j] = piece < kPieces ? v : vec4(0.0);
        if (NORM) norm[i * kVectors + j] = Float4s(p.norm).v[at * kVectors + j];
      }
    }
    [[unroll]] for (uint i = 0; i < IN_FLIGHT; i++)
      [[unroll]] for (uint j = 0; j < kVectors; j++) {
        vec4 v = x[i * kVectors + j];
        if (NORM) {
          squares += dot(v, v);
          v *= norm[i * kVectors + j];
        }
        [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot(weights_of(w[i * ROWS + r], j), v);
      }
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    sum[r] = subgroupAdd(sum[r]);
    if (subgroupElect()) sums[gl_SubgroupID * (ROWS + 1u) + r] = sum[r];
  }
  if (NORM) {
    squares = subgroupAdd(squares);
    if (subgroupElect()) sums[gl_SubgroupID * (ROWS + 1u) + ROWS] = squares;
  }
  barrier();
  uint own = gl_LocalInvocationID.x, row = first + own;
  if (own >= ROWS || row >= p.rows) return;
  float total = 0.0, all_squares = 0.0;
  [[dont_unroll]] for (uint n = 0; n < gl_NumSubgroups; n++) {
    total += sums[n * (ROWS + 1u) + own];
    if (NORM) all_squares += sums[n * (ROWS + 1u) + ROWS];
  }
  if (NORM) total *= inversesqrt(all_squares / float(COLUMNS) + p.epsilon);
  Floats y = Floats(p.y);
  y.v[row] = total + (p.accumulate == 1u ? y.v[row] : 0.0);
}
