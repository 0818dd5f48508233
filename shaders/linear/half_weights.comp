// Stored weights to halves in memory, for products of so many tokens that every tile's unpacking them again costs more than
// writing and reading them once. Rounded as in the tiles themselves (shaders/include/half_blocks.glsl).
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/half_blocks.glsl"
#include "shaders/interface/half_weights.h"

layout(local_size_x_id = 0) in;

layout(push_constant, scalar) uniform Push { HalfWeightsPush p; };

void main() {
  uint pieces = p.columns / 16u, place = gl_GlobalInvocationID.x, row = place / pieces, c = place % pieces;  // 16 weights each
  if (row >= p.rows) return;
  uint raw[kPieceWords];
  fetch16(p.weights + uint64_t(row) * uint64_t(p.row_bytes), c / 2u, c & 1u, raw);
  Uint4s y = Uint4s(p.y + uint64_t(row) * uint64_t(p.columns * 2u) + uint64_t(c * 32u));
  [[unroll]] for (uint j = 0; j < 2u; j++)
    y.v[j] = uvec4(unpack4(raw, c / 2u, c & 1u, 2u * j), unpack4(raw, c / 2u, c & 1u, 2u * j + 1u));
}
