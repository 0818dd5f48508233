// Sums, prefix sums and extremes over a workgroup of full subgroups of any size; one barrier each.
#ifndef FOVEA_WORKGROUP_SUM_GLSL
#define FOVEA_WORKGROUP_SUM_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_subgroup_extended_types_int64 : require

const uint kMostSubgroups = 128u;
// Two turns: while one operation's totals are still being read, the next one writes the other half.
shared uint64_t group_totals[2][kMostSubgroups];
uint group_turn = 0u;

// The order that prefix sums follow; gl_LocalInvocationIndex need not follow the subgroups.
uint group_place() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }

uint group_publish(uint64_t of_subgroup) {
  uint turn = group_turn;
  group_turn ^= 1u;
  if (subgroupElect()) group_totals[turn][gl_SubgroupID] = of_subgroup;
  barrier();
  return turn;
}

uint64_t group_sum(uint64_t value) {
  uint turn = group_publish(subgroupAdd(value));
  uint64_t total = 0ul;
  for (uint s = 0u; s < gl_NumSubgroups; s++) total += group_totals[turn][s];
  return total;
}

// Sum of the values of all places before this one.
uint64_t group_prefix(uint64_t value, out uint64_t total) {
  uint turn = group_publish(subgroupAdd(value));
  uint64_t before = subgroupExclusiveAdd(value);
  total = 0ul;
  for (uint s = 0u; s < gl_NumSubgroups; s++) {
    if (s == gl_SubgroupID) before += total;
    total += group_totals[turn][s];
  }
  return before;
}

uint group_max(uint value) {
  uint turn = group_publish(uint64_t(subgroupMax(value)));
  uint highest = 0u;
  for (uint s = 0u; s < gl_NumSubgroups; s++) highest = max(highest, uint(group_totals[turn][s]));
  return highest;
}

uint group_min(uint value) { return ~group_max(~value); }

#endif
