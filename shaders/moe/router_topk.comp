// Which experts a token gets: softmax over all router logits, top-k by value, optional renormalisation of the chosen.
// One subgroup per token. Twin: engine/reference/router.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const bool NORMALIZE = true;  // chosen weights sum to one
layout(constant_id = 4) const uint LANES = 8;         // subgroup size

layout(push_constant, scalar) uniform Push { RouterPush p; };

const uint PER_LANE = (EXPERTS + LANES - 1) / LANES;
const float kMinusInfinity = -3.0e38;

void main() {
  uint token = gl_WorkGroupID.x, lane = gl_SubgroupInvocationID;
  if (token >= State(p.state).s.tokens) return;
  Floats logits = Floats(p.logits + uint64_t(token * p.stride) * 4ul);
  float value[PER_LANE];
  float maximum = kMinusInfinity;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    value[i] = e < EXPERTS ? logits.v[e] : kMinusInfinity;
    maximum = max(maximum, value[i]);
  }
  maximum = subgroupMax(maximum);
  float sum = 0.0;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++)
    if (lane + i * LANES < EXPERTS) sum += exp(value[i] - maximum);
  sum = subgroupAdd(sum);

  float total = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    float best = kMinusInfinity;
    uint at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (value[i] > best) { best = value[i]; at = lane + i * LANES; }
    float highest = subgroupMax(best);
    uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) value[i] = kMinusInfinity;
    float weight = exp(highest - maximum) / sum;
    total += weight;
    if (lane == 0u) {
      Uints(p.experts).v[token * SLOTS + slot] = expert;
      Floats(p.weights).v[token * SLOTS + slot] = weight;
    }
  }
  if (NORMALIZE && lane == 0u)
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
      uint i = token * SLOTS + slot;
      Floats(p.weights).v[i] = Floats(p.weights).v[i] / total;
    }
}
