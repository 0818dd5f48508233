// Attention of each query head over the share of its keys that has the largest weights: every score is computed, kept in scratch,
// and the smallest score that is kept found by counting its digits; of equal scores the later keys are kept. Values of other
// keys are not read. One subgroup per token and query head; grid (tokens, query_heads). The plain form: what the rule costs
// exactly, not a fast way to it. Twin: engine/reference/sparse_attention (most_important_keys).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/attention_top.h"
#include "shaders/sample/ordered_key.glsl"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint LANES = 8;  // subgroup size

layout(push_constant, scalar) uniform Push { AttentionTopPush p; };

#include "shaders/include/key_score.glsl"

// Written by one lane and read by another.
layout(buffer_reference, scalar, buffer_reference_align = 4) coherent buffer SharedFloats { float v[]; };

const uint CELLS = (HEAD_WIDTH + LANES - 1) / LANES;  // dimensions of a lane: every LANES-th
const uint kDigit = 8, kBins = 1u << kDigit;
shared uint bins[kBins];

float value_at(uint64_t layer, uint kv_head, uint key, uint d) {
#if KV_F16
  uint64_t row = layer + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH) + key_offset(kv_head, key, HEAD_WIDTH));
  return unpackHalf2x16(uint(Halves(row).v[d])).x;
#elif KV_Q8_0
  uint word = Uints(layer + uint64_t(value_quants(p.kv_heads, kv_head, key, HEAD_WIDTH))).v[d / 4u];
  return scale_at(layer + uint64_t(value_scales(p.kv_heads, kv_head, key, HEAD_WIDTH) + d / kKvBlock * 2u)) * quants_of(word)[d % 4u];
#endif
}

void main() {
  StepState state = State(p.state).s;
  uint token = p.first_token + gl_WorkGroupID.x, head = gl_WorkGroupID.y, lane = gl_SubgroupInvocationID;
  if (token >= state.tokens) return;
  uint keys = state.position + token + 1u, kv_head = head / (p.query_heads / p.kv_heads);
  uint kept = clamp(uint((uint64_t(keys) * uint64_t(p.keep) + 999999ul) / 1000000ul), 1u, keys);
  Floats query = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
  SharedFloats scores = SharedFloats(p.scores + uint64_t(gl_WorkGroupID.x * p.query_heads + head) * uint64_t(p.room) * 4ul);

  float highest = -3.0e38;
  [[dont_unroll]] for (uint key = lane; key < keys; key += LANES) {
    float score = score_of(kv_head, key, query);
    scores.v[key] = score;
    highest = max(highest, score);
  }
  highest = subgroupMax(highest);

  // The key of the kept-th largest score, digit by digit; `above` scores are larger, `equal` the same.
  uint threshold = 0u, above = 0u, equal = 0u;
  [[dont_unroll]] for (uint shift = 32u; shift > 0u;) {
    shift -= kDigit;
    for (uint i = lane; i < kBins; i += LANES) bins[i] = 0u;
    memoryBarrierBuffer();
    barrier();
    [[dont_unroll]] for (uint key = lane; key < keys; key += LANES) {
      uint order = ordered_key(floatBitsToUint(scores.v[key]));
      if (uint64_t(order) >> (shift + kDigit) == uint64_t(threshold)) atomicAdd(bins[(order >> shift) % kBins], 1u);
    }
    barrier();
    uint bin = kBins - 1u;
    [[dont_unroll]] while (above + bins[bin] < kept) above += bins[bin--];
    threshold = threshold << kDigit | bin;
    equal = bins[bin];
    barrier();
  }

  float sum = 0.0, mixed[CELLS];
  [[unroll]] for (uint c = 0; c < CELLS; c++) mixed[c] = 0.0;
  uint left_out = equal - (kept - above);  // of equal ones, the first
  [[dont_unroll]] for (uint key = 0; key < keys; key++) {
    float score = scores.v[key];
    uint order = ordered_key(floatBitsToUint(score));
    if (order < threshold) continue;
    if (order == threshold && left_out > 0u) {
      left_out--;
      continue;
    }
    float weight = exp(score - highest);
    sum += weight;
    uint64_t layer = layer_address(p.pages, p.layer_offset, key);
    [[unroll]] for (uint c = 0; c < CELLS; c++) mixed[c] += weight * value_at(layer, kv_head, key, min(lane + c * LANES, HEAD_WIDTH - 1u));
  }
  Floats y = Floats(p.y + uint64_t(token * p.y_stride + head * HEAD_WIDTH) * 4ul);
  [[unroll]] for (uint c = 0; c < CELLS; c++)
    if (lane + c * LANES < HEAD_WIDTH) y.v[lane + c * LANES] = mixed[c] / sum;
}
