// Which experts a token gets, in one subgroup: softmax over all router logits, top-k by value (lower index first on
// ties), optional renormalisation of the chosen. Twin: engine/reference/router.
//
// Needs the specialisation constants EXPERTS, SLOTS, NORMALIZE (chosen weights sum to one) and LANES (subgroup size).
#ifndef FOVEA_ROUTER_CHOICE_GLSL
#define FOVEA_ROUTER_CHOICE_GLSL

#include "addresses.glsl"

// Logit e of a row at an address; who includes this may have them elsewhere.
#ifndef ROUTER_LOGIT
#define ROUTER_LOGIT(row, e) Floats(row).v[e]
#endif

const uint PER_LANE = (EXPERTS + LANES - 1) / LANES;

// Whole numbers in the order of the floats, so that a GPU finds the highest of a subgroup in one instruction; no number
// is the lowest.
uint choice_key(float x) {
  uint bits = floatBitsToUint(x);
  return isnan(x) ? 0u : bits ^ ((bits >> 31) != 0u ? 0xFFFFFFFFu : 0x80000000u);
}
float choice_value(uint key) { return uintBitsToFloat(key ^ ((key >> 31) != 0u ? 0x80000000u : 0xFFFFFFFFu)); }

// The expert of rank `last`. With `publish`, which asks for all ranks, lane 0 writes experts and weights, uint and
// float (SLOTS).
uint choose_experts(uint64_t logits, uint last, bool publish, uint64_t experts, uint64_t weights) {
  uint lane = gl_SubgroupInvocationID;
  uint key[PER_LANE];
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    key[i] = e < EXPERTS ? choice_key(ROUTER_LOGIT(logits, e)) : 0u;
  }
  // Each step rounds as it is written: policy_choice.glsl does the same and is to give the same bits.
  precise float sum = 0.0;
  float maximum = 0.0;
  if (publish) {
    uint highest = 0u;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) highest = max(highest, key[i]);
    maximum = choice_value(subgroupMax(highest));
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (key[i] != 0u) sum += exp(choice_value(key[i]) - maximum);
    sum = subgroupAdd(sum);
  }

  uint expert = 0u;
  precise float total = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot <= last; slot++) {
    uint best = 0u, at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (key[i] > best) { best = key[i]; at = lane + i * LANES; }
    uint highest = subgroupMax(best);
    expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) key[i] = 0u;
    if (!publish) continue;
    precise float weight = exp(choice_value(highest) - maximum) / sum;
    total += weight;
    if (lane == 0u) {
      Uints(experts).v[slot] = expert;
      Floats(weights).v[slot] = weight;
    }
  }
  if (publish && NORMALIZE && lane == 0u)
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
      precise float normed = Floats(weights).v[slot] / total;
      Floats(weights).v[slot] = normed;
    }
  return expert;
}

#endif
