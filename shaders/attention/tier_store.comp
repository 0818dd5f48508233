// Codes the pages that leave the window (tier_choice.comp) from their f16 slots into far pages, refinements included, and writes
// their entries of the page table. One workgroup of one subgroup per KV head, and page and layer. Twin: engine/reference/kv_tiers
// (round_to_tier).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

#define KV_TIERED 1
#include "shaders/include/pages.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint MOST = 1;  // pages that leave with a batch

layout(push_constant, scalar) uniform Push { TierPush p; };

struct Eight { vec4 low, high; };  // channels or dimensions; behind the head zeros
Eight eight_of(uint64_t row, uint first) {
  Eight x;
  [[unroll]] for (uint i = 0; i < 4; i++) {
    vec2 pair = first + 2u * i < HEAD_WIDTH ? unpackHalf2x16(Uints(row).v[first / 2u + i]) : vec2(0.0);  // heads are even
    if (i < 2)
      x.low[2 * i] = pair.x, x.low[2 * i + 1] = pair.y;
    else
      x.high[2 * i - 4] = pair.x, x.high[2 * i - 3] = pair.y;
  }
  return x;
}
uvec4 halves_of(Eight x) {
  return uvec4(packHalf2x16(x.low.xy), packHalf2x16(x.low.zw), packHalf2x16(x.high.xy), packHalf2x16(x.high.zw));
}
uvec4 coded(vec4 x) { return uvec4(clamp(floor(x + 0.5), vec4(0.0), vec4(255.0))); }
// Upper halves of eight codes, and lower ones.
uvec2 words_of(uvec4 low, uvec4 high) {
  uvec2 words = uvec2(0u);
  [[unroll]] for (uint i = 0; i < 4; i++) {
    words.x |= (low[i] >> 4 | (high[i] & 0xF0u)) << (8u * i);
    words.y |= ((low[i] & 15u) | (high[i] & 15u) << 4) << (8u * i);
  }
  return words;
}
vec4 inverse_of(vec4 range, float codes) { return mix(vec4(0.0), codes / range, greaterThan(range, vec4(0.0))); }

void main() {
  uint kv_head = gl_WorkGroupID.x, layer = gl_WorkGroupID.y / MOST, index = gl_WorkGroupID.y % MOST;
  if (index >= Uints(p.tiers).v[kTierCount]) return;
  uint page = Uints(p.tiers).v[kTierFirst] + index;
  uint layer_bytes = p.kv_heads * kPageKeys * HEAD_WIDTH * 4u, slot = p.sinks + (page - p.sinks) % p.ring;
  uint64_t from = p.fresh + uint64_t(slot) * uint64_t(p.layers) * uint64_t(layer_bytes) + uint64_t(layer * layer_bytes) + uint64_t(key_offset(kv_head, 0u, HEAD_WIDTH));
  uint64_t far = Addresses(p.far_pages).v[page - p.sinks];
  if (gl_SubgroupInvocationID == 0u && kv_head == 0u && layer == 0u) {
    Addresses(p.pages).v[page] = far | uint64_t(kFarPage);
    if (index == 0u) Uints(p.tiers).v[kTierSettled] = page + Uints(p.tiers).v[kTierCount];
  }
  TierPage to = tier_page_of(far | uint64_t(kFarPage), layer * layer_bytes, p.kv_heads, HEAD_WIDTH);

  // A lane takes eight channels of all keys.
  const uint units = far_pieces(HEAD_WIDTH) * 2u;
  [[dont_unroll]] for (uint unit = gl_SubgroupInvocationID; unit < units; unit += gl_SubgroupSize) {
    Eight low = eight_of(from, unit * 8u), high = low;
    [[dont_unroll]] for (uint key = 1; key < kPageKeys; key++) {
      Eight x = eight_of(from + uint64_t(key * HEAD_WIDTH * 2u), unit * 8u);
      low = Eight(min(low.low, x.low), min(low.high, x.high));
      high = Eight(max(high.low, x.low), max(high.high, x.high));
    }
    Uint4s(to.at + uint64_t(far_bounds(p.kv_heads, kv_head, HEAD_WIDTH, false) + unit * 16u)).v[0] = halves_of(low);
    Uint4s(to.at + uint64_t(far_bounds(p.kv_heads, kv_head, HEAD_WIDTH, true) + unit * 16u)).v[0] = halves_of(high);
    vec4 inverse_low = inverse_of(high.low - low.low, 255.0), inverse_high = inverse_of(high.high - low.high, 255.0);
    [[dont_unroll]] for (uint key = 0; key < kPageKeys; key++) {
      Eight x = eight_of(from + uint64_t(key * HEAD_WIDTH * 2u), unit * 8u);
      uvec2 words = words_of(coded((x.low - low.low) * inverse_low), coded((x.high - low.high) * inverse_high));
      uint at = far_key(kv_head, key, HEAD_WIDTH) + unit / 2u * kFarKeyStride + unit % 2u * 4u;
      Uints(to.codes + uint64_t(at)).v[0] = words.x;
      if (to.refined != 0ul) Uints(to.refined + uint64_t(at)).v[0] = words.y;
    }
  }
  // A lane takes a block of a value.
  uint64_t values = from + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH));
  const uint blocks = far_blocks(HEAD_WIDTH);
  [[dont_unroll]] for (uint n = gl_SubgroupInvocationID; n < kPageKeys * blocks; n += gl_SubgroupSize) {
    uint key = n / blocks, block = n % blocks, end = min((block + 1u) * kKvBlock / 8u, units);
    uint64_t row = values + uint64_t(key * HEAD_WIDTH * 2u);
    vec4 most = vec4(0.0);
    [[dont_unroll]] for (uint unit = block * kKvBlock / 8u; unit < end; unit++) {
      Eight x = eight_of(row, unit * 8u);
      most = max(most, max(abs(x.low), abs(x.high)));
    }
    float peak = max(max(most.x, most.y), max(most.z, most.w));
    Halves(to.at + uint64_t(far_peaks(p.kv_heads, kv_head, key, HEAD_WIDTH) + block * 2u)).v[0] = uint16_t(packHalf2x16(vec2(peak, 0.0)));
    vec4 inverse = inverse_of(vec4(peak), 127.5);
    [[dont_unroll]] for (uint unit = block * kKvBlock / 8u; unit < end; unit++) {
      Eight x = eight_of(row, unit * 8u);
      uvec2 words = words_of(coded(x.low * inverse + 127.5), coded(x.high * inverse + 127.5));
      uint at = far_value(p.kv_heads, kv_head, key, HEAD_WIDTH) + unit * 4u;
      Uints(to.codes + uint64_t(at)).v[0] = words.x;
      if (to.refined != 0ul) Uints(to.refined + uint64_t(at)).v[0] = words.y;
    }
  }
}
