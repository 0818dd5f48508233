// Activations to 8 bits (shaders/interface/dot.h): four neighbouring lanes share half a block, four activations each, so
// loads are whole and nothing but shuffles within four lanes is needed. Twin: engine/reference/quantize.
#ifndef FOVEA_QUANTIZE_ROWS_GLSL
#define FOVEA_QUANTIZE_ROWS_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_clustered : require

#include "addresses.glsl"
#include "shaders/interface/dot.h"

// What a lane holds of half a block once its four lanes have agreed.
struct Q8Part {
  uint q;    // its four activations
  float d;   // of the half
  uint sum;  // of the half, in 16 bits
};

Q8Part quantize4(vec4 v) {
  vec4 a = abs(v);
  float most = subgroupClusteredMax(max(max(a.x, a.y), max(a.z, a.w)), 4);
  float d = most / 127.0, inverse = most > 0.0 ? 127.0 / most : 0.0;
  ivec4 q = ivec4(floor(v * inverse + 0.5));
  int sum = subgroupClusteredAdd(q.x + q.y + q.z + q.w, 4);
  ivec4 b = q & 255;
  return Q8Part(uint(b.x | (b.y << 8) | (b.z << 16) | (b.w << 24)), d, uint(sum & 0xFFFF));
}

// The sums of both halves in a word, in each of a block's eight lanes.
uint both_sums(Q8Part part) {
  uint shifted = (gl_SubgroupInvocationID & 4u) == 0u ? part.sum : part.sum << 16;
  return subgroupClusteredOr((gl_SubgroupInvocationID & 3u) == 0u ? shifted : 0u, 8);
}

// Where word `word` of a block lies in a vector of `blocks`.
uint q8_word(uint blocks, uint block, uint word) { return (word / 4u * blocks + block) * 4u + word % 4u; }

// Activations 4 * vector and the three behind them of `blocks` at `words`, by each of a half block's four lanes.
void write_part(uint64_t words, uint blocks, uint vector, Q8Part part) {
  Uints w = Uints(words);
  uint block = vector / 8u, i = vector % 8u;
  w.v[q8_word(blocks, block, i)] = part.q;
  if (i % 4u != 0u) return;
  w.v[q8_word(blocks, block, kQ8Scale + i / 4u)] = floatBitsToUint(part.d);
  Halves(words).v[2u * q8_word(blocks, block, kQ8Sums) + i / 4u] = uint16_t(part.sum);
}

// Where half block `part` has its squares.
uint q8_squares(uint blocks, uint part) { return kQ8Words * blocks + part; }

#endif
