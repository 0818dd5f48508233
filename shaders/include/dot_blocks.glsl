// Products of stored weights with activations in 8 bits, one format per compilation (FORMAT_*=1), by packed integer dot
// products. Layouts as in blocks.glsl; twin: engine/reference/matvec over activations that were rounded to 8 bits.
//
// A row is read in portions: kParts blocks of 32 weights that share bytes. load_portion only loads, so that a kernel can
// ask for weights before it has its activations; dot_part multiplies one of a portion's blocks, number block_of_part.
#ifndef FOVEA_DOT_BLOCKS_GLSL
#define FOVEA_DOT_BLOCKS_GLSL

#extension GL_EXT_integer_dot_product : require

#include "addresses.glsl"
#include "block_bits.glsl"
#include "shaders/interface/dot.h"

// 32 activations: x = d q of either half; `low` and `high` are the sums of q over the halves.
struct Q8Block {
  ivec4 q[2];
  vec2 d;
  int low, high;
};

Q8Block q8_block(uvec4 first, uvec4 second, uvec4 rest) {
  return Q8Block(ivec4[2](ivec4(first), ivec4(second)), uintBitsToFloat(rest.xy), int(rest.z << 16) >> 16, int(rest.z) >> 16);
}
float scaled(Q8Block x, int low, int high) { return x.d.x * float(low) + x.d.y * float(high); }

int dot4(uint w, int x) { return dotPacked4x8EXT(int(w), x); }
int dot16(uvec4 w, ivec4 x) { return dot4(w.x, x.x) + dot4(w.y, x.y) + dot4(w.z, x.z) + dot4(w.w, x.w); }

#if FORMAT_Q8_0 || FORMAT_Q4_0 || FORMAT_Q5_0
#if FORMAT_Q8_0
const uint kBlockBytes = 34u, kWords = 8u;  // words behind the scale
#elif FORMAT_Q4_0
const uint kBlockBytes = 18u, kWords = 4u;
#else
const uint kBlockBytes = 22u, kWords = 5u;
#endif
const uint kParts = 1u;
struct Portion { uint w[kWords + 1u]; };

// Blocks are aligned to 2 bytes: the words are read where they are aligned and shifted when they are used.
Portion load_portion(uint64_t row, uint portion) {
  Uints u = Uints((row + uint64_t(portion * kBlockBytes)) & ~uint64_t(3));
  Portion p;
  [[unroll]] for (uint j = 0; j <= kWords; j++) p.w[j] = u.v[j];
  return p;
}
uint block_of_part(uint portion, uint part) { return portion; }
bool is_odd(uint64_t row, uint portion) { return (uint(row + uint64_t(portion * kBlockBytes)) & 2u) != 0u; }
uint word_of(Portion p, bool odd, uint j) { return odd ? p.w[j + 1u] : (p.w[j] >> 16) | (p.w[j + 1u] << 16); }
float scale_of(Portion p, bool odd) { return unpackHalf2x16(odd ? p.w[0] >> 16 : p.w[0]).x; }

float dot_part(Portion p, uint64_t row, uint portion, uint part, Q8Block x) {
  bool odd = is_odd(row, portion);
#if FORMAT_Q8_0
  int sums[2] = int[2](0, 0);
  [[unroll]] for (uint j = 0; j < 8; j++) sums[j / 4u] += dot4(word_of(p, odd, j), x.q[j / 4u][j % 4u]);
#elif FORMAT_Q4_0
  int sums[2] = int[2](-8 * x.low, -8 * x.high);
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint w = word_of(p, odd, j);
    sums[0] += dot4(w & 0x0F0F0F0Fu, x.q[0][j]);
    sums[1] += dot4((w >> 4) & 0x0F0F0F0Fu, x.q[1][j]);
  }
#else
  int sums[2] = int[2](-16 * x.low, -16 * x.high);
  uint bits = word_of(p, odd, 0u);
  [[unroll]] for (uint j = 0; j < 4; j++) {
    uint w = word_of(p, odd, j + 1u);
    sums[0] += dot4((w & 0x0F0F0F0Fu) | fifth_bits(bits >> (4 * j)), x.q[0][j]);
    sums[1] += dot4(((w >> 4) & 0x0F0F0F0Fu) | fifth_bits(bits >> (16 + 4 * j)), x.q[1][j]);
  }
#endif
  return scale_of(p, odd) * scaled(x, sums[0], sums[1]);
}

#elif FORMAT_Q4_K || FORMAT_Q5_K
// Superblocks of 144 and 176 bytes keep rows aligned to 16. A portion is the pair of blocks whose nibbles share bytes.
#if FORMAT_Q4_K
const uint kSuperBytes = 144u, kNibbles = 1u;
#else
const uint kSuperBytes = 176u, kNibbles = 3u;
#endif
const uint kParts = 2u;
struct Portion {
  uvec4 head, a, b;
#if FORMAT_Q5_K
  uvec4 high_a, high_b;
#endif
};

Portion load_portion(uint64_t row, uint portion) {
  Uint4s u = Uint4s(row + uint64_t((portion >> 2) * kSuperBytes));
  uint first = kNibbles + 2u * (portion & 3u);
  Portion p;
  p.head = u.v[0];
  p.a = u.v[first];
  p.b = u.v[first + 1u];
#if FORMAT_Q5_K
  p.high_a = u.v[1];
  p.high_b = u.v[2];
#endif
  return p;
}
uint block_of_part(uint portion, uint part) { return 2u * portion + part; }

float dot_part(Portion p, uint64_t row, uint portion, uint part, Q8Block x) {
  uint s = block_of_part(portion, part) & 7u;
  vec2 dm = unpackHalf2x16(p.head.x);
  // Scales and minima of four blocks at once. Of the first four: low six bits of the bytes of y and z; of the others four
  // bits of w, and above them what is left of y and z.
  bool others = (portion & 2u) != 0u;
  uint scales = others ? (p.head.w & 0x0F0F0F0Fu) | ((p.head.y >> 2) & 0x30303030u) : p.head.y & 0x3F3F3F3Fu;
  uint minima = others ? ((p.head.w >> 4) & 0x0F0F0F0Fu) | ((p.head.z >> 2) & 0x30303030u) : p.head.z & 0x3F3F3F3Fu;
  uint pair_shift = 16u * (portion & 1u);
  uint scale = ((scales >> pair_shift) >> (8u * part)) & 255u, minimum = ((minima >> pair_shift) >> (8u * part)) & 255u;
  uvec4 a = (p.a >> (4u * part)) & 0x0F0F0F0Fu, b = (p.b >> (4u * part)) & 0x0F0F0F0Fu;
#if FORMAT_Q5_K
  a |= ((p.high_a >> s) & 0x01010101u) << 4;
  b |= ((p.high_b >> s) & 0x01010101u) << 4;
#endif
  return dm.x * float(scale) * scaled(x, dot16(a, x.q[0]), dot16(b, x.q[1])) - dm.y * float(minimum) * scaled(x, x.low, x.high);
}

#elif FORMAT_Q6_K
// Superblocks of 210 bytes leave rows aligned to 2. A portion is the pair of blocks, two apart, whose nibbles share bytes.
// Its bytes are read in aligned words or, where lanes share a row (SUBGROUP), in aligned pieces of 16 bytes: fewer loads,
// more shifting.
const uint kParts = 2u;
struct Portion {
  uint low[12], high[12];  // of words the first nine only
  uint scales[2];          // two signed bytes of either block
  uint d;                  // half
};

uint64_t superblock(uint64_t row, uint portion) { return row + uint64_t((portion >> 2) * 210u); }

Portion load_portion(uint64_t row, uint portion) {
  uint h = (portion >> 1) & 1u, l = portion & 1u;
  uint64_t super = superblock(row, portion);
  uint64_t low_at = super + uint64_t(64u * h + 32u * l), high_at = super + uint64_t(128u + 32u * h);
  Portion p;
  if (SUBGROUP) {
    Uint4s low = Uint4s(low_at & ~uint64_t(15)), high = Uint4s(high_at & ~uint64_t(15));
    [[unroll]] for (uint j = 0; j < 3; j++) {
      uvec4 a = low.v[j], b = high.v[j];
      [[unroll]] for (uint i = 0; i < 4; i++) {
        p.low[4 * j + i] = a[i];
        p.high[4 * j + i] = b[i];
      }
    }
  } else {
    Uints low = Uints(low_at & ~uint64_t(3)), high = Uints(high_at & ~uint64_t(3));
    [[unroll]] for (uint j = 0; j < 9; j++) {
      p.low[j] = low.v[j];
      p.high[j] = high.v[j];
    }
  }
  Halves half_words = Halves(super);
  [[unroll]] for (uint part = 0; part < 2; part++) p.scales[part] = uint(half_words.v[96u + 4u * h + l + 2u * part]);
  p.d = uint(half_words.v[104]);
  return p;
}
uint block_of_part(uint portion, uint part) {
  return 8u * (portion >> 2) + 4u * ((portion >> 1) & 1u) + (portion & 1u) + 2u * part;
}

// The eight words that begin `offset` bytes, an even number, behind the first.
void shift_words(uint w[12], uint offset, out uint result[8]) {
  if (SUBGROUP) {
    [[unroll]] for (uint j = 0; j < 10; j++) w[j] = (offset & 8u) != 0u ? w[j + 2] : w[j];
    [[unroll]] for (uint j = 0; j < 9; j++) w[j] = (offset & 4u) != 0u ? w[j + 1] : w[j];
    uint bits = 8u * (offset & 2u);
    [[unroll]] for (uint j = 0; j < 8; j++) result[j] = uint(((uint64_t(w[j + 1]) << 32) | uint64_t(w[j])) >> bits);
  } else {
    bool odd = (offset & 2u) != 0u;
    [[unroll]] for (uint j = 0; j < 8; j++) result[j] = odd ? (w[j] >> 16) | (w[j + 1] << 16) : w[j];
  }
}

// Weights of one block of a portion: low four bits, and words of four blocks' high two bits each, of which the portion's
// were shifted to bits 0 and 4 of every byte; scales are two signed bytes, d a half.
float dot_six_bits(uint low[8], uint high[8], uint scales, uint d, uint part, Q8Block x) {
  int sums[2] = int[2](-32 * x.low, -32 * x.high);
  [[unroll]] for (uint j = 0; j < 8; j++)
    sums[j / 4] += dot4(((low[j] >> (4u * part)) & 0x0F0F0F0Fu) | ((part == 0u ? high[j] << 4 : high[j]) & 0xF0F0F0F0u),
                        x.q[j / 4u][j % 4u]);
  return unpackHalf2x16(d).x * scaled(x, ((int(scales) << 24) >> 24) * sums[0], ((int(scales) << 16) >> 24) * sums[1]);
}
uint high_bits(uint word, uint portion) { return (word >> (2u * (portion & 1u))) & 0x33333333u; }

float dot_part(Portion p, uint64_t row, uint portion, uint part, Q8Block x) {
  uint offset = uint(superblock(row, portion)) & 15u;
  uint low[8], high[8];
  shift_words(p.low, offset, low);
  shift_words(p.high, offset, high);
  [[unroll]] for (uint j = 0; j < 8; j++) high[j] = high_bits(high[j], portion);
  return dot_six_bits(low, high, p.scales[part], p.d, part, x);
}
#endif

#endif
