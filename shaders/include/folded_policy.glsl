// A policy's choice for the one token that is decoded, made by every workgroup of the product that reads it. What the
// layer's router remembers is only read, but for the open block, which nobody reads before it ends (expert_choice, CLOSES).
//
// Needs what policy_choice.glsl needs, which it includes, and the specialisation constant REMEMBERS.
#ifndef FOVEA_FOLDED_POLICY_GLSL
#define FOVEA_FOLDED_POLICY_GLSL

#include "policy_choice.glsl"

#ifndef LANES_MEET  // where lanes do not go in step (eight_lanes.glsl)
#define LANES_MEET subgroupBarrier
#endif
#ifndef COUNTS_CHOICE  // whether who publishes a choice also counts it
#define COUNTS_CHOICE true
#endif

// By all lanes, each for the slots that it holds. An expert is called once by a token, so nobody else touches its count.
void note_choice(PolicyChoice c, bool begins, Uints memory, Uints facts) {
  uint predicted = predicted_calls(kept_address(memory, kRulePredicted), 0u, c.count);
  uint lane = gl_SubgroupInvocationID, head = kRouterFactHead + SLOTS, calls = kMemoryHead + EXPERTS;
  if (EVENS && begins) {
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES < EXPERTS) memory.v[calls + lane + i * LANES] = 0u;
    subgroupMemoryBarrierBuffer();
    LANES_MEET();
  }
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
    if (lane + i * LANES < c.count) {
      atomicAdd(facts.v[head + own_id[i]], 1u);
      if (EVENS) atomicAdd(memory.v[calls + own_id[i]], 1u);
    }
  if (lane != 0u) return;
  atomicAdd(facts.v[kRouterFactTokens], 1u);
  atomicAdd(facts.v[kRouterFactMass], kept_mass(c));
  atomicAdd(facts.v[kRouterFactMoved], moved_mass(c));
  atomicAdd(facts.v[kRouterFactSame], c.same);
  if (predicted > 0u) atomicAdd(facts.v[kRouterFactPredicted], predicted);
  atomicAdd(facts.v[kRouterFactHead + c.count - 1u], 1u);
  if (!REMEMBERS) return;
  if (begins) {
    memory.v[kMemoryBlockSlots] = c.count;
    if (EVENS) memory.v[kMemoryBlockMass] = moved_mass(c);
  } else {
    atomicAdd(memory.v[kMemoryBlockSlots], c.count);
    if (EVENS) atomicAdd(memory.v[kMemoryBlockMass], moved_mass(c));
  }
}

// In the order in which expert_choice.comp adds, so that both give the same bits.
float mean_load(uint64_t loads) {
  float sum = 0.0;
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) sum += Floats(loads).v[e];
  return max(sum / float(EXPERTS), 1e-6);
}

// The expert of rank `slot`, kNoExpert where the token does not use the slot. With `publish` the choice is also written and
// counted; one subgroup alone does that.
uint fold_policy(uint64_t logits, uint slot, bool publish, bool begins, uint64_t router, uint64_t facts, uint64_t experts,
                 uint64_t weights) {
  Uints memory = Uints(router);
  float factor[PER_LANE], most = 1e-6;
  if (LOAD != kLoadOff) {
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
      uint e = gl_SubgroupInvocationID + i * LANES;
      factor[i] = uintBitsToFloat(memory.v[kMemoryHead + min(e, EXPERTS - 1u)]);
      most = max(most, factor[i]);
    }
    if (LOAD == kLoadHeadroom || LOAD == kLoadLocality) most = subgroupMax(most);
    if (LOAD == kLoadPrice) most = mean_load(router + uint64_t(kMemoryHead) * 4ul);
    float given = uintBitsToFloat(memory.v[kRuleGamma]);
    float gamma = given < 0.0 ? uintBitsToFloat(memory.v[kMemoryGamma]) : memory.v[kMemorySeen] < kColdTokens ? 0.0 : given;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) factor[i] = load_factor(factor[i], most, gamma);
  }
  float threshold = policy_threshold(uintBitsToFloat(memory.v[kRuleThreshold]), REMEMBERS ? uintBitsToFloat(memory.v[kRuleTarget]) : 0.0,
                                     uintBitsToFloat(memory.v[kMemoryThreshold]));
  threshold = shifted_threshold(threshold, kept_address(memory, kRuleShift), 0u);
  PolicyChoice c = policy_choice(logits, factor, memory.v[kRuleLeast], memory.v[kRuleMost], threshold, uintBitsToFloat(memory.v[kRuleTau]));
  if (publish) {
    write_choice(c, experts, weights);
    if (COUNTS_CHOICE) note_choice(c, begins, memory, Uints(facts));
  }
  return slot < c.count ? of_slot(own_id, slot) : kNoExpert;
}

#endif
