// Activation rows as halves for products in tiles: rounded once here instead of by every tile that reads them.
// Beyond 65504, the largest half, an activation is taken as that of its sign, never as infinity.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/half_rows.h"

layout(local_size_x_id = 0) in;

layout(push_constant, scalar) uniform Push { HalfRowsPush p; };

uvec2 halves(vec4 v) {
  v = clamp(v, vec4(-65504.0), vec4(65504.0));
  return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}

void main() {
  uint row = gl_WorkGroupID.x, piece = gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;  // 8 columns each
  if (row >= State(p.state).s.tokens || piece * 8u >= p.columns) return;
  Float4s x = Float4s(p.x + uint64_t(row) * uint64_t(p.x_stride) * 4ul + uint64_t(piece) * 32ul);
  Uint4s y = Uint4s(p.y + uint64_t(row) * uint64_t(p.columns) * 2ul + uint64_t(piece) * 16ul);
  y.v[0] = uvec4(halves(x.v[0]), halves(x.v[1]));
}
