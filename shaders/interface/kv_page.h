// The layout of a KV page. A page holds kPageKeys consecutive positions of every layer; a page table entry is its address.
//
// f16: (layers, 2 = keys then values, kv_heads, kPageKeys, head_width) halves.
//
// q8_0: per layer, keys then values, each a plane of 8-bit quants followed by a plane of half scales. A block is 32 numbers
// of a head with one scale; where head_width is no multiple of 32, the last block of a head is what is left. Quants come in
// pieces of 16 bytes, the last of a head filled up with zeros, so that every load of them is aligned and wide.
//   key quants    (kv_heads, pieces, kPageKeys, 16) bytes: lanes that take a key each read consecutive pieces
//   key scales    (kv_heads, blocks, kPageKeys) halves
//   value quants  (kv_heads, kPageKeys, pieces, 16) bytes: lanes that take dimensions of one value read consecutive words
//   value scales  (kv_heads, kPageKeys, blocks) halves
#ifndef FOVEA_KV_PAGE_H
#define FOVEA_KV_PAGE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kPageKeys = 32;
const uint kKvBlock = 32;  // q8_0: numbers that share a scale
const uint kKvPiece = 16;  // q8_0: quants that are loaded at once, and their bytes

FOVEA_PUSH_END
#endif
