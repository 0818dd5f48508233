// Causal attention of a batch of queries over the KV cache, online softmax (Milakov & Gimelshein 2018; Dao et al. 2022).
// One invocation per query, one workgroup per query tile and head; keys beyond the tile's last query are never visited.
// Keys and values are uniform over the workgroup, so they are loaded once for all its queries. Twin: engine/reference/attention.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;

layout(push_constant, scalar) uniform Push { AttentionPush p; };

const float kMinusInfinity = -3.0e38;
const uint kKeys = 4;  // per step of the online softmax

void main() {
  StepState state = State(p.state).s;
  uint first = gl_WorkGroupID.x * gl_WorkGroupSize.x, head = gl_WorkGroupID.y;
  if (first >= state.tokens) return;
  uint token = first + gl_LocalInvocationID.x;
  bool real = token < state.tokens;
  token = min(token, state.tokens - 1u);
  uint position = state.position + token;
  uint last = state.position + min(first + gl_WorkGroupSize.x, state.tokens) - 1u;
  uint kv_head = head / (p.query_heads / p.kv_heads);
  uint values = value_offset(p.kv_heads, HEAD_WIDTH);

  vec2 q[HEAD_WIDTH / 2], acc[HEAD_WIDTH / 2];
  Floats query = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
  [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) {
    q[d] = vec2(query.v[2 * d], query.v[2 * d + 1]) * p.scale;
    acc[d] = vec2(0.0);
  }
  float maximum = kMinusInfinity, sum = 0.0;

  [[dont_unroll]] for (uint key = 0; key <= last; key += kKeys) {
    // A page holds a multiple of kKeys keys, so a step never crosses pages; keys past `last` are masked.
    uint64_t at = key_address(p.pages, p.layer_offset, kv_head, key, HEAD_WIDTH);
    vec2 s[kKeys];
    [[unroll]] for (uint i = 0; i < kKeys; i++) s[i] = vec2(0.0);
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      Uints k = Uints(at + uint64_t(i * HEAD_WIDTH * 2u));
      [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) s[i] += q[d] * unpackHalf2x16(k.v[d]);
    }
    float score[kKeys], highest = maximum;
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      score[i] = key + i <= position ? s[i].x + s[i].y : kMinusInfinity;
      highest = max(highest, score[i]);
    }
    float shrink = exp(maximum - highest);
    maximum = highest;
    sum *= shrink;
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      score[i] = key + i <= position ? exp(score[i] - highest) : 0.0;
      sum += score[i];
    }
    [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) acc[d] *= shrink;
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      if (key + i > last) continue;  // pages hold no defined values past the last position
      Uints v = Uints(at + uint64_t(values + i * HEAD_WIDTH * 2u));
      [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) acc[d] += score[i] * unpackHalf2x16(v.v[d]);
    }
  }
  if (!real) return;
  Floats y = Floats(p.y + uint64_t(token * p.y_stride + head * HEAD_WIDTH) * 4ul);
  [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) {
    y.v[2 * d] = acc[d].x / sum;
    y.v[2 * d + 1] = acc[d].y / sum;
  }
}
