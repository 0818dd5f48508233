// Sums over lanes whose number differs in the lowest three bits alone: in one order, whichever of these makes them.
#ifndef FOVEA_EIGHT_LANES_GLSL
#define FOVEA_EIGHT_LANES_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

// Where lanes of a subgroup are a CPU's vector they go in step, and what one has written is there for the others. A barrier would hold
// nothing up but itself: there it ends one coroutine and begins another, through which everything goes by way of memory.
void lanes_in_step() { subgroupMemoryBarrier(); }

float over_lanes(float sum) {
  sum += subgroupShuffleXor(sum, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  return sum + subgroupShuffleXor(sum, 4u);
}
// Of two sums over lanes: the first in lanes without `bit`, the second in those with it, over pairs of lanes.
float merge(float a, float b, uint bit) {
  bool upper = (gl_SubgroupInvocationID & bit) != 0u;
  return (upper ? b : a) + subgroupShuffleXor(upper ? a : b, bit);
}
// Of eight sums over lanes lane n gets the n-th.
float merge_eight(float sums[8]) {
  float two[4], four[2];
  [[unroll]] for (uint i = 0; i < 4; i++) two[i] = merge(sums[2u * i], sums[2u * i + 1u], 1u);
  [[unroll]] for (uint i = 0; i < 2; i++) four[i] = merge(two[2u * i], two[2u * i + 1u], 2u);
  return merge(four[0], four[1], 4u);
}

#endif
