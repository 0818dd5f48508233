// Where a key or a value lives, for the type of cache that this compilation is for (KV_F16=1, KV_Q8_0=1 or KV_TIERED=1): see
// shaders/interface/kv_page.h for a page's layout. Pages of a cache in tiers are f16 or far (far_pages.glsl).
#ifndef FOVEA_PAGES_GLSL
#define FOVEA_PAGES_GLSL

#include "addresses.glsl"
#include "shaders/interface/attention.h"

#if KV_TIERED
#define KV_F16 1
#endif

// This layer's part of the page that holds `key`.
uint64_t layer_address(uint64_t pages, uint layer_offset, uint key) {
  return Addresses(pages).v[key / kPageKeys] + uint64_t(layer_offset);
}

#if KV_F16
// Bytes from the layer's part of the page.
uint key_offset(uint kv_head, uint key, uint head_width) {
  return (kv_head * kPageKeys + key % kPageKeys) * head_width * 2u;
}
uint64_t key_address(uint64_t pages, uint layer_offset, uint kv_head, uint key, uint head_width) {
  return Addresses(pages).v[key / kPageKeys] + uint64_t(layer_offset + key_offset(kv_head, key, head_width));
}
// Values follow the keys of all heads of the layer.
uint value_offset(uint kv_heads, uint head_width) { return kv_heads * kPageKeys * head_width * 2u; }
#if KV_TIERED
#include "far_pages.glsl"
#endif

#elif KV_Q8_0

uint kv_pieces(uint head_width) { return (head_width + kKvPiece - 1u) / kKvPiece; }
uint kv_blocks(uint head_width) { return (head_width + kKvBlock - 1u) / kKvBlock; }

const uint kKeyPieceStride = kPageKeys * kKvPiece;  // bytes from a key's piece to its next
const uint kKeyScaleStride = kPageKeys * 2u;        // bytes from a key's scale to that of its next block

// Bytes from the layer's part of the page. Quants of all heads come first, then their scales; keys, then values.
uint quant_plane(uint kv_heads, uint head_width) { return kv_heads * kPageKeys * kv_pieces(head_width) * kKvPiece; }
uint kv_plane(uint kv_heads, uint head_width) {
  return quant_plane(kv_heads, head_width) + kv_heads * kPageKeys * kv_blocks(head_width) * 2u;
}
uint key_quants(uint kv_head, uint key, uint head_width) {
  return (kv_head * kv_pieces(head_width) * kPageKeys + key % kPageKeys) * kKvPiece;
}
uint key_scales(uint kv_heads, uint kv_head, uint key, uint head_width) {
  return quant_plane(kv_heads, head_width) + (kv_head * kv_blocks(head_width) * kPageKeys + key % kPageKeys) * 2u;
}
uint value_quants(uint kv_heads, uint kv_head, uint key, uint head_width) {
  return kv_plane(kv_heads, head_width) + (kv_head * kPageKeys + key % kPageKeys) * kv_pieces(head_width) * kKvPiece;
}
uint value_scales(uint kv_heads, uint kv_head, uint key, uint head_width) {
  return kv_plane(kv_heads, head_width) + quant_plane(kv_heads, head_width) +
         (kv_head * kPageKeys + key % kPageKeys) * kv_blocks(head_width) * 2u;
}

float scale_at(uint64_t at) { return unpackHalf2x16(uint(Halves(at).v[0])).x; }
vec4 quants_of(uint word) { return vec4(ivec4(int(word << 24), int(word << 16), int(word << 8), int(word)) >> 24); }
#endif

#endif
