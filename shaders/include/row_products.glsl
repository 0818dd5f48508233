// Products of rows of stored weights with one row of activations, for one token on a CPU driver: eight lanes share a row and go
// through rows one after the other, each with its own columns of the activations in registers.
//
// A CPU driver gathers lane by lane, whatever the lanes read, so a load brings 64 bits, every byte of a row is loaded once, and
// what another lane has loaded comes from there; lanes that read side by side are what its memory is quick at. What is left is
// arithmetic: scales and minima are applied to sums of 8 products, minima to sums of 8 activations. Sums: a lane's in the order
// of its columns, then over the eight lanes. Loads may end 8 bytes behind the row: weight buffers are padded.
//
// Lines are touched two rows ahead (touches.glsl).
//
// With NORM activations are normed on the way in: times the norm's weights as they are loaded; norm_scale is what sums are then
// still to be multiplied with.
//
// Needs the constants COLUMNS, ROWS (results of a lane), STREAMED (the subgroup's size, 8 or more; 0: unused) and NORM, and the format.
#ifndef FOVEA_ROW_PRODUCTS_GLSL
#define FOVEA_ROW_PRODUCTS_GLSL

#if FORMAT_F32 || FORMAT_Q8_0 || FORMAT_Q4_K || FORMAT_Q5_K || FORMAT_Q6_K
#define FORMAT_STREAMS 1

#extension GL_KHR_shader_subgroup_shuffle : require

#include "addresses.glsl"
#include "eight_lanes.glsl"
#include "touches.glsl"

const uint kTileColumns = 256u, kTiles = (COLUMNS + kTileColumns - 1u) / kTileColumns;
const uint kAtOnce = kTiles % 2u == 0u ? 2u : 1u;  // tiles whose activations a lane keeps: 32 each, in runs of 8 neighbours
const uint kChunks = kTiles / kAtOnce;
const uint kRuns = 4u * kAtOnce;

uint share_lane() { return gl_SubgroupInvocationID % 8u; }
uint of_lane(uint value, uint lane) { return subgroupShuffle(value, STREAMED == 8u ? lane : (gl_SubgroupInvocationID & ~7u) + lane); }
uvec2 of_lane(uvec2 value, uint lane) { return uvec2(of_lane(value.x, lane), of_lane(value.y, lane)); }

float own_x[kRuns * 8u], run_sums[kRuns], squares = 0.0;
vec2 pair_at(uint64_t row, uint column) { return uintBitsToFloat(unpackUint2x32(Addresses(row + uint64_t(column * 4u)).v[0])); }
float norm_scale(float epsilon) { return NORM ? inversesqrt(over_lanes(squares) / float(COLUMNS) + epsilon) : 1.0; }

float signed_byte(uint word, uint byte) { return float(int(word << (24u - 8u * byte)) >> 24); }
float unsigned_byte(uint word, uint byte) { return float(int((word >> (8u * byte)) & 255u)); }
// Products of a run with eight bytes below 128.
float run_product(uvec2 words, uint run) {
  float sum = 0.0;
  [[unroll]] for (uint k = 0; k < 8; k++) sum += float(int(words[k / 4u] & (255u << (8u * (k % 4u))))) * own_x[run * 8u + k];
  return sum;
}
// Whether a word may be read from any address, as a CPU does for whom lanes are a vector; Vulkan asks for aligned ones of everybody, so
// this form is for such drivers alone (engine/kernels/row_streams.cpp). It spares lanes a second gather, or what they would hand round.
const bool kWordsAnywhere = STREAMED == 8u;
// Of a stream of bytes that begins `shift` bits behind aligned words: one word, of two neighbours.
uint64_t joined(uint64_t a, uint64_t b, uint shift) { return (a >> shift) | ((b << 1) << (63u - shift)); }

const uint kAhead = 2u;  // rows from what is multiplied to what is touched
void touch_bytes(uint64_t row, uint bytes) {
  uint touches = (bytes + 575u) / 576u, pitch = (bytes / (8u * touches) + 1u) / 2u * 2u;  // of 8 lanes
  [[unroll]] for (uint i = 0; i < touches; i++) touch_at(row + uint64_t(min((8u * i + share_lane()) * pitch, bytes - 2u)));
}
#include "row_format.glsl"

// Eight lanes have 8 * ROWS neighbouring rows, eight at a time; of each eight lane n ends up with the n-th. Who includes this may
// number workgroups in another way.
#ifndef ROW_GROUP
#define ROW_GROUP gl_WorkGroupID.x
#endif
uint first_row() { return (ROW_GROUP * (gl_WorkGroupSize.x / 8u) + gl_LocalInvocationID.x / 8u) * (8u * ROWS); }
uint64_t row_at(uint r, uint rows, uint row_bytes) { return uint64_t(min(first_row() + r, rows - 1u)) * uint64_t(row_bytes); }
void add_eight(inout float results[ROWS], uint eight, float values) {
  [[unroll]] for (uint i = 0; i < ROWS; i++) results[i] += i == eight ? values : 0.0;
}

#endif
#endif
