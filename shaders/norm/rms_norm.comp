// Root mean square norm of activation rows; one workgroup per token. Twin: engine/reference/rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "shaders/include/state.glsl"
#include "shaders/interface/norm.h"

layout(local_size_x_id = 0) in;                  // LANES * SUBGROUPS
layout(constant_id = 1) const uint LANES = 32;
layout(constant_id = 2) const uint SUBGROUPS = 1;
layout(constant_id = 3) const uint VECTORS = 0;  // of four numbers that an invocation keeps; 0: none, the row is read twice

layout(push_constant, scalar) uniform Push { RmsNormPush p; };

const uint INVOCATIONS = LANES * SUBGROUPS;
#include "shaders/include/row_squares.glsl"

void main() {
  uint tokens = State(p.state).s.tokens;
  uint token = p.last_only == 1u ? tokens - 1u : gl_WorkGroupID.x, me = gl_LocalInvocationID.x;
  if (token >= tokens) return;
  uint row = p.last_only == 1u ? 0u : token;
  uint64_t x = p.x + uint64_t(token * p.stride) * 4ul, y = p.y + uint64_t(row * p.stride) * 4ul, halves = p.halves + uint64_t(row * p.width) * 2ul;

  float squares = 0.0;
  vec4 kept[VECTORS > 0u ? VECTORS : 1u];
  if (VECTORS > 0u) {
    [[unroll]] for (uint i = 0; i < VECTORS; i++) {
      uint at = me + i * INVOCATIONS;
      kept[i] = at * 4u < p.width ? Float4s(x).v[at] : vec4(0.0);
      squares += dot(kept[i], kept[i]);
    }
  } else {
    [[dont_unroll]] for (uint i = me; i < p.width; i += INVOCATIONS) squares += Floats(x).v[i] * Floats(x).v[i];
  }
  float scale = inversesqrt(over_row(squares) / float(p.width) + p.epsilon);
  if (VECTORS > 0u) {
    [[unroll]] for (uint i = 0; i < VECTORS; i++) {
      uint at = me + i * INVOCATIONS;
      if (at * 4u >= p.width) continue;
      vec4 normed = kept[i] * scale * Float4s(p.weight).v[at];
      if (p.y != 0ul) Float4s(y).v[at] = normed;
      if (p.halves != 0ul) Uint2s(halves).v[at] = normed_halves(normed);
    }
  } else {
    [[dont_unroll]] for (uint i = me; i < p.width; i += INVOCATIONS) {
      float normed = Floats(x).v[i] * scale * Floats(p.weight).v[i];
      if (p.y != 0ul) Floats(y).v[i] = normed;
      if (p.halves != 0ul) Halves(halves).v[i] = uint16_t(normed_halves(vec4(normed, 0.0, 0.0, 0.0)).x);
    }
  }
}
