// What pages are chosen by, of the pages that this batch filled: mean keys of both halves and the spread about them, or smallest
// and largest key of each channel, or the mean key. One workgroup, a subgroup, per KV head and page (and layer, where the batch
// is one token); a lane takes 8 channels of all the page's keys. Smallest and largest keys are rounded outward, so that they stay
// bounds. Twin: engine/reference/sparse_attention (summarize_pages).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/page_bounds.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint SCORER = kScorerAutomatic;
layout(constant_id = 3) const bool VALUES = false;  // mean values, too

layout(push_constant, scalar) uniform Push { PageBoundsPush p; };

const uint kInFlight = 8;  // keys whose loads are issued together
const float kMostHalf = 65504.0;

struct Channels { vec4 low, high; };

// 8 channels of a key as attention reads them; behind the head anything.
Channels channels_of(uint64_t layer, uint kv_head, uint key, uint piece) {
#if KV_F16
  uint64_t row = layer + uint64_t(key_offset(kv_head, key, HEAD_WIDTH));
  uvec4 words;
  if (HEAD_WIDTH % kBoundPiece == 0u) {
    words = Uint4s(row).v[piece];
  } else {
    uvec4 at = min(piece * 4u + uvec4(0, 1, 2, 3), HEAD_WIDTH / 2u - 1u);
    words = uvec4(Uints(row).v[at.x], Uints(row).v[at.y], Uints(row).v[at.z], Uints(row).v[at.w]);
  }
  return Channels(vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y)), vec4(unpackHalf2x16(words.z), unpackHalf2x16(words.w)));
#elif KV_Q8_0
  uint d = piece * kBoundPiece;
  uvec2 words = Uint2s(layer + uint64_t(key_quants(kv_head, key, HEAD_WIDTH) + d / kKvPiece * kKeyPieceStride + d % kKvPiece)).v[0];
  float scale = scale_at(layer + uint64_t(key_scales(p.kv_heads, kv_head, key, HEAD_WIDTH) + d / kKvBlock * kKeyScaleStride));
  return Channels(scale * quants_of(words.x), scale * quants_of(words.y));
#endif
}

// 8 channels of a value likewise.
Channels value_channels(uint64_t layer, uint kv_head, uint key, uint piece) {
#if KV_F16
  // Values lie as keys do.
  return channels_of(layer + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH)), kv_head, key, piece);
#elif KV_Q8_0
  uint d = piece * kBoundPiece;
  uvec2 words = Uint2s(layer + uint64_t(value_quants(p.kv_heads, kv_head, key, HEAD_WIDTH) + d)).v[0];
  float scale = scale_at(layer + uint64_t(value_scales(p.kv_heads, kv_head, key, HEAD_WIDTH) + d / kKvBlock * 2u));
  return Channels(scale * quants_of(words.x), scale * quants_of(words.y));
#endif
}

// |x| as a half, rounded down or up, at most the largest; by bits, since compilers may take packing and unpacking as nothing.
uint half_magnitude(float x, bool up) {
  uint bits = min(floatBitsToUint(x) & 0x7FFFFFFFu, 0x477FE000u);
  uint half_bits = (bits - (112u << 23)) >> 13;
  bool inexact = (bits & 0x1FFFu) != 0u;
  if (bits < (113u << 23)) {  // below the smallest normal half: in units of 2^-24
    float units = uintBitsToFloat(bits) * 16777216.0;
    half_bits = uint(units);
    inexact = units > float(half_bits);
  }
  return half_bits + (up && inexact ? 1u : 0u);
}
// The nearest half that is not above (below) x.
uint half_below(float x) { return x < 0.0 ? 0x8000u | half_magnitude(x, true) : half_magnitude(x, false); }
uint half_above(float x) { return x < 0.0 ? 0x8000u | half_magnitude(x, false) : half_magnitude(x, true); }
uint nearest_half(float x) { return packHalf2x16(vec2(clamp(x, -kMostHalf, kMostHalf), 0.0)) & 0xFFFFu; }
// Of half a page's keys, four channels from `channel` on: the squared distances from their mean, by the sums of the distances from
// any number and of their squares.
float spread_of(vec4 squares, vec4 sum, uint channel) {
  vec4 spread = max(squares - sum * sum / float(kPageKeys / 2u), vec4(0.0));
  return dot(mix(vec4(0.0), spread, lessThan(uvec4(channel) + uvec4(0, 1, 2, 3), uvec4(HEAD_WIDTH))), vec4(1.0));
}
uvec4 packed(uint h[8]) { return uvec4(h[0] | (h[1] << 16), h[2] | (h[3] << 16), h[4] | (h[5] << 16), h[6] | (h[7] << 16)); }

void main() {
  StepState state = State(p.state).s;
  uint kv_head = gl_WorkGroupID.x, layer = gl_WorkGroupID.y / p.pages_of_batch;
  uint page = state.position / kPageKeys + gl_WorkGroupID.y % p.pages_of_batch;
  if ((page + 1u) * kPageKeys > state.position + state.tokens) return;  // not full
  uint64_t keys = layer_address(p.pages, p.layer_offset + layer * p.layer_stride, page * kPageKeys);
  uint planes = bound_planes(SCORER), pieces = bound_pieces(HEAD_WIDTH);
  uint64_t bounds = p.bounds + uint64_t(layer) * bounds_of_layer(p.kv_heads, p.blocks, HEAD_WIDTH, SCORER);
  float squares = 0.0;  // of distances from the halves' means, all channels of this lane
  for (uint piece = gl_LocalInvocationID.x; piece < pieces; piece += gl_WorkGroupSize.x) {
    Channels first = channels_of(keys, kv_head, 0u, piece);
    vec4 low[2] = {first.low, first.high}, high[2] = low, sum[2] = {vec4(0.0), vec4(0.0)}, square[2] = sum, half_sum[2] = sum;
    vec4 base[2] = low;  // the half's first key: sums of distances from it lose no digits where keys are alike
    [[dont_unroll]] for (uint key = 0; key < kPageKeys; key += kInFlight) {
      Channels x[kInFlight];
      [[unroll]] for (uint i = 0; i < kInFlight; i++) x[i] = channels_of(keys, kv_head, key + i, piece);
      if (SCORER == kScorerAutomatic && key == kPageKeys / 2u) {
        [[unroll]] for (uint part = 0; part < 2; part++) {
          squares += spread_of(square[part], sum[part], piece * kBoundPiece + part * 4u);
          half_sum[part] = base[part] + sum[part] / float(kPageKeys / 2u);
          sum[part] = vec4(0.0);
          square[part] = vec4(0.0);
        }
        base[0] = x[0].low;
        base[1] = x[0].high;
      }
      [[unroll]] for (uint i = 0; i < kInFlight; i++) {
        if (SCORER == kScorerAutomatic) {
          vec4 away[2] = {x[i].low - base[0], x[i].high - base[1]};
          [[unroll]] for (uint part = 0; part < 2; part++) {
            sum[part] += away[part];
            square[part] += away[part] * away[part];
          }
        } else if (SCORER == kScorerMean) {
          sum[0] += x[i].low;
          sum[1] += x[i].high;
        } else {
          low[0] = min(low[0], x[i].low);
          low[1] = min(low[1], x[i].high);
          high[0] = max(high[0], x[i].low);
          high[1] = max(high[1], x[i].high);
        }
      }
    }
    if (SCORER == kScorerAutomatic)
      [[unroll]] for (uint part = 0; part < 2; part++) {
        squares += spread_of(square[part], sum[part], piece * kBoundPiece + part * 4u);
        sum[part] = base[part] + sum[part] / float(kPageKeys / 2u);
      }
    uint first_plane[8], second_plane[8];
    [[unroll]] for (uint i = 0; i < 8; i++) {
      bool real = piece * kBoundPiece + i < HEAD_WIDTH;
      if (SCORER == kScorerMean) {
        first_plane[i] = real ? nearest_half(sum[i / 4][i % 4] / float(kPageKeys)) : 0u;
      } else if (SCORER == kScorerAutomatic) {
        first_plane[i] = real ? nearest_half(half_sum[i / 4][i % 4]) : 0u;
        second_plane[i] = real ? nearest_half(sum[i / 4][i % 4]) : 0u;
      } else {
        first_plane[i] = real ? half_below(low[i / 4][i % 4]) : 0u;
        second_plane[i] = real ? half_above(high[i / 4][i % 4]) : 0u;
      }
    }
    uint64_t target = bounds + bound_offset(kv_head, page, piece, p.blocks, HEAD_WIDTH, SCORER);
    Uint4s(target).v[0] = packed(first_plane);
    if (SCORER != kScorerMean) Uint4s(target + uint64_t(kBoundPlaneBytes)).v[0] = packed(second_plane);
  }
  if (VALUES) {
    uint64_t target = p.values + uint64_t(((layer * p.kv_heads + kv_head) * p.blocks * kPageBlock + page) * HEAD_WIDTH) * 2ul;
    for (uint piece = gl_LocalInvocationID.x; piece < pieces; piece += gl_WorkGroupSize.x) {
      vec4 sum[2] = {vec4(0.0), vec4(0.0)};
      [[dont_unroll]] for (uint key = 0; key < kPageKeys; key += kInFlight) {
        Channels x[kInFlight];
        [[unroll]] for (uint i = 0; i < kInFlight; i++) x[i] = value_channels(keys, kv_head, key + i, piece);
        [[unroll]] for (uint i = 0; i < kInFlight; i++) {
          sum[0] += x[i].low;
          sum[1] += x[i].high;
        }
      }
      [[unroll]] for (uint i = 0; i < 8; i++)
        if (piece * kBoundPiece + i < HEAD_WIDTH)
          Halves(target).v[piece * kBoundPiece + i] = uint16_t(nearest_half(sum[i / 4][i % 4] / float(kPageKeys)));
    }
  }
  if (SCORER != kScorerAutomatic) return;
  squares = subgroupAdd(squares) / float(kPageKeys * HEAD_WIDTH);
  if (subgroupElect()) Floats(bounds + spread_offset(kv_head, page, p.blocks, HEAD_WIDTH)).v[0] = squares;
}
