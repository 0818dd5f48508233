// Token embeddings from their stored rows. One invocation decodes 32 elements; grid (width / 32, tokens).
// Twin: engine/reference/embed.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/blocks.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/embed.h"

layout(local_size_x_id = 0) in;
layout(push_constant, scalar) uniform Push { EmbedPush p; };

void main() {
  uint token = gl_WorkGroupID.y, sub = gl_GlobalInvocationID.x;
  StepState state = State(p.state).s;
  if (token >= state.tokens) return;
  uint id = min(Uints(p.history).v[state.position + token], p.vocabulary - 1u);
  uint64_t row = p.table + uint64_t(id) * uint64_t(p.row_bytes);
  Floats x = Floats(p.x + uint64_t(token * p.stride) * 4ul);
  if (sub < p.width / 32u) {
    vec4 w[8];
    load32(row, sub, w);
    [[unroll]] for (uint j = 0; j < 8; j++)
      [[unroll]] for (uint i = 0; i < 4; i++) x.v[sub * 32u + j * 4u + i] = w[j][i];
  }
#if FORMAT_HAS_TAIL
  if (sub == p.width / 32u)
    for (uint k = sub * 32u; k < p.width; k++) x.v[k] = load1(row, k);
#endif
}
