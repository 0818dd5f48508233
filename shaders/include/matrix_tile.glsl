// Fragments of a matrix tile in shared memory: 16 rows of weights x 16 tokens x 16 columns, one fragment a subgroup.
// MATRIX_KHR: on matrix cores (GL_KHR_cooperative_matrix). MATRIX_PLAIN: in registers, for devices without; a lane then
// holds the same few rows and tokens of every fragment and reads its operands straight from shared memory.
// Halves are multiplied exactly and summed as float in both; the order within 16 columns is the device's in the first.
//
// Expects LANES (size of a subgroup); WEIGHT_UNITS, TOKEN_UNITS and STAGE_FLOATS: sizes of the shared arrays, in units of
// eight halves; PITCH and WEIGHT_PITCH: units from row to row of tokens and of weights.
#ifndef FOVEA_MATRIX_TILE_GLSL
#define FOVEA_MATRIX_TILE_GLSL

const uint kFragment = 16u;
shared float stage[STAGE_FLOATS];
shared uvec4 weight_tile[WEIGHT_UNITS];
shared uvec4 token_tile[TOKEN_UNITS];

#if MATRIX_KHR
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#define COLUMN_LOOP [[unroll]]
#define LANE_LOOP [[unroll]]  // over a lane's sums of a fragment
#define Sums coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define WeightFragment coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define TokenFragment coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>

void clear(out Sums sums) { sums = Sums(0.0); }
// `unit`: of the fragment's first row, first column.
void load_weights(out WeightFragment weights, uint unit) {
  coopMatLoad(weights, weight_tile, unit, WEIGHT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
}
void load_tokens(out TokenFragment tokens, uint unit) {
  coopMatLoad(tokens, token_tile, unit, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
}
void multiply_add(inout Sums sums, WeightFragment weights, TokenFragment tokens) {
  sums = coopMatMulAdd(weights, tokens, sums);
}
// To stage[first + token * 16 + row].
void store_sums(Sums sums, uint first) {
  coopMatStore(sums, stage, first, kFragment, gl_CooperativeMatrixLayoutColumnMajor);
}

#else
// Lanes share the fragment as LANE_ROWS x LANE_TOKENS; a lane's rows and tokens are so far apart.
const uint LANE_ROWS = LANES >= 64u ? 8u : LANES >= 16u ? 4u : 2u;
const uint LANE_TOKENS = LANES / LANE_ROWS;
const uint OWN_ROWS = kFragment / LANE_ROWS, OWN_TOKENS = kFragment / LANE_TOKENS;

#define COLUMN_LOOP [[dont_unroll]]  // there is enough to do within a fragment
#define LANE_LOOP [[dont_unroll]]
struct Sums { float v[OWN_ROWS * OWN_TOKENS]; };
#define WeightFragment uint
#define TokenFragment uint

uint lane_row() { return gl_SubgroupInvocationID / LANE_TOKENS; }
uint lane_token() { return gl_SubgroupInvocationID % LANE_TOKENS; }

void clear(out Sums sums) { [[unroll]] for (uint i = 0; i < OWN_ROWS * OWN_TOKENS; i++) sums.v[i] = 0.0; }
void load_weights(out WeightFragment weights, uint unit) { weights = unit + lane_row() * WEIGHT_PITCH; }
void load_tokens(out TokenFragment tokens, uint unit) { tokens = unit + lane_token() * PITCH; }
void multiply_add(inout Sums sums, WeightFragment weights, TokenFragment tokens) {
  [[dont_unroll]] for (uint part = 0; part < 2; part++) {  // 8 columns each
    uvec4 w[OWN_ROWS];
    [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) w[r] = weight_tile[weights + r * LANE_ROWS * WEIGHT_PITCH + part];
    [[unroll]] for (uint t = 0; t < OWN_TOKENS; t++) {
      uvec4 x = token_tile[tokens + t * LANE_TOKENS * PITCH + part];
      [[unroll]] for (uint k = 0; k < 4; k++) {
        vec2 pair = unpackHalf2x16(x[k]);
        [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
          sums.v[r * OWN_TOKENS + t] += dot(unpackHalf2x16(w[r][k]), pair);
      }
    }
  }
}
void store_sums(Sums sums, uint first) {
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
    [[unroll]] for (uint t = 0; t < OWN_TOKENS; t++) {
      uint row = lane_row() + r * LANE_ROWS, token = lane_token() + t * LANE_TOKENS;
      stage[first + token * kFragment + row] = sums.v[r * OWN_TOKENS + t];
    }
}
#endif

#endif
