// How much attention every page gets: the softmax mass that the newest query of a batch gives it, summed over the query heads of
// a KV head, as a mean that halves its memory every kHeatHalfLife tokens. Of f16 pages the mass is that of every kSampledKey-th key, of far ones it is estimated
// from the range of their keys (the scorer of engine/reference/sparse_attention.hpp: mid-range plus half the variance). A decoded
// token is looked at where it fills a page. One workgroup per KV head; of a batch the scores come first, by as many as there are
// pages, and the masses by one. Twin: engine/reference/kv_tiers (page_heat).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint GROUP = 4;     // query heads per KV head
layout(constant_id = 3) const uint SUBGROUPS = 1;
layout(constant_id = 4) const bool OF_TOKEN = false;
layout(constant_id = 5) const uint PART = kWholeHeat;

layout(push_constant, scalar) uniform Push { PageHeatPush p; };

#include "shaders/include/key_score.glsl"

const float kMinusInfinity = -3.0e38, kHeatHalfLife = 256.0;
const uint kSampledKey = 4;
const float kRangeOfNormals = 4.1;  // expected range of kPageKeys normal numbers, in standard deviations
shared float maxima[SUBGROUPS * GROUP], sums[SUBGROUPS * GROUP];

// Logarithm of the page's sum of exp(score), for the query.
float page_sum(TierPage page, uint kv_head, uint first, uint end, Floats query) {
  if (!page.is_far) {
    float maximum = kMinusInfinity, sum = 0.0;
    [[dont_unroll]] for (uint key = first; key < end; key += kSampledKey) {
      float score = score_of(kv_head, key, query), highest = max(maximum, score);
      sum = sum * exp(maximum - highest) + exp(score - highest);
      maximum = highest;
    }
    return maximum + log(sum * float(end - first) / float((end - first + kSampledKey - 1u) / kSampledKey));
  }
  float middle = 0.0, variance = 0.0, most = 0.0;
  [[dont_unroll]] for (uint d = 0; d < HEAD_WIDTH; d += 4u) {
    FarScale scale = far_scale(page, p.kv_heads, kv_head, HEAD_WIDTH, d);
    [[unroll]] for (uint i = 0; i < 4; i++) {
      float q = query.v[min(d + i, HEAD_WIDTH - 1u)] * p.scale, low = scale.low[i], high = low + 240.0 * scale.unit[i];
      float deviation = q * (high - low) / kRangeOfNormals;
      middle += q * (low + high) * 0.5;
      variance += deviation * deviation;
      most += max(q * low, q * high);
    }
  }
  return min(middle + 0.5 * variance, most) + log(float(kPageKeys));
}

void main() {
  StepState state = State(p.state).s;
  uint keys = state.position + state.tokens, kv_head = gl_WorkGroupID.x, pages = (keys + kPageKeys - 1u) / kPageKeys;
  if (OF_TOKEN && keys % kPageKeys != 0u) return;
  uint64_t queries = p.query + uint64_t(((state.tokens - 1u) * p.query_heads + kv_head * GROUP) * HEAD_WIDTH) * 4ul;
  float maximum[GROUP], sum[GROUP];
  [[unroll]] for (uint g = 0; g < GROUP; g++) { maximum[g] = kMinusInfinity; sum[g] = 0.0; }
  const uint stride = gl_WorkGroupSize.x * gl_NumWorkGroups.y;
  [[dont_unroll]] for (uint page = gl_WorkGroupID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x; page < pages; page += stride) {
    TierPage of = tier_page(p.pages, p.layer_offset, page * kPageKeys, p.kv_heads, HEAD_WIDTH);
    [[unroll]] for (uint g = 0; g < GROUP; g++) {
      Floats kept = Floats(p.scores + uint64_t((kv_head * GROUP + g) * p.page_count + page) * 4ul);
      if (PART != kHeatMasses) kept.v[0] = page_sum(of, kv_head, page * kPageKeys, min((page + 1u) * kPageKeys, keys), Floats(queries + uint64_t(g * HEAD_WIDTH) * 4ul));
      if (PART == kHeatScores) continue;
      float score = kept.v[0];
      float highest = max(maximum[g], score);
      sum[g] = sum[g] * exp(maximum[g] - highest) + exp(score - highest);
      maximum[g] = highest;
    }
  }
  if (PART == kHeatScores) return;
  float logarithm[GROUP];
  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    float highest = subgroupMax(maximum[g]), all = subgroupAdd(sum[g] * exp(maximum[g] - highest));
    if (gl_SubgroupInvocationID == 0u) {
      maxima[gl_SubgroupID * GROUP + g] = highest;
      sums[gl_SubgroupID * GROUP + g] = all;
    }
  }
  barrier();
  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    float highest = maxima[g], all = 0.0;
    [[unroll]] for (uint n = 1; n < SUBGROUPS; n++) highest = max(highest, maxima[n * GROUP + g]);
    [[unroll]] for (uint n = 0; n < SUBGROUPS; n++) all += sums[n * GROUP + g] * exp(maxima[n * GROUP + g] - highest);
    logarithm[g] = highest + log(all);
  }
  float memory = exp2(-(OF_TOKEN ? float(kPageKeys) : float(state.tokens)) / kHeatHalfLife);
  [[dont_unroll]] for (uint page = gl_LocalInvocationID.x; page < pages; page += gl_WorkGroupSize.x) {
    float mass = 0.0;
    [[unroll]] for (uint g = 0; g < GROUP; g++) mass += exp(Floats(p.scores).v[(kv_head * GROUP + g) * p.page_count + page] - logarithm[g]);
    Floats heat = Floats(p.heat + uint64_t(kv_head * p.page_count + page) * 4ul);
    heat.v[0] = memory * heat.v[0] + (1.0 - memory) * mass;
  }
}
