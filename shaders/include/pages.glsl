// Where a key or a value lives: see shaders/interface/attention.h for a page's layout.
#ifndef FOVEA_PAGES_GLSL
#define FOVEA_PAGES_GLSL

#include "addresses.glsl"
#include "shaders/interface/attention.h"

uint64_t key_address(uint64_t pages, uint layer_offset, uint kv_head, uint key, uint head_width) {
  return Addresses(pages).v[key / kPageKeys] + uint64_t(layer_offset + (kv_head * kPageKeys + key % kPageKeys) * head_width * 2u);
}
// Values follow the keys of all heads of the layer.
uint value_offset(uint kv_heads, uint head_width) { return kv_heads * kPageKeys * head_width * 2u; }

#endif
