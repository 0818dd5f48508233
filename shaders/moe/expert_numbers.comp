// The threshold of every block of a batch where a controller holds the mean number of experts and nothing else hangs on the
// tokens before (expert_choice.comp does what comes before and behind). A period's threshold needs the numbers of the period
// before, so one subgroup walks from period to period with the controller in its registers; the others of the one workgroup
// bring the next stretch of tokens into shared memory meanwhile. Within a period lanes count for themselves: only its end takes
// a sum over them, a move and an exponential. Twin: engine/reference/expert_choice.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/state.glsl"
#include "shaders/interface/expert_choice.h"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;  // LANES times one subgroup, or more than one
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const bool NORMALIZE = true;
layout(constant_id = 4) const uint LANES = 8;
layout(constant_id = 5) const uint COUNT = 1;  // rule of the number
layout(constant_id = 6) const uint LOAD = 0;

#include "shaders/include/number_controller.glsl"

layout(push_constant, scalar) uniform Push { ExpertChoicePush p; };

const uint kStretch = kNumberPeriod;           // so that every period lies in one
const uint kRow = kStretch + kRouterBlock;     // lanes of neighbouring ranks read from other banks; a block read ahead lies behind
const uint FOUND = COUNT == kCountMass ? SLOTS : 1u;  // of a token: sums of weights, or the effective number
// Lanes share a block by (GROUPS, ABREAST): each takes TOKENS of its tokens, ABREAST apart, and of these the ranks GROUPS apart.
const uint ABREAST = LANES < kRouterBlock ? LANES : kRouterBlock, GROUPS = LANES / ABREAST, TOKENS = kRouterBlock / ABREAST;
const uint RANKS = (FOUND + GROUPS - 1u) / GROUPS, OWN = TOKENS * RANKS;
const uint kAsked = 4u;

shared float found[2][FOUND * kRow];  // (FOUND, kRow), so that lanes read side by side
shared float moved[2][kStretch];      // by a semantic router

// Tokens from position `begin` on, as many as there are below `end`. A worker asks for some numbers before it waits for the first.
void fetch(uint begin, uint first, uint end, uint64_t shift, uint side, uint worker, uint workers) {
  const uint numbers = kStretch * FOUND;
  [[dont_unroll]] for (uint i = worker; i < numbers; i += kAsked * workers) {
    float asked[kAsked];
    [[unroll]] for (uint a = 0; a < kAsked; a++) {
      uint one = i + a * workers, position = begin + one / FOUND;
      asked[a] = 0.0;
      if (one < numbers && position >= first && position < end) asked[a] = Floats(p.weights).v[(position - first) * SLOTS + one % FOUND];
    }
    [[unroll]] for (uint a = 0; a < kAsked; a++) {
      uint one = i + a * workers;
      if (one < numbers) found[side][one % FOUND * kRow + one / FOUND] = asked[a];
    }
  }
  if (shift == 0ul) return;
  [[dont_unroll]] for (uint at = worker; at < kStretch; at += workers)
    if (begin + at >= first && begin + at < end) moved[side][at] = Floats(shift).v[begin + at - first];
}

// What the lane takes of the block that begins at `at` in its stretch, and what the last of each token is.
void read_block(uint side, uint at, out float of[OWN], out float whole[TOKENS]) {
  [[unroll]] for (uint t = 0; t < TOKENS; t++) {
    uint token = at + gl_SubgroupInvocationID % ABREAST + t * ABREAST;
    whole[t] = found[side][(FOUND - 1u) * kRow + token];
    [[unroll]] for (uint r = 0; r < RANKS; r++)
      of[t * RANKS + r] = found[side][min(gl_SubgroupInvocationID / ABREAST + r * GROUPS, FOUND - 1u) * kRow + token];
  }
}

void main() {
  uint first = State(p.state).s.position, end = first + State(p.state).s.tokens, lane = gl_SubgroupInvocationID;
  Uints memory = Uints(p.memory);
  uint least = memory.v[kRuleLeast], most = memory.v[kRuleMost];
  float given = uintBitsToFloat(memory.v[kRuleThreshold]), target = uintBitsToFloat(memory.v[kRuleTarget]);
  uint64_t shift = kept_address(memory, kRuleShift);
  float threshold = uintBitsToFloat(memory.v[kMemoryThreshold]), integral = uintBitsToFloat(memory.v[kMemoryIntegral]);
  uint slots = first == 0u ? 0u : memory.v[kMemoryBlockSlots];  // since the controller moved
  // A rank adds an expert to the least number if the sum up to the one before is too little, since sums only grow.
  bool adds[RANKS];
  [[unroll]] for (uint r = 0; r < RANKS; r++) {
    uint rank = lane / ABREAST + r * GROUPS;
    adds[r] = COUNT == kCountMass ? rank + 1u >= least && rank + 1u < most : rank == 0u;
  }
  bool alone = gl_NumSubgroups == 1u;
  uint stretch = first / kStretch * kStretch, side = 0u;
  fetch(stretch, first, end, shift, side, gl_LocalInvocationID.x, gl_WorkGroupSize.x);
  [[dont_unroll]] for (; stretch < end; stretch += kStretch) {
    barrier();
    if (alone) fetch(stretch + kStretch, first, end, shift, 1u - side, lane, LANES);
    else if (gl_SubgroupID > 0u)
      fetch(stretch + kStretch, first, end, shift, 1u - side, (gl_SubgroupID - 1u) * LANES + lane, (gl_NumSubgroups - 1u) * LANES);
    if (gl_SubgroupID == 0u) {
      uint begin = max(stretch, first / kRouterBlock * kRouterBlock), last = min(stretch + kStretch, end);
      float now[OWN], of_now[TOKENS], next[OWN], of_next[TOKENS];
      read_block(side, begin - stretch, next, of_next);
      [[dont_unroll]] while (begin < last) {
        // The rest of a period, or what there is of it.
        uint period = number_period(begin), until = min((begin / period + 1u) * period, last), from = max(begin, first), more = 0u;
        float limit = policy_threshold(given, target, threshold);
        [[dont_unroll]] for (uint block = begin + lane * kRouterBlock; block < until; block += LANES * kRouterBlock)
          Uints(p.experts).v[(max(block, first) - first) * SLOTS] = floatBitsToUint(limit);
        [[dont_unroll]] for (; begin < until; begin += kRouterBlock) {
          [[unroll]] for (uint i = 0; i < OWN; i++) now[i] = next[i];
          [[unroll]] for (uint t = 0; t < TOKENS; t++) of_now[t] = of_next[t];
          read_block(side, begin - stretch + kRouterBlock, next, of_next);  // on its way while this block's numbers are found
          [[unroll]] for (uint t = 0; t < TOKENS; t++) {
            uint position = begin + lane % ABREAST + t * ABREAST;
            float own = limit;
            if (shift != 0ul) {
              float by = moved[side][position - stretch];
              if (by != 0.0) own = threshold_moved_by(limit, by);
            }
            bool counts = position >= from && position < until, all = own >= 1.0;
            float enough = own * of_now[t];
            [[unroll]] for (uint r = 0; r < RANKS; r++) {
              float of = now[t * RANKS + r];
              if (COUNT == kCountEntropy) more += counts && adds[r] ? clamp(entropy_count(own, of), least, most) - least : 0u;
              else more += counts && adds[r] && (all || of < enough) ? 1u : 0u;
            }
          }
        }
        slots += subgroupAdd(more) + least * (until - from);
        if (until % period == 0u) {
          move_threshold(slots, period, target, most, threshold, integral);
          slots = 0u;
        }
      }
    }
    side = 1u - side;
  }
  if (gl_LocalInvocationID.x != 0u) return;
  memory.v[kMemoryThreshold] = floatBitsToUint(threshold);
  memory.v[kMemoryIntegral] = floatBitsToUint(integral);
  memory.v[kMemoryBlockSlots] = slots;
}
