// Stored weights to floats, 32 consecutive weights of a row at a time, one format per compilation (FORMAT_*=1).
// Layouts: ggml's block formats as described in engine/tensor/dequantize.cpp, the twin of this file.
//
// Blocks of 18, 22, 34 and 210 bytes leave rows aligned to 2 bytes only. They are read as aligned words, and the
// half-word shift is undone by shifts: one load less per four weights than 16-bit loads, which is what decides on a CPU
// driver. The last read may end 2 bytes behind the block: weight buffers are padded.
#ifndef FOVEA_BLOCKS_GLSL
#define FOVEA_BLOCKS_GLSL

#include "addresses.glsl"
#include "block_bits.glsl"

// The half at `at`, an even address.
float load_half(uint64_t at) {
  uint word = Uints(at & ~uint64_t(3)).v[0];
  return unpackHalf2x16((uint(at) & 2u) != 0u ? word >> 16 : word).x;
}

// Eight words that begin at `at`, an even address.
void load_words(uint64_t at, out uint w[8]) {
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint previous = u.v[0];
  [[unroll]] for (uint j = 0; j < 8; j++) {
    uint next = u.v[j + 1];
    w[j] = odd ? (previous >> 16) | (next << 16) : previous;
    previous = next;
  }
}

#if FORMAT_F32
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  Floats f = Floats(row + uint64_t(sub * 128u));
  [[unroll]] for (uint j = 0; j < 8; j++) w[j] = vec4(f.v[4 * j], f.v[4 * j + 1], f.v[4 * j + 2], f.v[4 * j + 3]);
}
float load1(uint64_t row, uint k) { return Floats(row).v[k]; }

#elif FORMAT_F16
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  Uints u = Uints(row + uint64_t(sub * 64u));
  [[unroll]] for (uint j = 0; j < 8; j++) w[j] = vec4(unpackHalf2x16(u.v[2 * j]), unpackHalf2x16(u.v[2 * j + 1]));
}
float load1(uint64_t row, uint k) { return unpackHalf2x16(uint(Halves(row).v[k])).x; }

#elif FORMAT_BF16
vec2 bfloat_pair(uint u) { return vec2(uintBitsToFloat(u << 16), uintBitsToFloat(u & 0xFFFF0000u)); }
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  Uints u = Uints(row + uint64_t(sub * 64u));
  [[unroll]] for (uint j = 0; j < 8; j++) w[j] = vec4(bfloat_pair(u.v[2 * j]), bfloat_pair(u.v[2 * j + 1]));
}
float load1(uint64_t row, uint k) { return uintBitsToFloat(uint(Halves(row).v[k]) << 16); }

#elif FORMAT_Q8_0
// 34 bytes: half scale, 32 signed bytes.
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  uint64_t at = row + uint64_t(sub * 34u);
  uint q[8];
  load_words(at + 2ul, q);
  float d = load_half(at);
  [[unroll]] for (uint j = 0; j < 8; j++) w[j] = d * signed_bytes(q[j]);
}

#elif FORMAT_Q4_0
// 18 bytes: half scale, 16 bytes: low nibbles are weights 0..15, high nibbles 16..31; weight = d (q - 8).
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  uint64_t at = row + uint64_t(sub * 18u);
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint first = u.v[0], previous = first;
  float d = unpackHalf2x16(odd ? first >> 16 : first).x;
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint next = u.v[j + 1];
    uint q = odd ? next : (previous >> 16) | (next << 16);
    previous = next;
    w[j] = d * (unsigned_bytes(q & 0x0F0F0F0Fu) - 8.0);
    w[j + 4] = d * (unsigned_bytes((q >> 4) & 0x0F0F0F0Fu) - 8.0);
  }
}

#elif FORMAT_Q5_0
// 22 bytes: half scale, 32 fifth bits, 16 bytes of nibbles as in Q4_0; weight = d (q - 16).
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  uint64_t at = row + uint64_t(sub * 22u);
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint first = u.v[0], second = u.v[1], previous = second;
  float d = unpackHalf2x16(odd ? first >> 16 : first).x;
  uint high = odd ? second : (first >> 16) | (second << 16);
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint next = u.v[j + 2];
    uint q = odd ? next : (previous >> 16) | (next << 16);
    previous = next;
    w[j] = d * (unsigned_bytes((q & 0x0F0F0F0Fu) | fifth_bits(high >> (4 * j))) - 16.0);
    w[j + 4] = d * (unsigned_bytes(((q >> 4) & 0x0F0F0F0Fu) | fifth_bits(high >> (16 + 4 * j))) - 16.0);
  }
}

#elif FORMAT_Q4_K || FORMAT_Q5_K
// Superblock of 256: half d, half dmin, 12 bytes of 6-bit scales and minima for 8 sub-blocks of 32, then
// (Q5_K: 32 bytes of fifth bits, bit s of byte i belongs to weight i of sub-block s,) 128 bytes of nibbles,
// sub-blocks 2p and 2p+1 sharing bytes 32p..32p+31. weight = d scale q - dmin minimum.
#if FORMAT_Q4_K
const uint kSuperBytes = 144u, kNibbles = 4u;
#else
const uint kSuperBytes = 176u, kNibbles = 12u;
#endif
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  uint s = sub & 7u;
  uint64_t super = row + uint64_t((sub >> 3) * kSuperBytes);
  Uints u = Uints(super);
  uvec4 head = uvec4(u.v[0], u.v[1], u.v[2], u.v[3]);
  uint first = kNibbles + 8u * (s >> 1), nibbles[8];
  [[unroll]] for (uint j = 0; j < 8; j++) nibbles[j] = u.v[first + j];
  vec2 dm = unpackHalf2x16(head.x);
  uint byte_shift = 8u * (s & 3u);
  uint low = (head.y >> byte_shift) & 255u, minimum = (head.z >> byte_shift) & 255u, high = (head.w >> byte_shift) & 255u;
  uint scale = s < 4u ? low & 63u : (high & 15u) | ((low >> 6) << 4);
  minimum = s < 4u ? minimum & 63u : (high >> 4) | ((minimum >> 6) << 4);
  float d = dm.x * float(scale), m = dm.y * float(minimum);
  uint nibble_shift = 4u * (s & 1u);
  [[unroll]] for (uint j = 0; j < 8; j++) {
    uint q = (nibbles[j] >> nibble_shift) & 0x0F0F0F0Fu;
#if FORMAT_Q5_K
    q |= ((u.v[4 + j] >> s) & 0x01010101u) << 4;
#endif
    w[j] = d * unsigned_bytes(q) - m;
  }
}

#elif FORMAT_Q6_K
// Superblock of 256 in 210 bytes: 128 bytes of low nibbles, 64 bytes of two high bits, 16 signed scales (one per 16
// weights), half d. Sub-block s of 32 sits in half h = s / 4 at place l = s % 4: nibbles 64h + 32 (l & 1) .. in the low
// (l < 2) or high half of the byte, high bits 32h .. shifted by 2l. weight = d scale (q - 32).
void load32(uint64_t row, uint sub, out vec4 w[8]) {
  uint s = sub & 7u, h = s >> 2, l = s & 3u;
  uint64_t super = row + uint64_t((sub >> 3) * 210u);
  float d = load_half(super + 208ul);
  // Two signed bytes of an aligned word.
  uint64_t scales_at = super + uint64_t(192u + 8u * h + 2u * l);
  int scales = int(Uints(scales_at & ~uint64_t(3)).v[0] >> (8u * (uint(scales_at) & 2u)));
  float low_scale = d * float((scales << 24) >> 24), high_scale = d * float((scales << 16) >> 24);
  uint low[8], high[8];
  load_words(super + uint64_t(64u * h + 32u * (l & 1u)), low);
  load_words(super + uint64_t(128u + 32u * h), high);
  uint nibble_shift = 4u * (l >> 1), bit_shift = 2u * l;
  [[unroll]] for (uint j = 0; j < 8; j++) {
    uint q = ((low[j] >> nibble_shift) & 0x0F0F0F0Fu) | (((high[j] >> bit_shift) & 0x03030303u) << 4);
    w[j] = (j < 4u ? low_scale : high_scale) * (unsigned_bytes(q) - 32.0);
  }
}
#endif

#if FORMAT_F32 || FORMAT_F16 || FORMAT_BF16
#define FORMAT_HAS_TAIL 1  // rows need not be a multiple of 32 long
#else
#define FORMAT_HAS_TAIL 0
#endif

#endif
