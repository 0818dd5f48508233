// Matrix products of stored weights with many activation rows on matrix cores, by matrices of a whole workgroup
// (GL_NV_cooperative_matrix2): prefill where the device has them. The same products as linear/product_tile.comp, which
// see; here the driver shares a tile's work among the subgroups. Weights and activations come through shared memory all
// the same: loads that unpack weights on their way into a matrix, and loads of activations from device memory, were
// slower on an H200 (160 and 156 of 197 TFLOP/s for Q4_K).
//
// Precision as there. Sums run over columns in one order: matrices of DEPTH columns, ascending.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_NV_cooperative_matrix2 : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint TILE_ROWS = 128;  // paired: of gate and of up
layout(constant_id = 2) const uint TILE_TOKENS = 128;
layout(constant_id = 3) const uint DEPTH = 64;  // columns of a matrix: 32 or 64
layout(constant_id = 4) const bool GROUPED = false;
layout(constant_id = 5) const bool PAIRED = false;
layout(constant_id = 6) const uint LEAST_TOKENS = 64;  // of a matrix: the device's granularity
// What a tile with few tokens takes in place of TILE_TOKENS.
const uint HALF_TOKENS = TILE_TOKENS / 2u % LEAST_TOKENS == 0u ? TILE_TOKENS / 2u : TILE_TOKENS;
const uint QUARTER_TOKENS = TILE_TOKENS / 4u % LEAST_TOKENS == 0u ? TILE_TOKENS / 4u : HALF_TOKENS;

#include "shaders/include/expert_units.glsl"
#include "shaders/include/half_blocks.glsl"
#include "shaders/interface/product_tile.h"

layout(buffer_reference, scalar, buffer_reference_align = 16) buffer HalfRows { float16_t v[]; };
layout(push_constant, scalar) uniform Push { ProductTilePush p; };

// What an invocation brings to shared memory per step: pieces of 16 weights, gate rows before up rows; pieces of 8
// activations. Rows are PITCH units of eight halves apart, so that eight consecutive ones begin in different banks.
const uint INVOCATIONS = gl_WorkGroupSize.x, STORED_ROWS = PAIRED ? 2u * TILE_ROWS : TILE_ROWS;
const uint ROW_WEIGHTS = DEPTH / 16u, ROW_TOKENS = DEPTH / 8u, PITCH = DEPTH / 8u + 1u;
const uint WEIGHT_PIECES = STORED_ROWS * ROW_WEIGHTS / INVOCATIONS, TOKEN_PIECES = TILE_TOKENS * ROW_TOKENS / INVOCATIONS;
shared uvec4 weight_tile[STORED_ROWS * PITCH];
shared uvec4 token_tile[TILE_TOKENS * PITCH];
shared uint targets[TILE_TOKENS];  // rows of y, where they are scattered

#define WeightMatrix coopmat<float16_t, gl_ScopeWorkgroup, TILE_ROWS, DEPTH, gl_MatrixUseA>
#define TokenMatrix coopmat<float16_t, gl_ScopeWorkgroup, DEPTH, TOKENS, gl_MatrixUseB>
#define Sums coopmat<float, gl_ScopeWorkgroup, TILE_ROWS, TOKENS, gl_MatrixUseAccumulator>
#define HalfSums coopmat<float16_t, gl_ScopeWorkgroup, TILE_ROWS, TOKENS, gl_MatrixUseAccumulator>
// Called for every sum of a tile.
float put_sum(const in uint row, const in uint token, const in float sum, const in uint first_row, const in uint count) {
  if (first_row + row < p.rows && token < count)
    Floats(p.y + uint64_t(targets[token]) * uint64_t(p.y_stride) * 4ul).v[first_row + row] = sum;
  return sum;
}

#define TOKENS TILE_TOKENS
#define PRODUCT whole_tile
#include "shaders/include/workgroup_product.glsl"
#undef TOKENS
#undef PRODUCT
#define TOKENS HALF_TOKENS
#define PRODUCT half_tile
#include "shaders/include/workgroup_product.glsl"
#undef TOKENS
#undef PRODUCT
#define TOKENS QUARTER_TOKENS
#define PRODUCT quarter_tile
#include "shaders/include/workgroup_product.glsl"

void main() {
  // Dense: token tiles of the same rows are neighbours, so that weights come from memory once.
  uint row_tile = GROUPED ? gl_WorkGroupID.x : gl_WorkGroupID.y;
  uint first = 0, count = 0;
  uint64_t offset = 0;
  if (GROUPED) {
    ExpertTile tile = Tiles(p.tiles).v[gl_WorkGroupID.y];
    first = tile.first;
    count = tile.count;
    offset = expert_offset(tile.expert, p.expert_bytes_low, p.expert_bytes_high);
  } else {
    uint tokens = State(p.state).s.tokens;
    first = gl_WorkGroupID.x * TILE_TOKENS;
    if (first >= tokens) return;
    count = min(TILE_TOKENS, tokens - first);
  }
  uint first_row = row_tile * TILE_ROWS;
  if (GROUPED && !PAIRED)
    for (uint token = gl_LocalInvocationIndex; token < count; token += gl_WorkGroupSize.x)
      targets[token] = Uints(p.sorted).v[first + token];
  uint64_t weights = p.weights + offset, up = p.up + offset;
  // An expert's last tile is seldom full.
  if (GROUPED && count <= QUARTER_TOKENS)
    quarter_tile(first, count, first_row, weights, up);
  else if (GROUPED && count <= HALF_TOKENS)
    half_tile(first, count, first_row, weights, up);
  else
    whole_tile(first, count, first_row, weights, up);
}
