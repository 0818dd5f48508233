// Where the bounds of a page's keys lie (shaders/interface/sparse_attention.h).
#ifndef FOVEA_PAGE_BOUNDS_GLSL
#define FOVEA_PAGE_BOUNDS_GLSL

#include "addresses.glsl"
#include "shaders/interface/sparse_attention.h"

const uint kBoundPlaneBytes = kPageBlock * kBoundPiece * 2u;  // of a piece: from the smallest keys to the largest

uint bound_planes(uint scorer) { return scorer == kScorerMean ? 1u : 2u; }
uint bound_pieces(uint head_width) { return (head_width + kBoundPiece - 1u) / kBoundPiece; }
uint64_t plane_bytes_of_block(uint head_width, uint scorer) { return uint64_t(bound_pieces(head_width) * bound_planes(scorer) * kBoundPlaneBytes); }
uint64_t bytes_of_block(uint head_width, uint scorer) { return plane_bytes_of_block(head_width, scorer) + (scorer == kScorerAutomatic ? kPageBlock * 4ul : 0ul); }
uint64_t bounds_of_layer(uint kv_heads, uint blocks, uint head_width, uint scorer) { return uint64_t(kv_heads * blocks) * bytes_of_block(head_width, scorer); }
// Bytes from the layer's bounds.
uint64_t bound_offset(uint kv_head, uint page, uint piece, uint blocks, uint head_width, uint scorer) {
  uint planes = bound_planes(scorer);
  return uint64_t(kv_head * blocks + page / kPageBlock) * bytes_of_block(head_width, scorer) +
         uint64_t(piece * planes * kBoundPlaneBytes + page % kPageBlock * kBoundPiece * 2u);
}
// Likewise of a page's spread, a float.
uint64_t spread_offset(uint kv_head, uint page, uint blocks, uint head_width) {
  return uint64_t(kv_head * blocks + page / kPageBlock) * bytes_of_block(head_width, kScorerAutomatic) +
         plane_bytes_of_block(head_width, kScorerAutomatic) + page % kPageBlock * 4ul;
}

#endif
