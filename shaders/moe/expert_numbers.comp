// The threshold of every block of a batch where a controller holds the mean number of experts and nothing else hangs on the
// tokens before (expert_choice.comp does what comes before and behind). A block's threshold needs the numbers of the block
// before, so one subgroup walks from block to block with the controller in its registers; the others of the one workgroup
// bring the next stretch of tokens into shared memory meanwhile. Twin: engine/reference/expert_choice.
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

const uint kStretch = 8u * kRouterBlock;
const uint FOUND = COUNT == kCountMass ? SLOTS : 1u;  // of a token: sums of weights, or the effective number
const uint PAIRS = FOUND * kRouterBlock;              // of a block: (FOUND, kRouterBlock), dealt out to the lanes
const uint OWN = (PAIRS + LANES - 1u) / LANES;

shared float found[2][FOUND * kStretch];  // (FOUND, kStretch), so that lanes read side by side
shared float moved[2][kStretch];          // by a semantic router

// Tokens from position `begin` on, as many as there are below `end`.
void fetch(uint begin, uint first, uint end, uint64_t shift, uint side, uint worker, uint workers) {
  [[dont_unroll]] for (uint i = worker; i < kStretch * FOUND; i += workers) {
    uint at = i / FOUND, position = begin + at;
    if (position >= first && position < end) found[side][i % FOUND * kStretch + at] = Floats(p.weights).v[(position - first) * SLOTS + i % FOUND];
  }
  if (shift == 0ul) return;
  [[dont_unroll]] for (uint at = worker; at < kStretch; at += workers)
    if (begin + at >= first && begin + at < end) moved[side][at] = Floats(shift).v[begin + at - first];
}

// The lane's pairs of the block that begins at `begin` in its stretch, and what the last of each one's token is.
void read_block(uint side, uint begin, out float of[OWN], out float whole[OWN]) {
  [[unroll]] for (uint i = 0; i < OWN; i++) {
    uint pair = min(gl_SubgroupInvocationID + i * LANES, PAIRS - 1u), at = min(begin + pair % kRouterBlock, kStretch - 1u);
    of[i] = found[side][pair / kRouterBlock * kStretch + at];
    whole[i] = found[side][(FOUND - 1u) * kStretch + at];
  }
}

// What a pair adds to the experts of its token, beyond the least number where that is counted by rank: sums only grow, so an
// expert is used if the sum up to the one before is too little.
uint more_of(float of, float whole, uint rank, float limit, uint least, uint most) {
  if (COUNT == kCountEntropy) return clamp(entropy_count(limit, of), least, most) - least;
  return rank + 1u >= least && rank + 1u < most && !(limit < 1.0 && of >= limit * whole) ? 1u : 0u;
}

void main() {
  uint first = State(p.state).s.position, end = first + State(p.state).s.tokens, lane = gl_SubgroupInvocationID;
  Uints memory = Uints(p.memory);
  uint least = memory.v[kRuleLeast], most = memory.v[kRuleMost];
  float given = uintBitsToFloat(memory.v[kRuleThreshold]), target = uintBitsToFloat(memory.v[kRuleTarget]);
  uint64_t shift = kept_address(memory, kRuleShift);
  float threshold = uintBitsToFloat(memory.v[kMemoryThreshold]), integral = uintBitsToFloat(memory.v[kMemoryIntegral]);
  uint slots = first == 0u ? 0u : memory.v[kMemoryBlockSlots];  // of the open block
  bool alone = gl_NumSubgroups == 1u;
  uint stretch = first / kRouterBlock * kRouterBlock, side = 0u;
  fetch(stretch, first, end, shift, side, gl_LocalInvocationID.x, gl_WorkGroupSize.x);
  [[dont_unroll]] for (; stretch < end; stretch += kStretch) {
    barrier();
    if (alone) fetch(stretch + kStretch, first, end, shift, 1u - side, lane, LANES);
    else if (gl_SubgroupID > 0u)
      fetch(stretch + kStretch, first, end, shift, 1u - side, (gl_SubgroupID - 1u) * LANES + lane, (gl_NumSubgroups - 1u) * LANES);
    if (gl_SubgroupID == 0u) {
      float now[OWN], of_now[OWN], next[OWN], of_next[OWN];
      read_block(side, 0u, next, of_next);
      uint last = min(stretch + kStretch, end);
      [[dont_unroll]] for (uint begin = stretch; begin < last; begin += kRouterBlock) {
        [[unroll]] for (uint i = 0; i < OWN; i++) {
          now[i] = next[i];
          of_now[i] = of_next[i];
        }
        read_block(side, begin - stretch + kRouterBlock, next, of_next);  // on its way while this block's numbers are found
        uint from = max(begin, first), to = min(begin + kRouterBlock, end), more = 0u;
        float limit = policy_threshold(given, target, threshold);
        if (lane == 0u) Uints(p.experts).v[(from - first) * SLOTS] = floatBitsToUint(limit);
        [[unroll]] for (uint i = 0; i < OWN; i++) {
          uint pair = lane + i * LANES, position = begin + pair % kRouterBlock;
          float own = limit;
          if (shift != 0ul) {
            float by = moved[side][min(position - stretch, kStretch - 1u)];
            if (by != 0.0) own = threshold_moved_by(limit, by);
          }
          bool counts = pair < PAIRS && position >= from && position < to;
          more += counts ? more_of(now[i], of_now[i], pair / kRouterBlock, own, least, most) : 0u;
        }
        slots += subgroupAdd(more) + least * (to - from);
        if (begin + kRouterBlock <= end) {
          move_threshold(slots, target, most, threshold, integral);
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
