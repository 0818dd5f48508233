// Which experts each token of a batch gets under a policy, and how many. A subgroup per token, a workgroup per block of
// positions; where a block's choices hang on those of the blocks before, one workgroup takes all blocks in turn. Where only
// the number does, PARTs of this shader stand on both sides of expert_numbers.comp, a workgroup per block each: what all
// tokens' numbers are found from, and the choices by their block's threshold.
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
layout(constant_id = 7) const bool REMEMBERS = false;  // load, threshold or escort change
layout(constant_id = 8) const bool CLOSES = false;     // chooses nothing: ends the block that the last token filled, a workgroup for each layer
layout(constant_id = 9) const uint ESCORT = 0;         // of a new expert: kEscort*; then something is remembered
layout(constant_id = 10) const uint PART = kPartAll;

#include "shaders/include/number_controller.glsl"
#include "shaders/include/policy_choice.glsl"

layout(push_constant, scalar) uniform Push { ExpertChoicePush p; };

const uint FACTS = kRouterFactHead + SLOTS + EXPERTS + 1u;
const uint ROOM = SLOTS + (ESCORT == kEscortShadow ? 1u : 0u);  // of a token
const uint kEscortHead = kMemoryHead + 2u * EXPERTS;
const float kGammaGain = 0.5, kGuardGain = 0.5, kLeastMovedGamma = 0.25, kEscortStep = 0.1;

shared uint facts[FACTS];
shared uint calls[EXPERTS];   // of the open block
shared float load[EXPERTS];
shared float factor[EXPERTS];
shared float threshold, integral, gamma_now;  // of the controllers
shared uint escort[ESCORT != kEscortNone ? kEscortWords : 1u];
shared uint token_count[kRouterBlock];    // of the block's tokens: experts,
shared float token_liking[kRouterBlock];  // log probability of the new expert,
shared float token_sums[kRouterBlock];    // and what the probabilities of its experts sum to
shared bool called[kRouterBlock];         // whether the new expert is
shared uint seen, window_mass, block_slots, block_mass;  // block_slots: since the threshold's controller moved

uint64_t router() { return p.memory + (CLOSES ? uint64_t(gl_WorkGroupID.x * p.stride) * 4ul : 0ul); }
float rule(uint word) { return uintBitsToFloat(Uints(router()).v[word]); }
// Read once, beside the logits.
uint least, most;
float given_threshold, target, tau;
uint64_t shift, foreseen;  // of a semantic router
void add_fact(uint which, uint more) { atomicAdd(facts[which], more); }

// Once a token's choice is written.
void count_choice(PolicyChoice c, uint token) {
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
    if (gl_SubgroupInvocationID + i * LANES < c.count) {
      add_fact(kRouterFactHead + SLOTS + own_id[i], 1u);
      if (EVENS) atomicAdd(calls[own_id[i]], 1u);
    }
  uint predicted = predicted_calls(foreseen, token, c.count);
  if (gl_SubgroupInvocationID != 0u) return;
  add_fact(kRouterFactPredicted, predicted);
  add_fact(kRouterFactTokens, 1u);
  add_fact(kRouterFactMass, kept_mass(c));
  add_fact(kRouterFactMoved, moved_mass(c));
  add_fact(kRouterFactSame, c.same);
  add_fact(kRouterFactHead + c.count - 1u, 1u);
  if (REMEMBERS) atomicAdd(block_slots, c.count);
  if (EVENS) atomicAdd(block_mass, moved_mass(c));
}

// `at`: in its block.
void choose(uint token, uint at) {
  float factors[PER_LANE];
  if (LOAD != kLoadOff)
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) factors[i] = factor[min(gl_SubgroupInvocationID + i * LANES, EXPERTS - 1u)];
  float limit = shifted_threshold(policy_threshold(given_threshold, REMEMBERS ? target : 0.0, threshold), shift, token);
  PolicyChoice c = policy_choice(p.logits + uint64_t(token * p.stride) * 4ul, factors, least, most, limit, tau);
  if (ESCORT != kEscortNone) {
    Floats logits = Floats(p.logits + uint64_t(token * p.stride) * 4ul);
    // Beside the token's best expert, whose probability is known: the new one is not in the softmax.
    float liking = sane_logit(logits.v[EXPERTS]) - sane_logit(logits.v[c.best]) + log(of_slot(own_weight, 0u));
    if (gl_SubgroupInvocationID == 0u) {
      token_count[at] = c.count;
      token_liking[at] = liking;
      token_sums[at] = c.kept;
    }
  }
  uint64_t row = uint64_t(token * ROOM) * 4ul;
  write_choice(c, p.experts + row, p.weights + row);
  count_choice(c, token);
}

// By one invocation: which tokens of a block, from `from` up to `to`, call the new expert, in turn.
void call_escorted(uint from, uint to) {
  [[dont_unroll]] for (uint at = from; at < to; at++) {
    called[at] = false;
    if (escort[kEscortCalls] >= escort[kEscortLimit]) continue;
    uint more = escort[kEscortShare] * token_count[at], credit = min(escort[kEscortCredit] + more, kEscortMostOwed * kEscortUnit);
    float liking = token_liking[at], level = escort[kEscortTokens] == 0u ? liking : uintBitsToFloat(escort[kEscortLevel]);
    bool liked = liking > level, room = ESCORT == kEscortShadow || token_count[at] > 1u;
    called[at] = room && credit >= kEscortUnit && (liked || credit >= kEscortOwed * kEscortUnit);
    escort[kEscortLevel] = floatBitsToUint(level + kEscortStep * ((liked ? 1.0 : 0.0) - float(more) / float(kEscortUnit)));
    escort[kEscortCredit] = credit - (called[at] ? kEscortUnit : 0u);
    escort[kEscortOf] += token_count[at] + (called[at] && ESCORT == kEscortShadow ? 1u : 0u);
    escort[kEscortTokens] += 1u;
    escort[kEscortSum] = floatBitsToUint(uintBitsToFloat(escort[kEscortSum]) + liking);
    if (!called[at]) continue;
    escort[kEscortCalls] += 1u;
    escort[kEscortCalledSum] = floatBitsToUint(uintBitsToFloat(escort[kEscortCalledSum]) + liking);
  }
}

void write_escorted(uint token, uint at) {
  uint64_t row = uint64_t(token * ROOM) * 4ul;
  Uints experts = Uints(p.experts + row);
  Floats weights = Floats(p.weights + row);
  if (ESCORT == kEscortShadow) {
    experts.v[SLOTS] = kNoExpert;
    weights.v[SLOTS] = 0.0;
  }
  if (!called[at]) return;
  add_fact(kRouterFactHead + SLOTS + EXPERTS, 1u);
  uint count = token_count[at];
  if (ESCORT == kEscortShadow) {
    experts.v[count] = EXPERTS;
    weights.v[count] = 0.0;
    return;
  }
  // In place of the last: what the token's weights sum to stays.
  uint last = count - 1u, gone = experts.v[last];
  float whole = 0.0, own = exp(min(token_liking[at], 80.0)), sum = token_sums[at];
  [[dont_unroll]] for (uint slot = 0; slot < count; slot++) whole += weights.v[slot];
  float others = whole - weights.v[last], of_others = sum * (others / whole);
  float weight = min(own / (of_others + own), uintBitsToFloat(escort[kEscortCap])) * whole;
  [[dont_unroll]] for (uint slot = 0; slot < last; slot++) weights.v[slot] *= (whole - weight) / others;
  weights.v[last] = weight;
  experts.v[last] = EXPERTS;
  atomicAdd(facts[kRouterFactHead + SLOTS + gone], 0xFFFFFFFFu);  // one less
  if (EVENS) atomicAdd(calls[gone], 0xFFFFFFFFu);
}

// h of every expert, for the block that comes.
void set_factors() {
  float largest = 1e-6, gamma = rule(kRuleGamma) < 0.0 ? gamma_now : seen < kColdTokens ? 0.0 : rule(kRuleGamma);
  if (LOAD == kLoadHeadroom || LOAD == kLoadLocality)
    [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) largest = max(largest, load[e]);
  if (LOAD == kLoadPrice) {
    largest = 0.0;
    [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) largest += load[e];
    largest = max(largest / float(EXPERTS), 1e-6);
  }
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) factor[e] = load_factor(load[e], largest, gamma);
}

float variation() {
  float mean = 0.0, squares = 0.0;
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) mean += load[e];
  mean /= float(EXPERTS);
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) squares += (load[e] - mean) * (load[e] - mean);
  return mean > 0.0 ? sqrt(squares / float(EXPERTS)) / mean : 0.0;
}

// `end`: behind its last position.
void end_block(uint end) {
  if (EVENS) {
    for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) {
      load[e] = rule(kRuleDecay) * load[e] + (1.0 - rule(kRuleDecay)) * float(calls[e]) / float(kRouterBlock);
      calls[e] = 0u;
    }
    barrier();
  }
  if (gl_LocalInvocationID.x != 0u) return;
  uint period = number_period(end - 1u);
  if (end % period == 0u) {
    if (target > 0.0 && COUNT != kCountFixed) move_threshold(block_slots, period, target, most, threshold, integral);
    block_slots = 0u;
  }
  if (!EVENS) return;
  seen += kRouterBlock;
  window_mass += block_mass;
  block_mass = 0u;
  if (seen % kControlTokens != 0u) return;
  float kept = float(window_mass) / float(kMassUnit * kControlTokens), retained = rule(kRuleRetained);
  float room = clamp((kept - retained) / max(1.0 - retained, 1e-4), -1.0, 1.0);
  float wished = kGammaGain * (variation() - rule(kRuleCv)), allowed = kGuardGain * max(gamma_now, kLeastMovedGamma) * room;
  gamma_now = clamp(gamma_now + min(wished, allowed), 0.0, rule(kRuleGammaMost));
  window_mass = 0u;
}

// What is found for a token waits in its row of `weights`, which the choice overwrites: the sums of its experts' weights, the
// largest first, or of the entropy rule the effective number of its experts. Then a block's threshold stands first in its first
// token's row of `experts`.
void find(uint token) {
  float none[PER_LANE];
  PolicyChoice c = policy_choice(p.logits + uint64_t(token * p.stride) * 4ul, none, SLOTS, SLOTS, 1.0, 0.0);
  float effective = COUNT == kCountEntropy ? effective_number(c.total) : 0.0;
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++) {
    uint slot = gl_SubgroupInvocationID + i * LANES;
    if (slot >= SLOTS) continue;
    Floats(p.weights).v[token * SLOTS + slot] = COUNT == kCountEntropy ? effective : own_sum[i];
  }
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
  shift = kept_address(memory, kRuleShift);
  foreseen = kept_address(memory, kRulePredicted);
  for (uint i = me; i < FACTS; i += gl_WorkGroupSize.x) facts[i] = 0u;
  if (LOAD != kLoadOff)
    for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x) load[e] = uintBitsToFloat(memory.v[kMemoryHead + e]);
  if (REMEMBERS) {
    for (uint e = me; EVENS && e < EXPERTS; e += gl_WorkGroupSize.x)
      calls[e] = first == 0u && !CLOSES ? 0u : memory.v[kMemoryHead + EXPERTS + e];
    if (me == 0u) {
      threshold = uintBitsToFloat(memory.v[kMemoryThreshold]);
      integral = uintBitsToFloat(memory.v[kMemoryIntegral]);
      gamma_now = uintBitsToFloat(memory.v[kMemoryGamma]);
      if (ESCORT != kEscortNone)
        [[dont_unroll]] for (uint i = 0; i < kEscortWords; i++) escort[i] = memory.v[kEscortHead + i];
      seen = memory.v[kMemorySeen];
      window_mass = memory.v[kMemoryWindowMass];
      block_slots = first == 0u && !CLOSES ? 0u : memory.v[kMemoryBlockSlots];
      block_mass = first == 0u && !CLOSES ? 0u : memory.v[kMemoryBlockMass];
    }
  }
  barrier();

  if (CLOSES) {
    end_block(end);
    barrier();
  }
  uint begin = CLOSES ? end : first / kRouterBlock * kRouterBlock + gl_WorkGroupID.x * kRouterBlock;
  [[dont_unroll]] for (; begin < end; begin += gl_NumWorkGroups.x * kRouterBlock) {
    if (LOAD != kLoadOff) {
      set_factors();
      barrier();
    }
    uint from = max(begin, first), to = min(begin + kRouterBlock, end);
    if (PART == kPartChoose) {
      given_threshold = uintBitsToFloat(Uints(p.experts).v[(from - first) * SLOTS]);
      barrier();  // before that token's choice stands there
    }
    [[dont_unroll]] for (uint at = from + gl_SubgroupID; at < to; at += gl_NumSubgroups) {
      if (PART == kPartFind) find(at - first);
      else choose(at - first, at - begin);
    }
    if (ESCORT != kEscortNone) memoryBarrierBuffer();  // a token's weights are read again
    barrier();
    if (ESCORT != kEscortNone) {
      if (me == 0u) call_escorted(from - begin, to - begin);
      barrier();
      for (uint at = from + me; at < to; at += gl_WorkGroupSize.x) write_escorted(at - first, at - begin);
      barrier();
    }
    if (REMEMBERS && to == begin + kRouterBlock) {
      end_block(to);
      barrier();
    }
  }

  if (!CLOSES && PART != kPartFind)
    for (uint i = me; i < FACTS; i += gl_WorkGroupSize.x)
      if (facts[i] != 0u) atomicAdd(Uints(p.facts).v[i], facts[i]);
  if (REMEMBERS) {
    for (uint e = me; EVENS && e < EXPERTS; e += gl_WorkGroupSize.x) {
      memory.v[kMemoryHead + e] = floatBitsToUint(load[e]);
      memory.v[kMemoryHead + EXPERTS + e] = calls[e];
    }
    if (me == 0u) {
      memory.v[kMemoryThreshold] = floatBitsToUint(threshold);
      memory.v[kMemoryIntegral] = floatBitsToUint(integral);
      memory.v[kMemoryGamma] = floatBitsToUint(gamma_now);
      if (ESCORT != kEscortNone)
        [[dont_unroll]] for (uint i = kEscortCredit; i < kEscortWords; i++) memory.v[kEscortHead + i] = escort[i];
      memory.v[kMemorySeen] = seen;
      memory.v[kMemoryWindowMass] = window_mass;
      memory.v[kMemoryBlockSlots] = block_slots;
      memory.v[kMemoryBlockMass] = block_mass;
    }
  }
}
