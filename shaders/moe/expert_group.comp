// Sorts the assignments of a batch by expert and lists the tiles, in one workgroup: count, prefix sums, scatter.
// A subgroup has a stretch of the assignments and takes LANES of them at a time, in order; lanes with the same expert find one
// another by ballots, so order within an expert is ascending and nothing is atomic.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const uint TOKENS = 8;  // of a tile
layout(constant_id = 4) const uint LANES = 8;   // of a subgroup
layout(constant_id = 5) const uint SUBGROUPS = 1;

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Tiles { ExpertTile v[]; };
layout(push_constant, scalar) uniform Push { GroupPush p; };

shared uint places[SUBGROUPS * EXPERTS];  // of subgroup s, expert e at s * EXPERTS + e: assignments, then the next one's place among the expert's
shared uint totals[EXPERTS], firsts[EXPERTS], first_tiles[EXPERTS];
shared uint used;  // assignments of slots that tokens use

uint expert_at(uint a, uint last) { return a < last ? Uints(p.experts).v[a] : kNoExpert; }
// The lanes whose expert is this lane's.
uvec4 peers(uint e) {
  uvec4 same = subgroupBallot(e < EXPERTS);
  [[dont_unroll]] for (uint bits = EXPERTS - 1u, bit = 1u; bits != 0u; bits >>= 1, bit <<= 1) {
    uvec4 set = subgroupBallot((e & bit) != 0u);
    same &= (e & bit) != 0u ? set : ~set;
  }
  return same;
}

void main() {
  uint assignments = State(p.state).s.tokens * SLOTS, me = gl_LocalInvocationID.x, lane = gl_SubgroupInvocationID, own = gl_SubgroupID * EXPERTS;
  uint stretch = (assignments + LANES * SUBGROUPS - 1u) / (LANES * SUBGROUPS) * LANES;
  uint first = min(gl_SubgroupID * stretch, assignments), last = min(first + stretch, assignments);
  for (uint i = me; i < SUBGROUPS * EXPERTS; i += gl_WorkGroupSize.x) places[i] = 0u;
  barrier();
  uint next = expert_at(first + lane, last);
  [[dont_unroll]] for (uint some = 0u; some < stretch; some += LANES) {
    uint e = next;
    next = expert_at(first + some + LANES + lane, last);
    uvec4 same = peers(e);
    if (e < EXPERTS && subgroupBallotFindLSB(same) == lane) places[own + e] += subgroupBallotBitCount(same);
    subgroupBarrier();
  }
  barrier();
  for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x) {
    uint total = 0u;
    [[dont_unroll]] for (uint s = 0u; s < SUBGROUPS; s++) {
      uint count = places[s * EXPERTS + e];
      places[s * EXPERTS + e] = total;
      total += count;
    }
    totals[e] = total;
  }
  barrier();
  if (gl_SubgroupID == 0u) {
    uint before = 0u, tiles = 0u;
    [[dont_unroll]] for (uint some = 0u; some < EXPERTS; some += LANES) {
      uint e = some + lane, total = e < EXPERTS ? totals[e] : 0u, own_tiles = (total + TOKENS - 1u) / TOKENS;
      uint at = before + subgroupExclusiveAdd(total), tile = tiles + subgroupExclusiveAdd(own_tiles);
      if (e < EXPERTS) {
        firsts[e] = at;
        first_tiles[e] = tile;
      }
      before += subgroupAdd(total);
      tiles += subgroupAdd(own_tiles);
    }
    if (lane == 0u) {
      used = before;
      Uints dispatch = Uints(p.dispatch);
      dispatch.v[0] = p.gate_groups; dispatch.v[1] = tiles; dispatch.v[2] = 1u;
      dispatch.v[3] = p.down_groups; dispatch.v[4] = tiles; dispatch.v[5] = 1u;
    }
  }
  barrier();
  for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x) {
    uint tile = first_tiles[e], end = firsts[e] + totals[e];
    [[dont_unroll]] for (uint at = firsts[e]; at < end; at += TOKENS) Tiles(p.tiles).v[tile++] = ExpertTile(e, at, min(TOKENS, end - at));
  }
  next = expert_at(first + lane, last);
  [[dont_unroll]] for (uint some = 0u; some < stretch; some += LANES) {
    uint e = next, place = own + min(e, EXPERTS - 1u);
    next = expert_at(first + some + LANES + lane, last);
    uvec4 same = peers(e);
    uint at = firsts[min(e, EXPERTS - 1u)] + places[place] + subgroupBallotExclusiveBitCount(same);
    subgroupBarrier();
    if (e < EXPERTS) {
      Uints(p.sorted).v[at] = first + some + lane;
      if (subgroupBallotFindLSB(same) == lane) places[place] += subgroupBallotBitCount(same);
    }
    subgroupBarrier();
  }
  for (uint a = used + me; a < assignments; a += gl_WorkGroupSize.x) Uints(p.sorted).v[a] = kNoExpert;
}
