// Which workgroup of a CPU driver's dispatch, of one subgroup each, is the last to leave what it has: it sees what all have left. Nobody waits.
#ifndef FOVEA_LAST_WORKGROUP_GLSL
#define FOVEA_LAST_WORKGROUP_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require

#include "addresses.glsl"
#include "eight_lanes.glsl"

// `arrived`: the address of a count, 0 before and after.
bool is_last_workgroup(uint64_t arrived) {
  lanes_in_step();
  uint before = 0u;
  if (subgroupElect()) {
    memoryBarrierBuffer();
    before = atomicAdd(OthersCounts(arrived).v[0], 1u);
    if (before + 1u == gl_NumWorkGroups.x) OthersCounts(arrived).v[0] = 0u;
    memoryBarrierBuffer();
  }
  return subgroupBroadcastFirst(before) + 1u == gl_NumWorkGroups.x;
}

#endif
