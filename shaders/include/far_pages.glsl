// Reading far pages of a cache in tiers (shaders/interface/kv_tiers.h). Included by pages.glsl.
#ifndef FOVEA_FAR_PAGES_GLSL
#define FOVEA_FAR_PAGES_GLSL

#include "shaders/interface/kv_tiers.h"

// Bytes of one layer's part, and from its start.
uint far_pieces(uint head_width) { return (head_width + kKvPiece - 1u) / kKvPiece; }
uint far_blocks(uint head_width) { return (head_width + kKvBlock - 1u) / kKvBlock; }
uint far_row_bytes(uint head_width) { return far_pieces(head_width) * kFarPieceBytes; }  // codes of a key or value
uint far_code_bytes(uint kv_heads, uint head_width) { return kv_heads * kPageKeys * far_row_bytes(head_width); }
uint far_bounds(uint kv_heads, uint kv_head, uint head_width, bool high) {
  return kFarHeader + ((high ? kv_heads : 0u) + kv_head) * far_pieces(head_width) * kKvPiece * 2u;
}
uint far_peaks(uint kv_heads, uint kv_head, uint key, uint head_width) {
  return far_bounds(kv_heads, kv_heads, head_width, true) + (kv_head * kPageKeys + key % kPageKeys) * far_blocks(head_width) * 2u;
}
uint far_units(uint head_width) { return (head_width + kFarUnit - 1u) / kFarUnit; }
uint wide_units(uint head_width) { return (min(far_units(head_width), kMostUnits) * kWideEighths + 4u) / 8u; }
uint far_wide_bits(uint kv_heads, uint head_width) { return far_peaks(kv_heads, kv_heads, 0u, head_width); }
uint far_codes(uint kv_heads, uint head_width) { return far_wide_bits(kv_heads, head_width) + (kv_heads + 3u) / 4u * 16u; }
uint far_layer_bytes(uint kv_heads, uint head_width) {
  return far_codes(kv_heads, head_width) + 2u * far_code_bytes(kv_heads, head_width) + kv_heads * wide_units(head_width) * kPageKeys * 4u;
}

// From the first code of the layer: a unit of a key, a value's row, a wide unit of a key, the nth of its head. A refinement has a
// value's row as far from its start as that is from the first value's.
uint far_key(uint kv_head, uint key, uint head_width, uint unit) {
  return kv_head * kPageKeys * far_row_bytes(head_width) + (unit / 2u * kPageKeys + key % kPageKeys) * kFarPieceBytes + unit % 2u * 4u;
}
uint far_value_row(uint kv_head, uint key, uint head_width) { return (kv_head * kPageKeys + key % kPageKeys) * far_row_bytes(head_width); }
uint far_value(uint kv_heads, uint kv_head, uint key, uint head_width) {
  return far_code_bytes(kv_heads, head_width) + far_value_row(kv_head, key, head_width);
}
uint far_wide_key(uint kv_heads, uint kv_head, uint key, uint head_width, uint nth) {
  return 2u * far_code_bytes(kv_heads, head_width) + ((kv_head * wide_units(head_width) + nth) * kPageKeys + key % kPageKeys) * 4u;
}

// One layer's part of a page in whichever tier.
struct TierPage {
  uint64_t at;       // f16: its keys; far: its header
  uint64_t codes;    // far: the first code
  uint64_t refined;  // far: its refinement, or 0
  bool is_far;
};
TierPage tier_page_of(uint64_t entry, uint layer_offset, uint kv_heads, uint head_width) {
  if ((uint(entry) & kFarPage) == 0u) return TierPage(entry + uint64_t(layer_offset), 0ul, 0ul, false);
  uint layer = layer_offset / (kv_heads * kPageKeys * head_width * 4u);
  uint64_t at = entry - uint64_t(kFarPage) + uint64_t(layer * far_layer_bytes(kv_heads, head_width));
  return TierPage(at, at + uint64_t(far_codes(kv_heads, head_width)), Addresses(at).v[0], true);
}
TierPage tier_page(uint64_t pages, uint layer_offset, uint key, uint kv_heads, uint head_width) {
  return tier_page_of(Addresses(pages).v[key / kPageKeys], layer_offset, kv_heads, head_width);
}
// Codes come 1024 too large: the bits 0x6400 with a code in the lowest eight are a half of that number, and GPUs turn halves
// into floats faster than integers.
const float kCodeBase = 1024.0;

// Codes of four channels of a word, its first four or its last, from their upper and their lower four bits.
vec4 codes_of(uint word, uint lower_word, uint half_of_word) {
  uint upper = half_of_word == 0u ? word << 4 : word;
  uint lower = half_of_word == 0u ? lower_word : lower_word >> 4;
  uint codes = (upper & 0xF0F0F0F0u) | (lower & 0x0F0F0F0Fu);
  vec2 even = unpackHalf2x16((codes & 0x00FF00FFu) | 0x64006400u), odd = unpackHalf2x16((codes >> 8 & 0x00FF00FFu) | 0x64006400u);
  return vec4(even.x, odd.x, even.y, odd.y);
}
uint far_word(uint64_t codes, uint at) { return Uints(codes + uint64_t(at)).v[0]; }

// Eight channels of a key: words for codes_of, and what is to be added to the codes.
struct FarUnit {
  uint word, lower;
  float bias;
};
uint wide_bits(TierPage page, uint kv_heads, uint kv_head, uint head_width) {
  return far_word(page.at, far_wide_bits(kv_heads, head_width) + kv_head * 4u);
}
FarUnit far_unit(TierPage page, uint wide, uint kv_heads, uint kv_head, uint key, uint head_width, uint unit) {
  FarUnit of = FarUnit(far_word(page.codes, far_key(kv_head, key, head_width, unit)), 0u, -kCodeBase);
  if (unit < kMostUnits && (wide >> unit & 1u) != 0u) {
    uint nth = uint(bitCount(wide & ((1u << unit) - 1u)));
    of.lower = far_word(page.codes, far_wide_key(kv_heads, kv_head, key, head_width, nth));
    of.bias = -8.0 - kCodeBase;
  }
  return of;
}

// Four channels from d on, a multiple of 4, of a page's smallest keys, and of what a code's step is.
struct FarScale { vec4 low, unit; };
FarScale far_scale(TierPage page, uint kv_heads, uint kv_head, uint head_width, uint d) {
  uvec2 low = Uint2s(page.at + uint64_t(far_bounds(kv_heads, kv_head, head_width, false) + d * 2u)).v[0];
  uvec2 high = Uint2s(page.at + uint64_t(far_bounds(kv_heads, kv_head, head_width, true) + d * 2u)).v[0];
  vec4 least = vec4(unpackHalf2x16(low.x), unpackHalf2x16(low.y));
  return FarScale(least, (vec4(unpackHalf2x16(high.x), unpackHalf2x16(high.y)) - least) * (1.0 / 240.0));
}

// The lower four bits of a value's eight codes, `unit` of its row.
uint refined_word(TierPage page, uint kv_head, uint key, uint head_width, uint unit) {
  return page.refined == 0ul ? 0u : far_word(page.refined, far_value_row(kv_head, key, head_width) + unit * 4u);
}
float peak_at(uint64_t at) { return unpackHalf2x16(uint(Halves(at).v[0])).x; }
// Values over their peak.
vec4 far_values(TierPage page, vec4 codes) {
  vec4 t = (codes + ((page.refined == 0ul ? -120.0 : -127.5) - kCodeBase)) * (1.0 / 127.5);
  return t * (kValueSlope + (1.0 - kValueSlope) * t * t);
}

#endif
