// Sorts the assignments of a batch by expert and lists the tiles, in one workgroup: count, prefix sums, scatter.
// The assignments are cut into CHUNKS; a unit of work is one expert in one chunk, and an invocation owns whole units, so
// order within an expert is ascending and nothing is atomic. Neighbouring invocations have the same chunk: what they read
// is the same.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const uint TOKENS = 8;  // of a tile
layout(constant_id = 4) const uint CHUNKS = 1;

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Tiles { ExpertTile v[]; };
layout(push_constant, scalar) uniform Push { GroupPush p; };

shared uint counts[CHUNKS * EXPERTS];  // of chunk c, expert e at c * EXPERTS + e
shared uint totals[EXPERTS];

void main() {
  uint assignments = State(p.state).s.tokens * SLOTS, chunk = (assignments + CHUNKS - 1u) / CHUNKS;
  Uints experts = Uints(p.experts);
  for (uint unit = gl_LocalInvocationID.x; unit < CHUNKS * EXPERTS; unit += gl_WorkGroupSize.x) {
    uint e = unit % EXPERTS, first = unit / EXPERTS * chunk, last = min(first + chunk, assignments), count = 0;
    for (uint a = first; a < last; a++) count += experts.v[a] == e ? 1u : 0u;
    counts[unit] = count;
  }
  barrier();
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) {
    uint total = 0;
    for (uint c = 0; c < CHUNKS; c++) total += counts[c * EXPERTS + e];
    totals[e] = total;
  }
  barrier();
  for (uint unit = gl_LocalInvocationID.x; unit < CHUNKS * EXPERTS; unit += gl_WorkGroupSize.x) {
    uint e = unit % EXPERTS, c = unit / EXPERTS, at = 0, tile = 0;
    [[dont_unroll]] for (uint other = 0; other < e; other++) {
      at += totals[other];
      tile += (totals[other] + TOKENS - 1u) / TOKENS;
    }
    if (c == 0u) {
      uint end = at + totals[e];
      [[dont_unroll]] for (uint first = at; first < end; first += TOKENS)
        Tiles(p.tiles).v[tile++] = ExpertTile(e, first, min(TOKENS, end - first));
      if (e == EXPERTS - 1u) {
        Uints dispatch = Uints(p.dispatch);
        dispatch.v[0] = p.gate_groups; dispatch.v[1] = tile; dispatch.v[2] = 1u;
        dispatch.v[3] = p.down_groups; dispatch.v[4] = tile; dispatch.v[5] = 1u;
      }
    }
    [[dont_unroll]] for (uint before = 0; before < c; before++) at += counts[before * EXPERTS + e];
    uint first = c * chunk, last = min(first + chunk, assignments);
    for (uint a = first; a < last; a++)
      if (experts.v[a] == e) Uints(p.sorted).v[at++] = a;
  }
  uint used = 0;  // assignments of slots that tokens use
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) used += totals[e];
  for (uint a = used + gl_LocalInvocationID.x; a < assignments; a += gl_WorkGroupSize.x) Uints(p.sorted).v[a] = kNoExpert;
}
