// Stored weights to halves in the registers of a subgroup that multiplies them there: of 128 consecutive columns of a row
// (a step) four lanes have 32 weights each, lane `quarter` columns 8 quarter to 8 quarter + 7 of each sub-block of 32. One format
// per compilation (FORMAT_*=1); the twin for shared memory, of the same bits: half_blocks.glsl.
//
// fetch_lane does nothing but load; prepare_lane makes of it what lane_weights reads: weights 4 word .. of a lane's eight of the
// step's first or second sub-block. next_lane moves the two behind these there, so that a loop over pairs of sub-blocks finds
// its words by constant numbers, in registers, unrolled or not.
#ifndef FOVEA_LANE_BLOCKS_GLSL
#define FOVEA_LANE_BLOCKS_GLSL

#include "addresses.glsl"
#include "block_bits.glsl"
#include "scaled_halves.glsl"

#if FORMAT_Q4_K
const uint kLaneWords = 8u;
#elif FORMAT_Q6_K
const uint kLaneWords = 13u;
#endif

#if FORMAT_Q4_K
// Words: the head of the super-block; nibbles of the step's two pairs of sub-blocks.
void fetch_lane(uint64_t row, uint step, uint quarter, inout uint raw[kLaneWords]) {
  uint64_t super = row + uint64_t((step >> 1) * 144u);
  uvec4 head = Uint4s(super).v[0];
  uint64_t nibbles = super + uint64_t(16u + 64u * (step & 1u) + 8u * quarter);
  uvec2 first = Uint2s(nibbles).v[0], second = Uint2s(nibbles + 32ul).v[0];
  raw[0] = head.x; raw[1] = head.y; raw[2] = head.z; raw[3] = head.w;
  raw[4] = first.x; raw[5] = first.y; raw[6] = second.x; raw[7] = second.y;
}
// Scales and minima of the step's four sub-blocks, a byte each, in words 1 and 2.
void prepare_lane(inout uint raw[kLaneWords], uint64_t row, uint step) {
  bool second = (step & 1u) == 1u;
  uint low = raw[1], minimum = raw[2], high = raw[3];
  raw[1] = second ? (high & 0x0F0F0F0Fu) | ((low >> 2) & 0x30303030u) : low & 0x3F3F3F3Fu;
  raw[2] = second ? ((high >> 4) & 0x0F0F0F0Fu) | ((minimum >> 2) & 0x30303030u) : minimum & 0x3F3F3F3Fu;
}
uvec2 lane_weights(uint raw[kLaneWords], uint quarter, uint sub, uint word) {
  vec2 dm = unpackHalf2x16(raw[0]);
  float scale = float((raw[1] >> (8u * sub)) & 255u), minimum = float((raw[2] >> (8u * sub)) & 255u);
  return scaled_halves(unsigned_bytes((raw[4u + word] >> (4u * sub)) & 0x0F0F0F0Fu), dm.x * scale, -(dm.y * minimum));
}
void next_lane(inout uint raw[kLaneWords]) {
  raw[1] >>= 16;
  raw[2] >>= 16;
  raw[4] = raw[6];
  raw[5] = raw[7];
}

#elif FORMAT_Q6_K
// Words: three aligned ones each that hold eight lower halves of sub-blocks 0 and 2, of 1 and 3, eight upper parts, and the
// scales; the super-block's scale.
void fetch_lane(uint64_t row, uint step, uint quarter, inout uint raw[kLaneWords]) {
  uint64_t super = row + uint64_t((step >> 1) * 210u), aligned = super & ~uint64_t(3);
  uint h = step & 1u;
  Uints low = Uints(aligned + uint64_t(64u * h + 8u * quarter)), high = Uints(aligned + uint64_t(128u + 32u * h + 8u * quarter));
  Uints scales = Uints(aligned + uint64_t(192u + 8u * h));
  [[unroll]] for (uint i = 0; i < 3u; i++) {
    raw[i] = low.v[i];
    raw[3u + i] = low.v[8u + i];
    raw[6u + i] = high.v[i];
    raw[9u + i] = scales.v[i];
  }
  raw[12] = uint(Halves(super).v[104]);
}
void prepare_lane(inout uint raw[kLaneWords], uint64_t row, uint step) {
  bool odd = ((uint(row) + (step >> 1) * 210u) & 2u) != 0u;
  [[unroll]] for (uint i = 0; i < 12u; i += 3u) {
    raw[i] = odd ? (raw[i] >> 16) | (raw[i + 1u] << 16) : raw[i];
    raw[i + 1u] = odd ? (raw[i + 1u] >> 16) | (raw[i + 2u] << 16) : raw[i + 1u];
  }
}
uvec2 lane_weights(uint raw[kLaneWords], uint quarter, uint sub, uint word) {
  uint byte = 2u * sub + (quarter >> 1);  // of the word with the scales of both sub-blocks
  float scale = unpackHalf2x16(raw[12]).x * float(int(raw[9] << (24u - 8u * byte)) >> 24);
  uint low = raw[3u * sub + word] & 0x0F0F0F0Fu, high = (raw[6u + word] >> (2u * sub)) & 0x03030303u;
  return scaled_halves(unsigned_bytes(low | (high << 4)), scale, -32.0 * scale);
}
void next_lane(inout uint raw[kLaneWords]) {
  [[unroll]] for (uint i = 0; i < 2u; i++) {
    raw[i] >>= 4;
    raw[3u + i] >>= 4;
    raw[6u + i] >>= 4;
  }
  raw[9] = raw[10];
}
#endif

#endif
