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

const float kMinusInfinity = -3.0e38;

float score_of(uint kv_head, uint key, Floats query) {
#if KV_F16
  Uints k = Uints(key_address(p.pages, p.layer_offset, kv_head, key, HEAD_WIDTH));
  vec2 s = vec2(0.0);
  [[dont_unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++)
    s += vec2(query.v[2 * d], query.v[2 * d + 1]) * unpackHalf2x16(k.v[d]);
#elif KV_Q8_0
  uint64_t layer = layer_address(p.pages, p.layer_offset, key);
  uint64_t quants = layer + uint64_t(key_quants(kv_head, key, HEAD_WIDTH));
  uint64_t scales = layer + uint64_t(key_scales(p.kv_heads, kv_head, key, HEAD_WIDTH));
  vec2 s = vec2(0.0);
  [[dont_unroll]] for (uint piece = 0; piece < kv_pieces(HEAD_WIDTH); piece++) {
    float scale = scale_at(scales + uint64_t(piece * kKvPiece / kKvBlock * kKeyScaleStride));
    uvec4 words = Uint4s(quants + uint64_t(piece * kKeyPieceStride)).v[0];
    vec4 t = vec4(0.0);
    [[unroll]] for (uint j = 0; j < 4; j++) {
      // Past the head's end the quants are zeros, and any number will do.
      uint d = piece * kKvPiece + 4u * j, most = HEAD_WIDTH - 1u;
      t += vec4(query.v[min(d, most)], query.v[min(d + 1u, most)], query.v[min(d + 2u, most)], query.v[min(d + 3u, most)]) *
           quants_of(words[j]);
    }
    s += scale * (t.xy + t.zw);
  }
#endif
  return (s.x + s.y) * p.scale;
}

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
