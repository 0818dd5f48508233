// Which pages a layer's queries read, as bits: for the trace, from the lists that attention took. One subgroup per KV head and
// query tile; grid (kv_heads, tiles). Where another layer has narrower tiles, marks are repeated for as many of them. Part of the capture plan only.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/addresses.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/page_trace.h"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint ROOM = 512;  // pages of the context
layout(constant_id = 2) const uint TILE = 1;    // rows of a tile
layout(constant_id = 3) const uint MARKED = 1;  // rows of the narrowest tile

layout(push_constant, scalar) uniform Push { PageMarksPush p; };

const uint WORDS = (ROOM + 31u) / 32u;
shared uint marks[WORDS];

void main() {
  uint tile = gl_WorkGroupID.y, slot = p.first_slot + tile * p.kv_heads + gl_WorkGroupID.x, lane = gl_LocalInvocationIndex;
  if (tile * TILE >= State(p.state).s.tokens) return;
  for (uint i = lane; i < WORDS; i += gl_WorkGroupSize.x) marks[i] = 0u;
  barrier();
  uint listed = (Uints(p.keys).v[slot] + kPageKeys - 1u) / kPageKeys;
  for (uint i = lane; i < listed; i += gl_WorkGroupSize.x) {
    uint page = Uints(p.list).v[slot * ROOM + i];
    atomicOr(marks[page / 32u], 1u << (page % 32u));
  }
  barrier();
  const uint repeats = TILE / MARKED;
  for (uint n = tile * repeats; n < (tile + 1u) * repeats && n * MARKED < State(p.state).s.tokens; n++) {
    Uints to = Uints(p.marks + uint64_t((n * p.kv_heads + gl_WorkGroupID.x) * (1u + WORDS)) * 4ul);
    if (lane == 0u) to.v[0] = Uints(p.keys - uint64_t(slot + 1u) * 4ul).v[0];
    for (uint i = lane; i < WORDS; i += gl_WorkGroupSize.x) to.v[1u + i] = marks[i];
  }
}
