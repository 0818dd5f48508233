// What the workgroups of a split attention leave, and its end: the one that is last to leave its sums puts all of them
// together, in the order of the splits, so that it does not matter which one it is. Where one split holds all keys its
// sums are the output.
//
// Needs HEAD_WIDTH, GROUP, LANES, SUBGROUPS, SPLITS, ROUNDED (the output is words of 8 bits), push constants `p` (RopeAttentionPush), and room for
// SUBGROUPS * GROUP * kVectors vectors in shared memory: put_sum(i, vec4), sum_at(i).
#ifndef FOVEA_SPLIT_SUMS_GLSL
#define FOVEA_SPLIT_SUMS_GLSL

#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "quantize_rows.glsl"

const uint kVectors = (HEAD_WIDTH + 7) / 8 * 2;  // of a head
const uint kSumVectors = GROUP * kVectors, kMostParts = LANES * SUBGROUPS / kSumVectors;
const uint kSumParts = kMostParts < 1 ? 1 : kMostParts < SUBGROUPS ? kMostParts : SUBGROUPS;  // of the splits
const uint kTogether = 16;                       // whose loads are issued together
shared float shares[GROUP * SPLITS];             // of the splits in the output
shared bool is_last;

uint64_t split_row(uint g, uint split) {
  return p.values + uint64_t(((gl_WorkGroupID.x * GROUP + g) * SPLITS + split) * kVectors) * 16ul;
}
// By neighbouring invocations for neighbouring vectors: eight of them share a block of words.
void write_output(uint g, uint vector, vec4 y) {
  uint first = (gl_WorkGroupID.x * GROUP + g) * HEAD_WIDTH;
  if (ROUNDED) {
    Q8Part part = quantize4(y);
    write_part(p.y, p.query_heads * HEAD_WIDTH / 32u, first / 4u + vector, part);
    return;
  }
  Floats out_row = Floats(p.y + uint64_t(first) * 4ul);
  [[unroll]] for (uint n = 0; n < 4; n++)
    if (HEAD_WIDTH % 8u == 0u || vector * 4u + n < HEAD_WIDTH) out_row.v[vector * 4u + n] = y[n];
}

// Puts `used` splits together where the lanes of a subgroup have vectors of one head and there are no more splits than lanes: every
// load is issued at once, and a lane's split tells the others its share.
const bool kOneRound = kVectors % LANES == 0 && SPLITS <= LANES;
void combine_in_one_round(uint used) {
  uint lane = gl_SubgroupInvocationID;
  const uint kRound = kOneRound ? SPLITS : 1;
  [[dont_unroll]] for (uint first = gl_SubgroupID * LANES; first < kSumVectors; first += SUBGROUPS * LANES) {
    uint g = first / kVectors, vector = first % kVectors + lane;
    vec2 part = OthersPairs(p.partial + uint64_t((gl_WorkGroupID.x * GROUP + g) * SPLITS) * 8ul).v[min(lane, used - 1u)];
    vec4 value[kRound];
    [[unroll]] for (uint n = 0; n < kRound; n++) value[n] = OthersVectors(split_row(g, min(n, used - 1u))).v[vector];
    float share = lane < used ? exp(part.x - subgroupMax(part.x)) : 0.0, weight = subgroupAdd(share * part.y);
    vec4 y = vec4(0.0);
    [[unroll]] for (uint n = 0; n < kRound; n++) y += subgroupShuffle(share, n) * value[n];
    write_output(g, vector, y / weight);
  }
}

// Puts `used` splits together: shares by subgroups of the heads, then sums.
void combine(uint used) {
  if (kOneRound) {
    combine_in_one_round(used);
    return;
  }
  uint lane = gl_SubgroupInvocationID;
  const uint kOwn = (SPLITS + LANES - 1) / LANES;
  [[dont_unroll]] for (uint g = gl_SubgroupID; g < GROUP; g += SUBGROUPS) {
    OthersPairs partial = OthersPairs(p.partial + uint64_t((gl_WorkGroupID.x * GROUP + g) * SPLITS) * 8ul);
    vec2 part[kOwn];
    float highest = kMinusInfinity, weight = 0.0;
    [[unroll]] for (uint i = 0; i < kOwn; i++) part[i] = partial.v[min(lane + i * LANES, used - 1u)];
    [[unroll]] for (uint i = 0; i < kOwn; i++) highest = max(highest, part[i].x);
    highest = subgroupMax(highest);
    [[unroll]] for (uint i = 0; i < kOwn; i++) {
      part[i].x = lane + i * LANES < used ? exp(part[i].x - highest) : 0.0;
      weight += part[i].x * part[i].y;
    }
    weight = subgroupAdd(weight);
    [[unroll]] for (uint i = 0; i < kOwn; i++)
      if (lane + i * LANES < used) shares[g * SPLITS + lane + i * LANES] = part[i].x / weight;
  }
  barrier();
  // An invocation takes a vector of a head, or, where there are more invocations than vectors, a part of its splits.
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < kSumParts * kSumVectors; i += gl_WorkGroupSize.x) {
    uint g = i % kSumVectors / kVectors, vector = i % kVectors;
    vec4 y = vec4(0.0);
    [[dont_unroll]] for (uint split = i / kSumVectors; split < used; split += kTogether * kSumParts) {
      vec4 value[kTogether];
      [[unroll]] for (uint n = 0; n < kTogether; n++)
        value[n] = OthersVectors(split_row(g, min(split + n * kSumParts, used - 1u))).v[vector];
      [[unroll]] for (uint n = 0; n < kTogether; n++)
        if (split + n * kSumParts < used) y += shares[g * SPLITS + split + n * kSumParts] * value[n];
    }
    put_sum(i, y);
  }
  barrier();
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < GROUP * kVectors; i += gl_WorkGroupSize.x) {
    vec4 y = sum_at(i);
    [[unroll]] for (uint n = 1; n < kSumParts; n++) y += sum_at(n * kSumVectors + i);
    write_output(i / kVectors, i % kVectors, y);
  }
}

// Unnormalised sums of one query head, four dimensions.
void leave(uint g, uint vector, vec4 y, float highest, float weight, uint split, uint used) {
  if (used == 1u) {
    write_output(g, vector, y / weight);
    return;
  }
  if (vector == 0u) OthersPairs(p.partial).v[(gl_WorkGroupID.x * GROUP + g) * SPLITS + split] = vec2(highest, weight);
  OthersVectors(split_row(g, split)).v[vector] = y;
}

void meet() {
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, FOVEA_ACQUIRE_RELEASE);
}
// Called by the whole workgroup when it has left its sums.
void finish(uint used) {
  if (used == 1u) return;
  // Written by all of this workgroup, then counted: whoever counts the last sees what all have written. The barriers make what this
  // workgroup has written known to the invocation that counts, and what that one sees to all of them; only that one waits for the device.
  meet();
  if (gl_LocalInvocationID.x == 0u) {
    memoryBarrierBuffer();
    is_last = atomicAdd(OthersCounts(p.arrived).v[gl_WorkGroupID.x], 1u) + 1u == used;
    if (is_last) OthersCounts(p.arrived).v[gl_WorkGroupID.x] = 0u;  // for the next layer
    memoryBarrierBuffer();
  }
  meet();
  if (!is_last) return;
  combine(used);
}

#endif
