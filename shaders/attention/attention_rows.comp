// Exact softmax rows of subscribed heads, recomputed from the queries and the KV cache that attention itself read.
// One subgroup per token and recorded head; grid (tokens, heads of this layer). Rows are halves: key 0..position.
// Part of the capture plan only. Twin: engine/reference/attention (weights).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;

layout(push_constant, scalar) uniform Push { AttentionRowsPush p; };

#include "shaders/include/key_score.glsl"

const float kMinusInfinity = -3.0e38;

void main() {
  StepState state = State(p.state).s;
  uint token = gl_WorkGroupID.x, slot = gl_WorkGroupID.y;
  if (token >= state.tokens) return;
  uint keys = state.position + token + 1u;
  if (keys > p.row_stride) return;
  uint head = Uints(p.heads).v[slot], kv_head = head / (p.query_heads / p.kv_heads);
  Floats query = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
  uint64_t row = p.rows + (uint64_t(slot * p.tokens_capacity + token) * uint64_t(p.row_stride)) * 2ul;

  float maximum = kMinusInfinity, sum = 0.0;
  [[dont_unroll]] for (uint key = gl_SubgroupInvocationID; key < keys; key += gl_SubgroupSize) {
    float score = score_of(kv_head, key, query);
    float highest = max(maximum, score);
    sum = sum * exp(maximum - highest) + exp(score - highest);
    maximum = highest;
  }
  float highest = subgroupMax(maximum);
  float total = subgroupAdd(sum * exp(maximum - highest));
  [[dont_unroll]] for (uint key = gl_SubgroupInvocationID; key < keys; key += gl_SubgroupSize) {
    float score = score_of(kv_head, key, query);
    Halves(row).v[key] = uint16_t(packHalf2x16(vec2(exp(score - highest) / total, 0.0)));
  }
}
