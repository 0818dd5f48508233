// Brings what a cache in tiers holds of one layer to where a prompt's batch is staged: the whole sequence before the batch as f16,
// page after page, so that prompts are attended to by the kernels of an f16 cache. Numbers of far pages are rounded to halves. One
// workgroup per KV head and page. Twin: engine/reference/kv_tiers (round_to_far_keys and _values).
#version 460
#extension GL_GOOGLE_include_directive : require

#define KV_TIERED 1
#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;

layout(push_constant, scalar) uniform Push { TierPush p; };

const uint UNITS = (HEAD_WIDTH + kFarUnit - 1u) / kFarUnit;  // of a key or value
const uint HEAD_WORDS = kPageKeys * HEAD_WIDTH / 8u;  // of 16 bytes: what a page has of a head

void put(uint64_t row, uint unit, vec4 low, vec4 high) {
  uvec4 halves = uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
  if (HEAD_WIDTH % 8u == 0u) {
    Uint4s(row).v[unit] = halves;
    return;
  }
  [[unroll]] for (uint i = 0; i < 4; i++)
    if (unit * 8u + 2u * i < HEAD_WIDTH) Uints(row).v[unit * 4u + i] = halves[i];  // heads are even
}

void main() {
  uint kv_head = gl_WorkGroupID.x, page = gl_WorkGroupID.y, layer_bytes = p.kv_heads * kPageKeys * HEAD_WIDTH * 4u;
  if (page * kPageKeys >= State(p.state).s.position) return;
  uint64_t to = p.staged + uint64_t(page) * uint64_t(layer_bytes);
  TierPage from = tier_page(p.pages, p.first_layer * layer_bytes, page * kPageKeys, p.kv_heads, HEAD_WIDTH);
  if (!from.is_far) {
    [[dont_unroll]] for (uint n = gl_LocalInvocationID.x; n < 2u * HEAD_WORDS; n += gl_WorkGroupSize.x) {
      uint at = (n / HEAD_WORDS * p.kv_heads + kv_head) * HEAD_WORDS + n % HEAD_WORDS;
      Uint4s(to).v[at] = Uint4s(from.at).v[at];
    }
    return;
  }
  uint64_t keys = to + uint64_t(key_offset(kv_head, 0u, HEAD_WIDTH)), values = keys + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH));
  uint wide = wide_bits(from, p.kv_heads, kv_head, HEAD_WIDTH);
  [[dont_unroll]] for (uint n = gl_LocalInvocationID.x; n < kPageKeys * UNITS; n += gl_WorkGroupSize.x) {
    uint key = n / UNITS, unit = n % UNITS, row = key * HEAD_WIDTH * 2u;
    FarUnit codes = far_unit(from, wide, p.kv_heads, kv_head, key, HEAD_WIDTH, unit);
    FarScale first = far_scale(from, p.kv_heads, kv_head, HEAD_WIDTH, unit * 8u), second = far_scale(from, p.kv_heads, kv_head, HEAD_WIDTH, unit * 8u + 4u);
    put(keys + uint64_t(row), unit, first.low + first.unit * (codes_of(codes.word, codes.lower, 0u) + codes.bias),
        second.low + second.unit * (codes_of(codes.word, codes.lower, 1u) + codes.bias));
    uint word = far_word(from.codes, far_value(p.kv_heads, kv_head, key, HEAD_WIDTH) + unit * 4u), lower = refined_word(from, kv_head, key, HEAD_WIDTH, unit);
    float peak = peak_at(from.at + uint64_t(far_peaks(p.kv_heads, kv_head, key, HEAD_WIDTH) + unit * 8u / kKvBlock * 2u));
    put(values + uint64_t(row), unit, peak * far_values(from, codes_of(word, lower, 0u)), peak * far_values(from, codes_of(word, lower, 1u)));
  }
}
