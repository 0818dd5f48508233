// Stored weights to halves for matrix tiles, 16 consecutive weights of a row (half a sub-block of 32) at a time, in two
// steps, so that the words of the next tile can be on their way while the present one is multiplied. One format per
// compilation (FORMAT_*=1). Layouts: engine/tensor/dequantize.cpp; the twin for floats: blocks.glsl.
//
// fetch16 does nothing but load, as widely as the format's alignment allows: neighbouring invocations read different
// rows, so that loads cost by their count more than by their width. unpack4 gives weights 4 j .. of the 16; it computes
// in float and rounds once, so a weight is off by 2^-11 of itself at most (by 2^-25 where it is below 2^-14). No stored
// weight of a sane file is beyond 65504.
#ifndef FOVEA_HALF_BLOCKS_GLSL
#define FOVEA_HALF_BLOCKS_GLSL

#include "addresses.glsl"
#include "block_bits.glsl"
#include "scaled_halves.glsl"

#if FORMAT_Q4_K
const uint kPieceWords = 8u;
#elif FORMAT_Q5_K || FORMAT_Q6_K
const uint kPieceWords = 12u;
#elif FORMAT_F16 || FORMAT_BF16
const uint kPieceWords = 8u;
#elif FORMAT_Q8_0 || FORMAT_Q4_0
const uint kPieceWords = 5u;
#elif FORMAT_Q5_0
const uint kPieceWords = 6u;
#endif

// Four words from an address that is a multiple of 2, read as aligned words; the last read may end 2 bytes behind.
void fetch_words(uint64_t at, uint first, inout uint raw[kPieceWords]) {
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint previous = u.v[0];
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint next = u.v[j + 1];
    raw[first + j] = odd ? (previous >> 16) | (next << 16) : previous;
    previous = next;
  }
}
void fetch_four(uint64_t at, uint first, inout uint raw[kPieceWords]) {
  uvec4 words = Uint4s(at).v[0];
  [[unroll]] for (uint j = 0; j < 4; j++) raw[first + j] = words[j];
}

#if FORMAT_F16 || FORMAT_BF16
void fetch16(uint64_t row, uint sub, uint piece, inout uint raw[kPieceWords]) {
  uint64_t at = row + uint64_t(sub * 64u + piece * 32u);
  fetch_four(at, 0u, raw);
  fetch_four(at + 16ul, 4u, raw);
}
uvec2 unpack4(uint raw[kPieceWords], uint sub, uint piece, uint j) {
  uvec2 words = uvec2(raw[2 * j], raw[2 * j + 1]);
#if FORMAT_F16
  return words;
#else
  vec4 w = uintBitsToFloat(uvec4(words.x << 16, words.x & 0xFFFF0000u, words.y << 16, words.y & 0xFFFF0000u));
  return uvec2(packHalf2x16(w.xy), packHalf2x16(w.zw));
#endif
}

#elif FORMAT_Q8_0
void fetch16(uint64_t row, uint sub, uint piece, inout uint raw[kPieceWords]) {
  uint64_t at = row + uint64_t(sub * 34u);
  fetch_words(at + uint64_t(2u + 16u * piece), 0u, raw);
  raw[4] = uint(Halves(at).v[0]);
}
uvec2 unpack4(uint raw[kPieceWords], uint sub, uint piece, uint j) {
  return scaled_halves(signed_bytes(raw[j]), unpackHalf2x16(raw[4]).x, 0.0);
}

#elif FORMAT_Q4_0
void fetch16(uint64_t row, uint sub, uint piece, inout uint raw[kPieceWords]) {
  uint64_t at = row + uint64_t(sub * 18u);
  fetch_words(at + 2ul, 0u, raw);
  raw[4] = uint(Halves(at).v[0]);
}
uvec2 unpack4(uint raw[kPieceWords], uint sub, uint piece, uint j) {
  float d = unpackHalf2x16(raw[4]).x;
  return scaled_halves(unsigned_bytes((raw[j] >> (4u * piece)) & 0x0F0F0F0Fu), d, -8.0 * d);
}

#elif FORMAT_Q5_0
void fetch16(uint64_t row, uint sub, uint piece, inout uint raw[kPieceWords]) {
  uint64_t at = row + uint64_t(sub * 22u);
  Halves half_words = Halves(at);
  fetch_words(at + 6ul, 0u, raw);
  raw[4] = uint(half_words.v[0]);
  raw[5] = uint(half_words.v[1u + piece]);  // fifth bits of weights 16 piece ..
}
uvec2 unpack4(uint raw[kPieceWords], uint sub, uint piece, uint j) {
  float d = unpackHalf2x16(raw[4]).x;
  uint q = ((raw[j] >> (4u * piece)) & 0x0F0F0F0Fu) | fifth_bits(raw[5] >> (4u * j));
  return scaled_halves(unsigned_bytes(q), d, -16.0 * d);
}

#elif FORMAT_Q4_K || FORMAT_Q5_K
#if FORMAT_Q4_K
const uint kSuperBytes = 144u, kNibbles = 16u;
#else
const uint kSuperBytes = 176u, kNibbles = 48u;
#endif
void fetch16(uint64_t row, uint sub, uint piece, inout uint raw[kPieceWords]) {
  uint64_t super = row + uint64_t((sub >> 3) * kSuperBytes);
  uint s = sub & 7u;
  fetch_four(super, 0u, raw);
  fetch_four(super + uint64_t(kNibbles + 32u * (s >> 1) + 16u * piece), 4u, raw);
#if FORMAT_Q5_K
  fetch_four(super + uint64_t(16u + 16u * piece), 8u, raw);
#endif
}
uvec2 unpack4(uint raw[kPieceWords], uint sub, uint piece, uint j) {
  uint s = sub & 7u, byte_shift = 8u * (s & 3u);
  vec2 dm = unpackHalf2x16(raw[0]);
  uint low = (raw[1] >> byte_shift) & 255u, minimum = (raw[2] >> byte_shift) & 255u;
  uint high = (raw[3] >> byte_shift) & 255u;
  uint scale = s < 4u ? low & 63u : (high & 15u) | ((low >> 6) << 4);
  minimum = s < 4u ? minimum & 63u : (high >> 4) | ((minimum >> 6) << 4);
  uint q = (raw[4 + j] >> (4u * (s & 1u))) & 0x0F0F0F0Fu;
#if FORMAT_Q5_K
  q |= ((raw[8 + j] >> s) & 0x01010101u) << 4;
#endif
  return scaled_halves(unsigned_bytes(q), dm.x * float(scale), -(dm.y * float(minimum)));
}

#elif FORMAT_Q6_K
void fetch16(uint64_t row, uint sub, uint piece, inout uint raw[kPieceWords]) {
  uint s = sub & 7u, h = s >> 2, l = s & 3u;
  uint64_t super = row + uint64_t((sub >> 3) * 210u);
  fetch_words(super + uint64_t(64u * h + 32u * (l & 1u) + 16u * piece), 0u, raw);
  fetch_words(super + uint64_t(128u + 32u * h + 16u * piece), 4u, raw);
  Halves half_words = Halves(super);
  raw[8] = uint(half_words.v[104]);
  raw[9] = uint(half_words.v[96u + 4u * h + l]);  // the scales of both pieces
}
uvec2 unpack4(uint raw[kPieceWords], uint sub, uint piece, uint j) {
  uint l = sub & 3u;
  float scale = unpackHalf2x16(raw[8]).x * float(int(raw[9] << (24u - 8u * piece)) >> 24);
  uint q = ((raw[j] >> (4u * (l >> 1))) & 0x0F0F0F0Fu) | (((raw[4 + j] >> (2u * l)) & 0x03030303u) << 4);
  return scaled_halves(unsigned_bytes(q), scale, -32.0 * scale);
}
#endif

#endif
