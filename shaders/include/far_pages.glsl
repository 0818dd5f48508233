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
uint far_codes(uint kv_heads, uint head_width) { return far_peaks(kv_heads, kv_heads, 0u, head_width); }
uint far_layer_bytes(uint kv_heads, uint head_width) {
  return far_codes(kv_heads, head_width) + 2u * far_code_bytes(kv_heads, head_width);
}

// From the first code of the layer, in a far page or a refinement: the first piece of a key, a value's row.
const uint kFarKeyStride = kPageKeys * kFarPieceBytes;  // bytes from a key's piece to its next
uint far_key(uint kv_head, uint key, uint head_width) {
  return kv_head * kPageKeys * far_row_bytes(head_width) + key % kPageKeys * kFarPieceBytes;
}
uint far_value(uint kv_heads, uint kv_head, uint key, uint head_width) {
  return far_code_bytes(kv_heads, head_width) + (kv_head * kPageKeys + key % kPageKeys) * far_row_bytes(head_width);
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
// into floats faster than integers. Here is what is added to them: to that of a key, and to that of a value, which is read as
// peak times (code + bias) / 127.5.
const float kCodeBase = 1024.0;
float key_bias(TierPage page) { return (page.refined == 0ul ? 7.5 : 0.0) - kCodeBase; }
float value_bias(TierPage page) { return (page.refined == 0ul ? -120.0 : -127.5) - kCodeBase; }

// Codes of four channels of a word: its first four or its last.
vec4 codes_of(uint word, uint refined, uint half_of_word) {
  uint upper = half_of_word == 0u ? word << 4 : word;
  uint lower = half_of_word == 0u ? refined : refined >> 4;
  uint codes = (upper & 0xF0F0F0F0u) | (lower & 0x0F0F0F0Fu);
  vec2 even = unpackHalf2x16((codes & 0x00FF00FFu) | 0x64006400u), odd = unpackHalf2x16((codes >> 8 & 0x00FF00FFu) | 0x64006400u);
  return vec4(even.x, odd.x, even.y, odd.y);
}

// A piece of 16 channels of codes, and of what it knows in addition.
struct FarPiece { uvec2 words, refined; };
FarPiece far_piece(TierPage page, uint at) {
  FarPiece piece = FarPiece(Uint2s(page.codes + uint64_t(at)).v[0], uvec2(0u));
  if (page.refined != 0ul) piece.refined = Uint2s(page.refined + uint64_t(at)).v[0];
  return piece;
}
uint far_word(uint64_t codes, uint at) { return Uints(codes + uint64_t(at)).v[0]; }
uint refined_word(TierPage page, uint at) { return page.refined == 0ul ? 0u : Uints(page.refined + uint64_t(at)).v[0]; }

// Four channels from d on, a multiple of 4, of a page's smallest keys, and of what a code's step is.
struct FarScale { vec4 low, unit; };
FarScale far_scale(TierPage page, uint kv_heads, uint kv_head, uint head_width, uint d) {
  uvec2 low = Uint2s(page.at + uint64_t(far_bounds(kv_heads, kv_head, head_width, false) + d * 2u)).v[0];
  uvec2 high = Uint2s(page.at + uint64_t(far_bounds(kv_heads, kv_head, head_width, true) + d * 2u)).v[0];
  vec4 least = vec4(unpackHalf2x16(low.x), unpackHalf2x16(low.y));
  return FarScale(least, (vec4(unpackHalf2x16(high.x), unpackHalf2x16(high.y)) - least) * (1.0 / 255.0));
}
float peak_at(uint64_t at) { return unpackHalf2x16(uint(Halves(at).v[0])).x * (1.0 / 127.5); }

#endif
