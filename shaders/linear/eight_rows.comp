// One token's product with Q6_K weights that lie eight rows side by side, a row for each lane, with activations in 8 bits: on a CPU driver
// whose lanes are a vector of the processor.
//
// Such a driver loads lane by lane what lanes ask for, unless it knows the address to be the same in all of them: then once. And what
// lanes then choose from eight neighbouring words becomes one load of the processor's. lavapipe (Mesa 25.0) knows it of what is computed from
// constants and push constants, outside of loops and branches. So there are none here, and the place of a subgroup's rows is looked up
// in push constants that hold 0, 1, 2, and so on: whoever indexes these promises that the index is the same in all lanes.
//
// Two of a word's four weights stand in its even bytes, q and q' 2^16; times x' + x 2^16 that is q x' + (q x + q' x') 2^16 beside
// what has no room. Of two words the upper halves of four such products add up to what is wanted of eight columns, once 32 times the
// activations is taken away and the lower half is rounded: all lies below 8 * 32 * 127 < 2^15. So sums of whole numbers are exact up to a
// block of 16 columns; blocks are added up in their order.
//
// Twins: engine/reference/quantize, matvec.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x_id = 0) in;  // 8 * subgroups
layout(constant_id = 1) const uint COLUMNS = 256;  // a multiple of 16
layout(constant_id = 2) const uint EIGHTS = 1;     // eight rows each, of a subgroup
layout(constant_id = 3) const bool KEYS = false;

#include "shaders/include/addresses.glsl"
#include "shaders/interface/eight_rows.h"
#include "shaders/sample/ordered_key.glsl"

layout(push_constant, scalar) uniform Push { EightRowsPush p; };

uint same_in_all_lanes(uint n) {
  return p.same[n % kLaneNumbers] + kLaneNumbers * p.same[n / kLaneNumbers % kLaneNumbers] +
         kLaneNumbers * kLaneNumbers * p.same[n / (kLaneNumbers * kLaneNumbers) % kLaneNumbers];
}

// Eight words that lie side by side, one for each lane.
uint words_at(uint64_t at) {
  uint lane = gl_SubgroupInvocationID;
  uvec4 a = Uint4s(at).v[0], b = Uint4s(at + 16ul).v[0];
  uint word = mix(b.w, b.z, lane == 6u);
  word = mix(word, b.y, lane == 5u);
  word = mix(word, b.x, lane == 4u);
  word = mix(word, a.w, lane == 3u);
  word = mix(word, a.z, lane == 2u);
  word = mix(word, a.y, lane == 1u);
  return mix(word, a.x, lane == 0u);
}

// Of a block's four columns from 4n on, and of the word behind.
uint pair_products(uint word, uint n) {
  Uints x = Uints(p.words);
  return (word & 0x00FF00FFu) * x.v[2u * n] + ((word >> 8) & 0x00FF00FFu) * x.v[2u * n + 1u];
}
int eight_columns(uint first, uint second, uint n) {
  return int(pair_products(first, n) + pair_products(second, n + 1u) + Uints(p.words).v[COLUMNS / 2u + n / 2u]) >> 16;
}

void main() {
  const uint kBlocks = COLUMNS / kEightColumns;
  // The last subgroups repeat the last rows.
  uint first = min(same_in_all_lanes(gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * (8u * EIGHTS), p.rows - 8u * EIGHTS);
  [[unroll]] for (uint eight = 0; eight < EIGHTS; eight++, first += 8u) {
    uint64_t block = p.weights + uint64_t(first / 8u) * uint64_t(kBlocks * kEightBytes);
    precise float sum = 0.0;
    [[unroll]] for (uint i = 0; i < kBlocks; i++, block += uint64_t(kEightBytes)) {
      int products = eight_columns(words_at(block), words_at(block + 32ul), 4u * i) + eight_columns(words_at(block + 64ul), words_at(block + 96ul), 4u * i + 2u);
      float scaled = float(products) * Floats(p.words).v[COLUMNS / 2u + COLUMNS / 8u + i];
      sum += uintBitsToFloat(words_at(block + 128ul)) * scaled;
    }
    Floats(p.y).v[first + gl_SubgroupInvocationID] = sum;
    if (!KEYS) continue;
    uint key = ordered_key(floatBitsToUint(sum));
    key = max(key, subgroupShuffleXor(key, 1u));
    key = max(key, subgroupShuffleXor(key, 2u));
    key = max(key, subgroupShuffleXor(key, 4u));
    Uints(p.keys).v[first / 8u] = key;
  }
}
