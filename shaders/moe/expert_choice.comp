// Which experts each token of a batch gets under a policy, and how many. A subgroup per token, a workgroup per block of
// positions; where a block's choices hang on those of the blocks before, one workgroup takes all blocks in turn.
// Sums that leave a workgroup are whole numbers, so their order does not matter. Twin: engine/reference/expert_choice.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/state.glsl"
#include "shaders/interface/expert_choice.h"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const bool NORMALIZE = true;
layout(constant_id = 4) const uint LANES = 8;
layout(constant_id = 5) const uint COUNT = 0;          // rule of the number
layout(constant_id = 6) const uint LOAD = 0;           // rule of the load
layout(constant_id = 7) const bool REMEMBERS = false;  // load or threshold change
layout(constant_id = 8) const bool CLOSES = false;     // chooses nothing: ends the block that the last token filled, a workgroup for each layer

#include "shaders/include/policy_choice.glsl"

layout(push_constant, scalar) uniform Push { ExpertChoicePush p; };

const uint FACTS = kRouterFactHead + SLOTS + EXPERTS;
const float kThresholdGain = 1.2, kThresholdIntegralGain = 0.12, kLeastGammaGain = 0.02;

shared uint facts[FACTS];
shared uint calls[EXPERTS];   // of the open block
shared float load[EXPERTS];
shared float factor[EXPERTS];
shared float threshold, integral, gamma_now, gamma_gain;  // of the controllers
shared uint seen, window_mass, block_slots, block_mass;

uint64_t router() { return p.memory + (CLOSES ? uint64_t(gl_WorkGroupID.x * p.stride) * 4ul : 0ul); }
float rule(uint word) { return uintBitsToFloat(Uints(router()).v[word]); }
// Read once, beside the logits.
uint least, most;
float given_threshold, target, tau;
void add_fact(uint which, uint more) { atomicAdd(facts[which], more); }
float logit(float x) { return log(x / (1.0 - x)); }

void choose(uint token) {
  float factors[PER_LANE];
  if (LOAD != kLoadOff)
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) factors[i] = factor[min(gl_SubgroupInvocationID + i * LANES, EXPERTS - 1u)];
  float limit = policy_threshold(given_threshold, REMEMBERS ? target : 0.0, threshold);
  PolicyChoice c = policy_choice(p.logits + uint64_t(token * p.stride) * 4ul, factors, least, most, limit, tau);
  if (gl_SubgroupInvocationID != 0u) return;
  uint64_t row = uint64_t(token * SLOTS) * 4ul;
  write_choice(c, p.experts + row, p.weights + row);
  [[dont_unroll]] for (uint slot = 0; slot < c.count; slot++) {
    add_fact(kRouterFactHead + SLOTS + chosen_id[slot], 1u);
    if (REMEMBERS) atomicAdd(calls[chosen_id[slot]], 1u);
  }
  add_fact(kRouterFactTokens, 1u);
  add_fact(kRouterFactMass, kept_mass(c));
  add_fact(kRouterFactMoved, moved_mass(c));
  add_fact(kRouterFactSame, c.same);
  add_fact(kRouterFactHead + c.count - 1u, 1u);
  if (REMEMBERS) {
    atomicAdd(block_slots, c.count);
    atomicAdd(block_mass, moved_mass(c));
  }
}

// h of every expert, for the block that comes.
void set_factors() {
  float largest = 1e-6, gamma = rule(kRuleGamma) < 0.0 ? gamma_now : seen < kColdTokens ? 0.0 : rule(kRuleGamma);
  if (LOAD == kLoadHeadroom || LOAD == kLoadLocality)
    [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) largest = max(largest, load[e]);
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) factor[e] = load_factor(load[e], largest, gamma);
}

float variation() {
  float mean = 0.0, squares = 0.0;
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) mean += load[e];
  mean /= float(EXPERTS);
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) squares += (load[e] - mean) * (load[e] - mean);
  return mean > 0.0 ? sqrt(squares / float(EXPERTS)) / mean : 0.0;
}

void end_block() {
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) {
    load[e] = rule(kRuleDecay) * load[e] + (1.0 - rule(kRuleDecay)) * float(calls[e]) / float(kRouterBlock);
    calls[e] = 0u;
  }
  barrier();
  if (gl_LocalInvocationID.x != 0u) return;
  if (target > 0.0 && COUNT != kCountFixed) {
    float error = target - float(block_slots) / float(kRouterBlock);
    float low = COUNT == kCountMass ? logit(kLeastMass) : log(kLeastFactor);
    float high = COUNT == kCountMass ? logit(kMostMass) : log(kMostFactor);
    integral += error;
    float moved = threshold + (kThresholdGain * error + kThresholdIntegralGain * integral) / float(most);
    if (moved < low || moved > high) integral = 0.0;  // what cannot be reached is not owed
    threshold = clamp(moved, low, high);
  }
  seen += kRouterBlock;
  window_mass += block_mass;
  block_slots = block_mass = 0u;
  if (seen % kControlTokens != 0u) return;
  if (float(window_mass) / float(kMassUnit * kControlTokens) < rule(kRuleRetained))
    gamma_now *= 0.9, gamma_gain = max(gamma_gain / 2.0, kLeastGammaGain);
  else
    gamma_now = clamp(gamma_now + gamma_gain * (variation() - rule(kRuleCv)), 0.0, rule(kRuleGammaMost));
  window_mass = 0u;
}

void main() {
  uint first = State(p.state).s.position, end = first + State(p.state).s.tokens, me = gl_LocalInvocationID.x;
  Uints memory = Uints(router());
  if (CLOSES && end % kRouterBlock != 0u) return;
  least = memory.v[kRuleLeast];
  most = memory.v[kRuleMost];
  given_threshold = rule(kRuleThreshold);
  target = rule(kRuleTarget);
  tau = rule(kRuleTau);
  for (uint i = me; i < FACTS; i += gl_WorkGroupSize.x) facts[i] = 0u;
  if (REMEMBERS || LOAD == kLoadBias)
    for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x) load[e] = uintBitsToFloat(memory.v[kMemoryHead + e]);
  if (REMEMBERS) {
    for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x)
      calls[e] = first == 0u && !CLOSES ? 0u : memory.v[kMemoryHead + EXPERTS + e];
    if (me == 0u) {
      threshold = uintBitsToFloat(memory.v[kMemoryThreshold]);
      integral = uintBitsToFloat(memory.v[kMemoryIntegral]);
      gamma_now = uintBitsToFloat(memory.v[kMemoryGamma]);
      gamma_gain = uintBitsToFloat(memory.v[kMemoryGammaGain]);
      seen = memory.v[kMemorySeen];
      window_mass = memory.v[kMemoryWindowMass];
      block_slots = first == 0u && !CLOSES ? 0u : memory.v[kMemoryBlockSlots];
      block_mass = first == 0u && !CLOSES ? 0u : memory.v[kMemoryBlockMass];
    }
  }
  barrier();

  if (CLOSES) {
    end_block();
    barrier();
  }
  uint begin = CLOSES ? end : first / kRouterBlock * kRouterBlock + gl_WorkGroupID.x * kRouterBlock;
  [[dont_unroll]] for (; begin < end; begin += gl_NumWorkGroups.x * kRouterBlock) {
    if (LOAD != kLoadOff) {
      set_factors();
      barrier();
    }
    uint from = max(begin, first), to = min(begin + kRouterBlock, end);
    [[dont_unroll]] for (uint at = from + gl_SubgroupID; at < to; at += gl_NumSubgroups) choose(at - first);
    barrier();
    if (REMEMBERS && to == begin + kRouterBlock) {
      end_block();
      barrier();
    }
  }

  if (!CLOSES)
    for (uint i = me; i < FACTS; i += gl_WorkGroupSize.x)
      if (facts[i] != 0u) atomicAdd(Uints(p.facts).v[i], facts[i]);
  if (REMEMBERS) {
    for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x) {
      memory.v[kMemoryHead + e] = floatBitsToUint(load[e]);
      memory.v[kMemoryHead + EXPERTS + e] = calls[e];
    }
    if (me == 0u) {
      memory.v[kMemoryThreshold] = floatBitsToUint(threshold);
      memory.v[kMemoryIntegral] = floatBitsToUint(integral);
      memory.v[kMemoryGamma] = floatBitsToUint(gamma_now);
      memory.v[kMemoryGammaGain] = floatBitsToUint(gamma_gain);
      memory.v[kMemorySeen] = seen;
      memory.v[kMemoryWindowMass] = window_mass;
      memory.v[kMemoryBlockSlots] = block_slots;
      memory.v[kMemoryBlockMass] = block_mass;
    }
  }
}
