// How the weights of dense attention spread over pages, of sampled rows: recomputed from the queries and the KV cache that
// attention itself read. One subgroup per row and query head, a page per lane; grid (rows, query_heads). Part of the capture
// plan only. Twin: engine/reference/sparse_attention (page_shares).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/page_trace.h"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;

layout(push_constant, scalar) uniform Push { PageSharesPush p; };

#include "shaders/include/key_score.glsl"

const float kMinusInfinity = -3.0e38;

void main() {
  StepState state = State(p.state).s;
  uint row = gl_WorkGroupID.x, head = gl_WorkGroupID.y;
  uint position = (state.position + p.every) / p.every * p.every - 1u + row * p.every;
  if (position >= state.position + state.tokens) return;
  uint token = position - state.position, keys = position + 1u, pages = position / kPageKeys + 1u;
  uint kv_head = head / (p.query_heads / p.kv_heads);
  Floats query = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);

  float maximum = kMinusInfinity, sum = 0.0;
  [[dont_unroll]] for (uint page = gl_SubgroupInvocationID; page < pages; page += gl_SubgroupSize)
    [[dont_unroll]] for (uint key = page * kPageKeys; key < min((page + 1u) * kPageKeys, keys); key++) {
      float score = score_of(kv_head, key, query);
      float highest = max(maximum, score);
      sum = sum * exp(maximum - highest) + exp(score - highest);
      maximum = highest;
    }
  float highest = subgroupMax(maximum);
  float normalizer = highest + log(subgroupAdd(sum * exp(maximum - highest)));
  Float2s to = Float2s(p.shares + uint64_t(row * p.query_heads + head) * uint64_t(p.room) * 8ul);
  [[dont_unroll]] for (uint page = gl_SubgroupInvocationID; page < pages; page += gl_SubgroupSize) {
    vec2 share = vec2(0.0);
    [[dont_unroll]] for (uint key = page * kPageKeys; key < min((page + 1u) * kPageKeys, keys); key++) {
      float logarithm = score_of(kv_head, key, query) - normalizer;
      share += exp(logarithm) * vec2(1.0, logarithm);
    }
    to.v[page] = share;
  }
}
