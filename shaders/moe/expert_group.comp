// Sorts the assignments of a batch by expert and lists the tiles, in one workgroup: count, prefix sums, scatter.
// Every invocation owns whole experts, so order within an expert is ascending and nothing is atomic.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const uint TOKENS = 8;  // of a tile

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Tiles { ExpertTile v[]; };
layout(push_constant, scalar) uniform Push { GroupPush p; };

void main() {
  uint assignments = State(p.state).s.tokens * SLOTS;
  Uints experts = Uints(p.experts), counts = Uints(p.counts);
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) {
    uint count = 0;
    [[dont_unroll]] for (uint a = 0; a < assignments; a++) count += experts.v[a] == e ? 1u : 0u;
    counts.v[e] = count;
  }
  memoryBarrierBuffer();
  barrier();
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) {
    uint at = 0, tile = 0;
    [[dont_unroll]] for (uint other = 0; other < e; other++) {
      at += counts.v[other];
      tile += (counts.v[other] + TOKENS - 1u) / TOKENS;
    }
    uint count = counts.v[e], last = at + count;
    [[dont_unroll]] for (uint first = at; first < last; first += TOKENS)
      Tiles(p.tiles).v[tile++] = ExpertTile(e, first, min(TOKENS, last - first));
    if (e == EXPERTS - 1u) {
      Uints dispatch = Uints(p.dispatch);
      dispatch.v[0] = p.gate_groups; dispatch.v[1] = tile; dispatch.v[2] = 1u;
      dispatch.v[3] = p.down_groups; dispatch.v[4] = tile; dispatch.v[5] = 1u;
    }
    [[dont_unroll]] for (uint a = 0; a < assignments; a++)
      if (experts.v[a] == e) Uints(p.sorted).v[at++] = a;
  }
}
