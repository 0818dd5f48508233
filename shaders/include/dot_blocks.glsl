// Products of 32 stored weights with 32 activations in 8 bits, one format per compilation (FORMAT_*=1), by packed integer
// dot products. Layouts as in blocks.glsl; twin: engine/reference/matvec over activations that were rounded to 8 bits.
#ifndef FOVEA_DOT_BLOCKS_GLSL
#define FOVEA_DOT_BLOCKS_GLSL

#extension GL_EXT_integer_dot_product : require

#include "addresses.glsl"
#include "shaders/interface/dot.h"


// 32 activations: x = d q; `low` and `high` are the sums of q over either half.
struct Q8Block {
  int q[8];
  float d;
  int low, high;
};

int dot4(uint w, int x) { return dotPacked4x8EXT(int(w), x); }
int dot16(uvec4 w, int a, int b, int c, int d) { return dot4(w.x, a) + dot4(w.y, b) + dot4(w.z, c) + dot4(w.w, d); }

#if FORMAT_Q8_0
float dot32(uint64_t row, uint sub, Q8Block x) {
  uint64_t at = row + uint64_t(sub * 34u);
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint previous = u.v[0];
  float d = unpackHalf2x16(odd ? previous >> 16 : previous).x;
  int sum = 0;
  [[unroll]] for (uint j = 0; j < 8; j++) {
    uint next = u.v[j + 1];
    sum += dot4(odd ? next : (previous >> 16) | (next << 16), x.q[j]);
    previous = next;
  }
  return d * x.d * float(sum);
}

#elif FORMAT_Q4_0
float dot32(uint64_t row, uint sub, Q8Block x) {
  uint64_t at = row + uint64_t(sub * 18u);
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint previous = u.v[0];
  float d = unpackHalf2x16(odd ? previous >> 16 : previous).x;
  int sum = -8 * (x.low + x.high);
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint next = u.v[j + 1];
    uint w = odd ? next : (previous >> 16) | (next << 16);
    previous = next;
    sum += dot4(w & 0x0F0F0F0Fu, x.q[j]) + dot4((w >> 4) & 0x0F0F0F0Fu, x.q[j + 4]);
  }
  return d * x.d * float(sum);
}

#elif FORMAT_Q5_0
uint fifth_bits(uint bits) {  // bits 0..3 of `bits` to bit 4 of each byte
  return ((bits & 1u) << 4) | ((bits & 2u) << 11) | ((bits & 4u) << 18) | ((bits & 8u) << 25);
}
float dot32(uint64_t row, uint sub, Q8Block x) {
  uint64_t at = row + uint64_t(sub * 22u);
  bool odd = (uint(at) & 2u) != 0u;
  Uints u = Uints(at & ~uint64_t(3));
  uint first = u.v[0], second = u.v[1], previous = second;
  float d = unpackHalf2x16(odd ? first >> 16 : first).x;
  uint bits = odd ? second : (first >> 16) | (second << 16);
  int sum = -16 * (x.low + x.high);
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint next = u.v[j + 2];
    uint w = odd ? next : (previous >> 16) | (next << 16);
    previous = next;
    sum += dot4((w & 0x0F0F0F0Fu) | fifth_bits(bits >> (4 * j)), x.q[j]) +
           dot4(((w >> 4) & 0x0F0F0F0Fu) | fifth_bits(bits >> (16 + 4 * j)), x.q[j + 4]);
  }
  return d * x.d * float(sum);
}

#elif FORMAT_Q4_K || FORMAT_Q5_K
// Superblocks of 144 and 176 bytes keep rows aligned to 16.
#if FORMAT_Q4_K
const uint kSuperBytes = 144u, kNibbles = 1u;
#else
const uint kSuperBytes = 176u, kNibbles = 3u;
#endif
float dot32(uint64_t row, uint sub, Q8Block x) {
  uint s = sub & 7u;
  Uint4s u = Uint4s(row + uint64_t((sub >> 3) * kSuperBytes));
  uvec4 head = u.v[0];
  vec2 dm = unpackHalf2x16(head.x);
  uvec3 bytes = (head.yzw >> (8u * (s & 3u))) & 255u;  // low six bits of scales, of minima, and the rest of both
  uint scale = s < 4u ? bytes.x & 63u : (bytes.z & 15u) | ((bytes.x >> 6) << 4);
  uint minimum = s < 4u ? bytes.y & 63u : (bytes.z >> 4) | ((bytes.y >> 6) << 4);
  uint shift = 4u * (s & 1u), first = kNibbles + 2u * (s >> 1);
  uvec4 a = (u.v[first] >> shift) & 0x0F0F0F0Fu, b = (u.v[first + 1u] >> shift) & 0x0F0F0F0Fu;
#if FORMAT_Q5_K
  a |= ((u.v[1] >> s) & 0x01010101u) << 4;
  b |= ((u.v[2] >> s) & 0x01010101u) << 4;
#endif
  int sum = dot16(a, x.q[0], x.q[1], x.q[2], x.q[3]) + dot16(b, x.q[4], x.q[5], x.q[6], x.q[7]);
  return x.d * (dm.x * float(int(scale) * sum) - dm.y * float(int(minimum) * (x.low + x.high)));
}

#elif FORMAT_Q6_K
float dot32(uint64_t row, uint sub, Q8Block x) {
  uint s = sub & 7u, h = s >> 2, l = s & 3u;
  uint64_t super = row + uint64_t((sub >> 3) * 210u);
  bool odd = (uint(super) & 2u) != 0u;
  Halves half_words = Halves(super);
  float d = unpackHalf2x16(uint(half_words.v[104])).x;
  int scales = int(uint(half_words.v[96u + 4u * h + l]));
  uint64_t aligned = super & ~uint64_t(3);
  Uints low = Uints(aligned + uint64_t(64u * h + 32u * (l & 1u)));
  Uints high = Uints(aligned + uint64_t(128u + 32u * h));
  uint nibble_shift = 4u * (l >> 1), bit_shift = 2u * l;
  uint low_previous = low.v[0], high_previous = high.v[0];
  int sums[2] = int[2](-32 * x.low, -32 * x.high);
  [[unroll]] for (uint j = 0; j < 8; j++) {
    uint low_next = low.v[j + 1], high_next = high.v[j + 1];
    uint nibbles = odd ? (low_previous >> 16) | (low_next << 16) : low_previous;
    uint bits = odd ? (high_previous >> 16) | (high_next << 16) : high_previous;
    low_previous = low_next;
    high_previous = high_next;
    sums[j / 4] += dot4(((nibbles >> nibble_shift) & 0x0F0F0F0Fu) | (((bits >> bit_shift) & 0x03030303u) << 4), x.q[j]);
  }
  return d * x.d * float(((scales << 24) >> 24) * sums[0] + ((scales << 16) >> 24) * sums[1]);
}
#endif

#endif
