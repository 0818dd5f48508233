// Adds the weighted expert outputs of a batch to the residual, used slots in order. One invocation per element;
// grid (width / local size, tokens).
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;
layout(push_constant, scalar) uniform Push { ExpertCombinePush p; };

void main() {
  uint token = gl_WorkGroupID.y, i = gl_GlobalInvocationID.x;
  if (token >= State(p.state).s.tokens || i >= p.width) return;
  float sum = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < p.slots; slot++) {
    uint a = token * p.slots + slot;
    if (Uints(p.experts).v[a] == kNoExpert) break;
    sum += Floats(p.weights).v[a] * Floats(p.partial + uint64_t(a * p.partial_stride) * 4ul).v[i];
  }
  Floats x = Floats(p.x + uint64_t(token * p.x_stride) * 4ul);
  x.v[i] += sum;
}
