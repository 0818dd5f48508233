// Activations that every lane of a subgroup reads alike, 32 at a time. A CPU driver loads lane by lane, so a number that all
// lanes read is loaded as often as there are lanes; with HANDS each of them loads its part and hands it round.
// HANDS: lanes that share the loading, 4 or 8 of a subgroup that has at least as many, all of them active; 0: each loads all.
#ifndef FOVEA_SHARED_ROW_GLSL
#define FOVEA_SHARED_ROW_GLSL

#extension GL_KHR_shader_subgroup_ballot : require

#include "addresses.glsl"

const uint kHands = HANDS == 0u ? 1u : HANDS;

void load_shared32(uint64_t at, out vec4 v[8]) {
  Float4s row = Float4s(at);
  if (HANDS == 0u) {
    [[unroll]] for (uint j = 0; j < 8; j++) v[j] = row.v[j];
    return;
  }
  [[unroll]] for (uint first = 0; first < 8; first += kHands) {
    vec4 own = row.v[first + gl_SubgroupInvocationID % kHands];
    [[unroll]] for (uint j = 0; j < kHands; j++) v[first + j] = subgroupBroadcast(own, j);
  }
}

#endif
