// Fragments of a matrix tile in shared memory: 16 rows of weights x 16 tokens x 16 columns, one fragment a subgroup.
// MATRIX_KHR: on matrix cores (GL_KHR_cooperative_matrix). MATRIX_PLAIN: in registers, for devices without; a lane then
// holds the same few rows and tokens of every fragment and reads its operands straight from shared memory.
// Halves are multiplied exactly and summed as float in both; the order within 16 columns is the device's in the first.
//
// Expects LANES (size of a subgroup), WEIGHT_UNITS, TOKEN_UNITS and STAGE_FLOATS: sizes of the shared arrays, in units of
// eight halves. STORED_PAIRS keeps a unit as four pairs of halves instead of four words.
#ifndef FOVEA_MATRIX_TILE_GLSL
#define FOVEA_MATRIX_TILE_GLSL

// Rows of 32 halves (4 units), kPitch units apart: eight consecutive rows begin in different banks.
const uint kPitch = 5u, kFragment = 16u;
shared float stage[STAGE_FLOATS];
#if STORED_PAIRS
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
const uint kUnit = 4u;  // array elements of a unit
shared f16vec2 weight_tile[WEIGHT_UNITS * kUnit];
shared f16vec2 token_tile[TOKEN_UNITS * kUnit];
#define PUT_UNIT(tile, unit, words)                                       \
  [[unroll]] for (uint pair = 0; pair < kUnit; pair++)                    \
    tile[(unit) * kUnit + pair] = unpackFloat2x16((words)[pair]);
#else
const uint kUnit = 1u;
shared uvec4 weight_tile[WEIGHT_UNITS];
shared uvec4 token_tile[TOKEN_UNITS];
#define PUT_UNIT(tile, unit, words) tile[unit] = words;
#endif
void put_weights(uint unit, uvec4 words) { PUT_UNIT(weight_tile, unit, words) }
void put_tokens(uint unit, uvec4 words) { PUT_UNIT(token_tile, unit, words) }

#if MATRIX_KHR
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#define COLUMN_LOOP [[unroll]]
#define Sums coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define WeightFragment coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define TokenFragment coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>

void clear(out Sums sums) { sums = Sums(0.0); }
// `unit`: of the fragment's first row, first column.
void load_weights(out WeightFragment weights, uint unit) {
  coopMatLoad(weights, weight_tile, unit * kUnit, kPitch * kUnit, gl_CooperativeMatrixLayoutRowMajor);
}
void load_tokens(out TokenFragment tokens, uint unit) {
  coopMatLoad(tokens, token_tile, unit * kUnit, kPitch * kUnit, gl_CooperativeMatrixLayoutColumnMajor);
}
void multiply_add(inout Sums sums, WeightFragment weights, TokenFragment tokens) {
  sums = coopMatMulAdd(weights, tokens, sums);
}
void swiglu(inout Sums gate, Sums up) {
  [[unroll]] for (uint i = 0; i < gate.length(); i++) gate[i] = gate[i] / (1.0 + exp(-gate[i])) * up[i];
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
struct Sums { float v[OWN_ROWS * OWN_TOKENS]; };
#define WeightFragment uint
#define TokenFragment uint

uint lane_row() { return gl_SubgroupInvocationID / LANE_TOKENS; }
uint lane_token() { return gl_SubgroupInvocationID % LANE_TOKENS; }

void clear(out Sums sums) { [[unroll]] for (uint i = 0; i < OWN_ROWS * OWN_TOKENS; i++) sums.v[i] = 0.0; }
void load_weights(out WeightFragment weights, uint unit) { weights = unit + lane_row() * kPitch; }
void load_tokens(out TokenFragment tokens, uint unit) { tokens = unit + lane_token() * kPitch; }
void multiply_add(inout Sums sums, WeightFragment weights, TokenFragment tokens) {
  [[dont_unroll]] for (uint part = 0; part < 2; part++) {  // 8 columns each
    uvec4 w[OWN_ROWS];
    [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) w[r] = weight_tile[weights + r * LANE_ROWS * kPitch + part];
    [[unroll]] for (uint t = 0; t < OWN_TOKENS; t++) {
      uvec4 x = token_tile[tokens + t * LANE_TOKENS * kPitch + part];
      [[unroll]] for (uint k = 0; k < 4; k++) {
        vec2 pair = unpackHalf2x16(x[k]);
        [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
          sums.v[r * OWN_TOKENS + t] += dot(unpackHalf2x16(w[r][k]), pair);
      }
    }
  }
}
void swiglu(inout Sums gate, Sums up) {
  [[unroll]] for (uint i = 0; i < OWN_ROWS * OWN_TOKENS; i++) gate.v[i] = gate.v[i] / (1.0 + exp(-gate.v[i])) * up.v[i];
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
