// Which experts a token gets, in one subgroup: softmax over all router logits, top-k by value (lower index first on
// ties), optional renormalisation of the chosen. Twin: engine/reference/router.
//
// Needs the specialisation constants EXPERTS, SLOTS, NORMALIZE (chosen weights sum to one) and LANES (subgroup size).
#ifndef FOVEA_ROUTER_CHOICE_GLSL
#define FOVEA_ROUTER_CHOICE_GLSL

#include "addresses.glsl"

const uint PER_LANE = (EXPERTS + LANES - 1) / LANES;
const float kMinusInfinity = -3.0e38;

// The expert of rank `last`. With `publish`, which asks for all ranks, lane 0 writes experts and weights, uint and
// float (SLOTS).
uint choose_experts(uint64_t logits, uint last, bool publish, uint64_t experts, uint64_t weights) {
  uint lane = gl_SubgroupInvocationID;
  float value[PER_LANE];
  float maximum = kMinusInfinity;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    value[i] = e < EXPERTS ? Floats(logits).v[e] : kMinusInfinity;
    maximum = max(maximum, value[i]);
  }
  float sum = 0.0;
  if (publish) {
    maximum = subgroupMax(maximum);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES < EXPERTS) sum += exp(value[i] - maximum);
    sum = subgroupAdd(sum);
  }

  uint expert = 0u;
  float total = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot <= last; slot++) {
    float best = kMinusInfinity;
    uint at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (value[i] > best) { best = value[i]; at = lane + i * LANES; }
    float highest = subgroupMax(best);
    expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) value[i] = kMinusInfinity;
    if (!publish) continue;
    float weight = exp(highest - maximum) / sum;
    total += weight;
    if (lane == 0u) {
      Uints(experts).v[slot] = expert;
      Floats(weights).v[slot] = weight;
    }
  }
  if (publish && NORMALIZE && lane == 0u)
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) Floats(weights).v[slot] = Floats(weights).v[slot] / total;
  return expert;
}

#endif
