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

#include "shaders/include/router_choice.glsl"

layout(push_constant, scalar) uniform Push { ExpertChoicePush p; };

const uint FACTS = kRouterFactHead + SLOTS + EXPERTS;
const float kLeastMass = 0.05, kMostMass = 0.9995, kLeastFactor = 0.05, kMostFactor = 20.0;
const float kThresholdGain = 1.2, kThresholdIntegralGain = 0.12, kLeastGammaGain = 0.02;

shared uint facts[FACTS];
shared uint calls[EXPERTS];   // of the open block
shared float load[EXPERTS];
shared float factor[EXPERTS];
shared float threshold, integral, gamma_now, gamma_gain;  // of the controllers
shared uint seen, window_mass, block_slots, block_mass;

void add_fact(uint which, uint more) { atomicAdd(facts[which], more); }

float logit(float x) { return log(x / (1.0 - x)); }
float threshold_now() {
  if (!REMEMBERS || p.target <= 0.0) return p.threshold;
  return COUNT == kCountMass ? 1.0 / (1.0 + exp(-threshold)) : exp(threshold);
}

uint count_of(float w[SLOTS], float total) {
  uint count = p.most;
  float limit = threshold_now();
  if (COUNT == kCountMass && limit < 1.0) {
    float sum = 0.0;
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
      sum += w[slot];
      if (sum >= limit * total) {
        count = slot + 1u;
        break;
      }
    }
  }
  if (COUNT == kCountEntropy) {
    float entropy = 0.0;
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++)
      if (w[slot] > 0.0) entropy -= w[slot] / total * log(w[slot] / total);
    count = uint(min(ceil(limit * exp(entropy) - 1e-4), 1e6));
  }
  return clamp(count, p.least, p.most);
}

void choose(uint token) {
  uint lane = gl_SubgroupInvocationID;
  Floats logits = Floats(p.logits + uint64_t(token * p.stride) * 4ul);
  uint key[PER_LANE], left[PER_LANE], highest = 0u;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    key[i] = left[i] = e < EXPERTS ? choice_key(logits.v[e]) : 0u;
    highest = max(highest, key[i]);
  }
  // As choose_experts has it, so that a policy that changes nothing gives the same bits.
  float maximum = choice_value(subgroupMax(highest)), sum = 0.0;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++)
    if (key[i] != 0u) sum += exp(choice_value(key[i]) - maximum);
  sum = subgroupAdd(sum);

  // The model's own choice.
  uint id[SLOTS];
  float w[SLOTS], total = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    uint best = 0u, at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (left[i] > best) { best = left[i]; at = lane + i * LANES; }
    highest = subgroupMax(best);
    uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) left[i] = 0u;
    id[slot] = expert;
    w[slot] = exp(choice_value(highest) - maximum) / sum;
    total += w[slot];
  }
  uint count = count_of(w, total);
  float best_mass = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < count; slot++) best_mass += w[slot];

  uint same = count;
  float kept = best_mass;
  if (LOAD != kLoadOff) {
    // Positive floats are ordered as their bits are; 0: not to be chosen.
    float floor_score = p.tau * w[count - 1u];
    uint rank[PER_LANE], fit = 0u;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
      uint e = lane + i * LANES;
      float score = key[i] != 0u ? exp(choice_value(key[i]) - maximum) / sum : -1.0;
      rank[i] = 0u;
      if (e < EXPERTS && score >= floor_score) rank[i] = floatBitsToUint(max(score * factor[e], 0.0)) + 1u;
      if (e == id[0]) rank[i] = 0xFFFFFFFFu;
      fit += rank[i] != 0u ? 1u : 0u;
    }
    if (subgroupAdd(fit) >= count) {  // else some logits are no numbers: the model's own choice stays
      uint own[SLOTS];
      [[dont_unroll]] for (uint slot = 0; slot < count; slot++) own[slot] = id[slot];
      same = 0u;
      kept = 0.0;
      [[dont_unroll]] for (uint slot = 0; slot < count; slot++) {
        uint best = 0u, at = EXPERTS;
        [[unroll]] for (uint i = 0; i < PER_LANE; i++)
          if (rank[i] > best) { best = rank[i]; at = lane + i * LANES; }
        highest = subgroupMax(best);
        uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
        [[unroll]] for (uint i = 0; i < PER_LANE; i++)
          if (lane + i * LANES == expert) rank[i] = 0u;
        id[slot] = expert;
        w[slot] = exp(logits.v[expert] - maximum) / sum;
        kept += w[slot];
        [[dont_unroll]] for (uint i = 0; i < count; i++) same += own[i] == expert ? 1u : 0u;
      }
    }
  }

  if (lane != 0u) return;
  Uints experts = Uints(p.experts + uint64_t(token * SLOTS) * 4ul);
  Floats weights = Floats(p.weights + uint64_t(token * SLOTS) * 4ul);
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    bool used = slot < count;
    experts.v[slot] = used ? id[slot] : kNoExpert;
    weights.v[slot] = !used ? 0.0 : NORMALIZE ? w[slot] / kept : w[slot] * (total / kept);
    if (used) {
      add_fact(kRouterFactHead + SLOTS + id[slot], 1u);
      if (REMEMBERS) atomicAdd(calls[id[slot]], 1u);
    }
  }
  uint moved = uint(kept / best_mass * float(kMassUnit) + 0.5);
  add_fact(kRouterFactTokens, 1u);
  add_fact(kRouterFactMass, uint(kept / total * float(kMassUnit) + 0.5));
  add_fact(kRouterFactMoved, moved);
  add_fact(kRouterFactSame, same);
  add_fact(kRouterFactHead + count - 1u, 1u);
  if (REMEMBERS) {
    atomicAdd(block_slots, count);
    atomicAdd(block_mass, moved);
  }
}

// h of every expert, for the block that comes.
void set_factors() {
  float most = 1e-6, gamma = p.gamma < 0.0 ? gamma_now : seen < kColdTokens ? 0.0 : p.gamma;
  if (LOAD == kLoadHeadroom || LOAD == kLoadLocality)
    [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) most = max(most, load[e]);
  for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x)
    factor[e] = LOAD == kLoadSeed       ? 1.0 - load[e]
                : LOAD == kLoadHeadroom ? 1.0 - gamma * load[e] / most
                : LOAD == kLoadLocality ? 1.0 + gamma * load[e] / most
                : LOAD == kLoadBias     ? exp(Floats(p.bias).v[e])
                                        : 1.0;
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
    load[e] = p.decay * load[e] + (1.0 - p.decay) * float(calls[e]) / float(kRouterBlock);
    calls[e] = 0u;
  }
  barrier();
  if (gl_LocalInvocationID.x != 0u) return;
  if (p.target > 0.0 && COUNT != kCountFixed) {
    float error = p.target - float(block_slots) / float(kRouterBlock);
    float low = COUNT == kCountMass ? logit(kLeastMass) : log(kLeastFactor);
    float high = COUNT == kCountMass ? logit(kMostMass) : log(kMostFactor);
    integral += error;
    float moved = threshold + (kThresholdGain * error + kThresholdIntegralGain * integral) / float(p.most);
    if (moved < low || moved > high) integral = 0.0;  // what cannot be reached is not owed
    threshold = clamp(moved, low, high);
  }
  seen += kRouterBlock;
  window_mass += block_mass;
  block_slots = block_mass = 0u;
  if (seen % kControlTokens != 0u) return;
  if (float(window_mass) / float(kMassUnit * kControlTokens) < p.retained)
    gamma_now *= 0.9, gamma_gain = max(gamma_gain / 2.0, kLeastGammaGain);
  else
    gamma_now = clamp(gamma_now + gamma_gain * (variation() - p.cv), 0.0, p.gamma_most);
  window_mass = 0u;
}

void main() {
  uint first = State(p.state).s.position, end = first + State(p.state).s.tokens, me = gl_LocalInvocationID.x;
  Uints memory = Uints(p.memory);
  for (uint i = me; i < FACTS; i += gl_WorkGroupSize.x) facts[i] = 0u;
  if (REMEMBERS) {
    for (uint e = me; e < EXPERTS; e += gl_WorkGroupSize.x) {
      load[e] = uintBitsToFloat(memory.v[kMemoryHead + e]);
      calls[e] = first == 0u ? 0u : memory.v[kMemoryHead + EXPERTS + e];
    }
    if (me == 0u) {
      threshold = uintBitsToFloat(memory.v[kMemoryThreshold]);
      integral = uintBitsToFloat(memory.v[kMemoryIntegral]);
      gamma_now = uintBitsToFloat(memory.v[kMemoryGamma]);
      gamma_gain = uintBitsToFloat(memory.v[kMemoryGammaGain]);
      seen = memory.v[kMemorySeen];
      window_mass = memory.v[kMemoryWindowMass];
      block_slots = first == 0u ? 0u : memory.v[kMemoryBlockSlots];
      block_mass = first == 0u ? 0u : memory.v[kMemoryBlockMass];
    }
  }
  barrier();

  uint begin = first / kRouterBlock * kRouterBlock + gl_WorkGroupID.x * kRouterBlock;
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

  Uints sums = Uints(p.facts);
  for (uint i = me; i < FACTS; i += gl_WorkGroupSize.x)
    if (facts[i] != 0u) atomicAdd(sums.v[i], facts[i]);
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
