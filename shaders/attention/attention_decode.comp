// Attention of one query position: one subgroup per KV head and split of the key range; all query heads that share the
// KV head are computed together, so that keys and values are read once. Lane = key for scores, lane = pair of dimensions
// for the values. Writes unnormalised sums with their maximum and weight for attention_combine, or, where one split holds
// all keys, the output itself.
// Twin: engine/reference/attention.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint GROUP = 4;      // query heads per KV head
layout(constant_id = 3) const uint LANES = 8;      // subgroup size
layout(constant_id = 4) const bool WHOLE = false;  // one split: writes the finished output, nothing is combined after

layout(push_constant, scalar) uniform Push { AttentionPush p; };

const float kMinusInfinity = -3.0e38;
const uint PAIRS = (HEAD_WIDTH / 2 + LANES - 1) / LANES;  // of dimensions, per lane

void main() {
  uint kv_head = gl_WorkGroupID.x, split = gl_WorkGroupID.y, splits = gl_NumWorkGroups.y, lane = gl_SubgroupInvocationID;
  uint keys = State(p.state).s.position + 1u;
  // Splits take whole pages, so that their borders do not depend on how far the last page is filled.
  uint pages = (keys + kPageKeys - 1u) / kPageKeys, pages_per_split = (pages + splits - 1u) / splits;
  uint first = min(split * pages_per_split * kPageKeys, keys), end = min(first + pages_per_split * kPageKeys, keys);
  uint values = value_offset(p.kv_heads, HEAD_WIDTH);
  Floats query = Floats(p.query + uint64_t(kv_head * GROUP * HEAD_WIDTH) * 4ul);

  vec2 acc[GROUP * PAIRS];
  float maximum[GROUP], sum[GROUP];
  [[unroll]] for (uint i = 0; i < GROUP * PAIRS; i++) acc[i] = vec2(0.0);
  [[unroll]] for (uint g = 0; g < GROUP; g++) { maximum[g] = kMinusInfinity; sum[g] = 0.0; }

  [[dont_unroll]] for (uint base = first; base < end; base += LANES) {
    uint key = base + lane;
    bool real = key < end;
    Uints k = Uints(key_address(p.pages, p.layer_offset, kv_head, min(key, end - 1u), HEAD_WIDTH));
    vec2 s[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] = vec2(0.0);
    [[dont_unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) {
      vec2 kd = unpackHalf2x16(k.v[d]);
      [[unroll]] for (uint g = 0; g < GROUP; g++)
        s[g] += vec2(query.v[g * HEAD_WIDTH + 2 * d], query.v[g * HEAD_WIDTH + 2 * d + 1]) * kd;
    }
    float weight[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) {
      float score = real ? (s[g].x + s[g].y) * p.scale : kMinusInfinity;
      float highest = max(maximum[g], subgroupMax(score));
      float shrink = exp(maximum[g] - highest);
      maximum[g] = highest;
      weight[g] = real ? exp(score - highest) : 0.0;
      sum[g] = sum[g] * shrink + subgroupAdd(weight[g]);
      [[unroll]] for (uint c = 0; c < PAIRS; c++) acc[g * PAIRS + c] *= shrink;
    }
    uint count = min(LANES, end - base);
    [[dont_unroll]] for (uint i = 0; i < count; i++) {
      Uints v = Uints(key_address(p.pages, p.layer_offset, kv_head, base + i, HEAD_WIDTH) + uint64_t(values));
      [[unroll]] for (uint c = 0; c < PAIRS; c++) {
        vec2 vd = unpackHalf2x16(v.v[min(lane + c * LANES, HEAD_WIDTH / 2u - 1u)]);
        [[unroll]] for (uint g = 0; g < GROUP; g++) acc[g * PAIRS + c] += subgroupShuffle(weight[g], i) * vd;
      }
    }
  }

  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    uint slot = (kv_head * GROUP + g) * splits + split;
    float share = WHOLE ? 1.0 / sum[g] : 1.0;
    if (!WHOLE && lane == 0u) {
      Floats(p.partial).v[2u * slot] = maximum[g];
      Floats(p.partial).v[2u * slot + 1u] = sum[g];
    }
    Floats y = Floats(p.y + uint64_t(slot * HEAD_WIDTH) * 4ul);
    [[unroll]] for (uint c = 0; c < PAIRS; c++) {
      uint pair = lane + c * LANES;
      if (pair < HEAD_WIDTH / 2u) {
        y.v[2u * pair] = acc[g * PAIRS + c].x * share;
        y.v[2u * pair + 1u] = acc[g * PAIRS + c].y * share;
      }
    }
  }
}
