// Fragments of an attention tile: 16 queries x 16 keys or 16 dimensions, one fragment a subgroup. Operands are halves,
// products of halves are exact, sums are float.
// MATRIX_KHR: on matrix cores (GL_KHR_cooperative_matrix). Which lane holds which element is the device's own, so what
//   needs a row's elements together (its maximum, its sum, weights as an operand) goes through shared memory.
// MATRIX_NV2: the same with GL_NV_cooperative_matrix2, which reduces rows and turns sums into operands in registers.
// MATRIX_PLAIN: in registers, for devices without; a lane holds the same few rows and columns of every fragment and reads
//   its operands straight from shared memory.
// In all of them elements of two fragments of sums at one index belong to the same row and column.
//
// Expects LANES, SUBGROUPS, BLOCK_KEYS, PITCH (units of eight halves from one key, value or query in `tile` to the next;
// odd, so that eight consecutive rows begin in different banks) and TILE_UNITS.
#ifndef FOVEA_ATTENTION_FRAGMENTS_GLSL
#define FOVEA_ATTENTION_FRAGMENTS_GLSL

const uint kFragment = 16u;
// Where rows of a fragment are written to: row r is the (r % period)-th of `rows` tokens, `stride` numbers apart, of the
// (r / period)-th of `heads`, `step` numbers apart.
struct RowPlaces { uint period, rows, stride, heads, step; };
bool is_written(RowPlaces places, uint row) { return row % places.period < places.rows && row / places.period < places.heads; }
uint offset_of(RowPlaces places, uint row) { return row % places.period * places.stride + row / places.period * places.step; }
shared uvec4 tile[TILE_UNITS];  // keys, values, queries

#if MATRIX_KHR || MATRIX_NV2
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#define Sums coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define HalfSums coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define Left coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define Right coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define AT(sums, i) (sums)[i]
#define EACH(i, sums) [[unroll]] for (uint i = 0; i < (sums).length(); i++)
#define FRAGMENT_LOOP [[unroll]]

// 16 x 16 floats of each subgroup, rows kStagePitch units of four apart: five spreads rows over the banks, four saves room
// where little goes through here.
#if MATRIX_NV2
const uint kStagePitch = 4u;
#else
const uint kStagePitch = 5u;
#endif
const uint kStageUnits = kFragment * kStagePitch;
shared vec4 stage[SUBGROUPS * kStageUnits];
uint stage_base() { return gl_SubgroupID * kStageUnits; }

void clear(out Sums sums) { sums = Sums(0.0); }
void load_queries(out Left queries, uint unit) {
  coopMatLoad(queries, tile, unit, PITCH, gl_CooperativeMatrixLayoutRowMajor);
}
void load_keys(out Right keys, uint unit) {
  coopMatLoad(keys, tile, unit, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
}
void load_values(out Right values, uint unit) {
  coopMatLoad(values, tile, unit, PITCH, gl_CooperativeMatrixLayoutRowMajor);
}
void add_scores(inout Sums scores, Left queries, Right keys) { scores = coopMatMulAdd(queries, keys, scores); }
void add_values(inout Sums sums, Left weights, Right values) { sums = coopMatMulAdd(weights, values, sums); }

// Every element becomes its column less its row, which counts from 0 again after every `period`.
void load_slant(out Sums slant, uint period) {
  [[unroll]] for (uint e = gl_SubgroupInvocationID; e < kFragment * 4u; e += LANES)
    stage[stage_base() + e / 4u * kStagePitch + e % 4u] = vec4(0, 1, 2, 3) + (float(e % 4u * 4u) - float(e / 4u % period));
  subgroupBarrier();
  coopMatLoad(slant, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor);
  subgroupBarrier();
}

// Every element becomes its column.
void load_columns(out Sums columns) {
  [[unroll]] for (uint e = gl_SubgroupInvocationID; e < kFragment * 4u; e += LANES)
    stage[stage_base() + e / 4u * kStagePitch + e % 4u] = vec4(0, 1, 2, 3) + float(e % 4u * 4u);
  subgroupBarrier();
  coopMatLoad(columns, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor);
  subgroupBarrier();
}

// All of it as halves to `tile`, rows PITCH units apart.
void store_halves(Sums sums, uint unit) { coopMatStore(HalfSums(sums), tile, unit, PITCH, gl_CooperativeMatrixLayoutRowMajor); }
// Of this subgroup's rows the maxima and totals, which all columns hold, for row_state behind a barrier.
void keep_rows(Sums maxima, Sums totals) {
  Sums both;
  load_columns(both);
  EACH(i, both) AT(both, i) = AT(both, i) < 8.0 ? AT(maxima, i) : AT(totals, i);
  coopMatStore(both, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor);
}
vec2 row_state(uint subgroup, uint row) {
  uint at = subgroup * kStageUnits + row * kStagePitch;
  return vec2(stage[at].x, stage[at + 2u].x);
}

// Rows to their places from y on.
void write_sums(Sums sums, uint64_t y, RowPlaces places) {
  coopMatStore(sums, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor);
  subgroupBarrier();
  [[unroll]] for (uint e = gl_SubgroupInvocationID; e < kFragment * 4u; e += LANES)
    if (is_written(places, e / 4u))
      Float4s(y + uint64_t(offset_of(places, e / 4u) + e % 4u * 4u) * 4ul).v[0] = stage[stage_base() + e / 4u * kStagePitch + e % 4u];
  subgroupBarrier();
}
// The same as halves; beyond 65504 they are taken as that.
void write_halves(Sums sums, uint64_t y, RowPlaces places) {
  coopMatStore(sums, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor);
  subgroupBarrier();
  [[unroll]] for (uint e = gl_SubgroupInvocationID; e < kFragment * 4u; e += LANES)
    if (is_written(places, e / 4u)) {
      vec4 v = clamp(stage[stage_base() + e / 4u * kStagePitch + e % 4u], vec4(-65504.0), vec4(65504.0));
      Uint2s(y + uint64_t(offset_of(places, e / 4u) + e % 4u * 4u) * 2ul).v[0] = uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
    }
  subgroupBarrier();
}

#if MATRIX_NV2
#extension GL_NV_cooperative_matrix2 : require

float greater_of(const in float a, const in float b) { return max(a, b); }
float sum_of(const in float a, const in float b) { return a + b; }
void reduce_maxima(inout Sums sums) {
  Sums reduced;
  coopMatReduceNV(reduced, sums, gl_CooperativeMatrixReduceRowNV, greater_of);
  sums = reduced;
}
void reduce_totals(inout Sums sums) {
  Sums reduced;
  coopMatReduceNV(reduced, sums, gl_CooperativeMatrixReduceRowNV, sum_of);
  sums = reduced;
}
void keep_weights(out Left kept, Sums weights, uint fragment) { kept = Left(HalfSums(weights)); }
void load_weights(inout Left kept, uint fragment) {}

#else
#extension GL_KHR_shader_subgroup_shuffle : require
const uint kWeightPitch = BLOCK_KEYS / 8u + 1u;
shared uvec4 weight_tile[SUBGROUPS * kFragment * kWeightPitch];
shared float reduced[SUBGROUPS * kFragment];

// Lanes that share a row, and units of four that each takes.
const uint ROW_LANES = LANES / kFragment, ROW_UNITS = 4u / ROW_LANES;
#define REDUCE(sums, combine)                                                                                       \
  coopMatStore(sums, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor);                           \
  subgroupBarrier();                                                                                                  \
  uint row = gl_SubgroupInvocationID / ROW_LANES;                                                                     \
  uint at = stage_base() + row * kStagePitch + gl_SubgroupInvocationID % ROW_LANES * ROW_UNITS;                       \
  vec4 four = stage[at];                                                                                              \
  [[unroll]] for (uint i = 1; i < ROW_UNITS; i++) four = combine(four, stage[at + i]);                                \
  float all = combine(combine(four.x, four.y), combine(four.z, four.w));                                              \
  [[unroll]] for (uint lanes = 1; lanes < ROW_LANES; lanes *= 2u) all = combine(all, subgroupShuffleXor(all, lanes)); \
  reduced[gl_SubgroupID * kFragment + row] = all;                                                                     \
  subgroupBarrier();                                                                                                  \
  coopMatLoad(sums, reduced, gl_SubgroupID * kFragment, 0, gl_CooperativeMatrixLayoutColumnMajor);
// The next reduction writes `reduced` behind its first barrier, so no lane is still reading.

vec4 sum_of(vec4 a, vec4 b) { return a + b; }
float sum_of(float a, float b) { return a + b; }
void reduce_maxima(inout Sums sums) { REDUCE(sums, max) }
void reduce_totals(inout Sums sums) { REDUCE(sums, sum_of) }

// `fragment`: of the block's keys. A barrier comes between keeping and loading.
uint weight_unit(uint fragment) { return gl_SubgroupID * kFragment * kWeightPitch + fragment * 2u; }
void keep_weights(out Left kept, Sums weights, uint fragment) {
  coopMatStore(HalfSums(weights), weight_tile, weight_unit(fragment), kWeightPitch, gl_CooperativeMatrixLayoutRowMajor);
}
void load_weights(inout Left kept, uint fragment) {
  coopMatLoad(kept, weight_tile, weight_unit(fragment), kWeightPitch, gl_CooperativeMatrixLayoutRowMajor);
}
#endif

#else
#extension GL_KHR_shader_subgroup_shuffle : require
// Lanes share the fragment as LANE_ROWS x LANE_COLUMNS; a lane's rows are LANE_ROWS apart, its columns are neighbours.
const uint LANE_ROWS = LANES >= 64u ? 8u : LANES >= 16u ? 4u : 2u;
const uint LANE_COLUMNS = LANES / LANE_ROWS;
const uint OWN_ROWS = kFragment / LANE_ROWS, OWN_COLUMNS = kFragment / LANE_COLUMNS, OWN_PAIRS = OWN_COLUMNS / 2u;
const uint kWeightPitch = BLOCK_KEYS / 2u + 1u;  // words
shared uint weight_words[SUBGROUPS * kFragment * kWeightPitch];

struct Sums { float v[OWN_ROWS * OWN_COLUMNS]; };
#define Left uint
#define Right uint
#define AT(sums, i) (sums).v[i]
#define EACH(i, sums) [[unroll]] for (uint i = 0; i < OWN_ROWS * OWN_COLUMNS; i++)
#define FRAGMENT_LOOP [[dont_unroll]]  // there is enough to do within a fragment

uint lane_row() { return gl_SubgroupInvocationID / LANE_COLUMNS; }
uint lane_column() { return gl_SubgroupInvocationID % LANE_COLUMNS * OWN_COLUMNS; }

void clear(out Sums sums) { EACH(i, sums) sums.v[i] = 0.0; }
void load_queries(out Left queries, uint unit) { queries = unit + lane_row() * PITCH; }
void load_keys(out Right keys, uint unit) { keys = unit + lane_column() * PITCH; }
void load_values(out Right values, uint unit) { values = unit; }
void add_scores(inout Sums scores, Left queries, Right keys) {
  [[dont_unroll]] for (uint part = 0; part < 2; part++) {  // 8 dimensions each
    uvec4 q[OWN_ROWS];
    [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) q[r] = tile[queries + r * LANE_ROWS * PITCH + part];
    [[unroll]] for (uint c = 0; c < OWN_COLUMNS; c++) {
      uvec4 k = tile[keys + c * PITCH + part];
      [[unroll]] for (uint word = 0; word < 4; word++) {
        vec2 pair = unpackHalf2x16(k[word]);
        [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
          scores.v[r * OWN_COLUMNS + c] += dot(unpackHalf2x16(q[r][word]), pair);
      }
    }
  }
}
void add_values(inout Sums sums, Left weights, Right values) {
  uint column = lane_column();
  [[dont_unroll]] for (uint pair = 0; pair < kFragment / 2u; pair++) {  // two keys each
    vec2 w[OWN_ROWS];
    [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
      w[r] = unpackHalf2x16(weight_words[weights + r * LANE_ROWS * kWeightPitch + pair]);
    uint at = values + 2u * pair * PITCH + column / 8u;
    [[unroll]] for (uint c = 0; c < OWN_PAIRS; c++) {
      uint word = column % 8u / 2u + c;
      vec2 even = unpackHalf2x16(tile[at][word]), odd = unpackHalf2x16(tile[at + PITCH][word]);
      [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) {
        sums.v[r * OWN_COLUMNS + 2u * c] += w[r].x * even.x + w[r].y * odd.x;
        sums.v[r * OWN_COLUMNS + 2u * c + 1u] += w[r].x * even.y + w[r].y * odd.y;
      }
    }
  }
}
void load_slant(out Sums slant, uint period) {
  EACH(i, slant)
    slant.v[i] = float(lane_column() + i % OWN_COLUMNS) - float((lane_row() + i / OWN_COLUMNS * LANE_ROWS) % period);
}
void load_columns(out Sums columns) { EACH(i, columns) columns.v[i] = float(lane_column() + i % OWN_COLUMNS); }
// The lanes of a row are neighbours, in a group of LANE_COLUMNS.
#define REDUCE(sums, combine)                                                                         \
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) {                                                    \
    float all = sums.v[r * OWN_COLUMNS];                                                              \
    [[unroll]] for (uint c = 1; c < OWN_COLUMNS; c++) all = combine(all, sums.v[r * OWN_COLUMNS + c]); \
    [[unroll]] for (uint lanes = 1; lanes < LANE_COLUMNS; lanes *= 2u)                                \
      all = combine(all, subgroupShuffleXor(all, lanes));                                             \
    [[unroll]] for (uint c = 0; c < OWN_COLUMNS; c++) sums.v[r * OWN_COLUMNS + c] = all;              \
  }
float sum_of(float a, float b) { return a + b; }
void reduce_maxima(inout Sums sums) { REDUCE(sums, max) }
void reduce_totals(inout Sums sums) { REDUCE(sums, sum_of) }

uint weight_word(uint fragment) {
  return (gl_SubgroupID * kFragment + lane_row()) * kWeightPitch + fragment * 8u;
}
void keep_weights(out Left kept, Sums weights, uint fragment) {
  kept = weight_word(fragment);
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
    [[unroll]] for (uint c = 0; c < OWN_PAIRS; c++)
      weight_words[kept + r * LANE_ROWS * kWeightPitch + lane_column() / 2u + c] =
          packHalf2x16(vec2(weights.v[r * OWN_COLUMNS + 2u * c], weights.v[r * OWN_COLUMNS + 2u * c + 1u]));
}
void load_weights(inout Left kept, uint fragment) { kept = weight_word(fragment); }
void store_halves(Sums sums, uint unit) {
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
    [[unroll]] for (uint c = 0; c < OWN_PAIRS; c++) {
      uint row = lane_row() + r * LANE_ROWS, word = lane_column() / 2u + c;
      tile[unit + row * PITCH + word / 4u][word % 4u] = packHalf2x16(vec2(sums.v[r * OWN_COLUMNS + 2u * c], sums.v[r * OWN_COLUMNS + 2u * c + 1u]));
    }
}
shared vec2 row_states[SUBGROUPS * kFragment];
void keep_rows(Sums maxima, Sums totals) {
  if (lane_column() != 0u) return;
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++)
    row_states[gl_SubgroupID * kFragment + lane_row() + r * LANE_ROWS] = vec2(maxima.v[r * OWN_COLUMNS], totals.v[r * OWN_COLUMNS]);
}
vec2 row_state(uint subgroup, uint row) { return row_states[subgroup * kFragment + row]; }
void write_sums(Sums sums, uint64_t y, RowPlaces places) {
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) {
    uint row = lane_row() + r * LANE_ROWS;
    if (!is_written(places, row)) continue;
    Floats to = Floats(y + uint64_t(offset_of(places, row) + lane_column()) * 4ul);
    [[unroll]] for (uint c = 0; c < OWN_COLUMNS; c++) to.v[c] = sums.v[r * OWN_COLUMNS + c];
  }
}
void write_halves(Sums sums, uint64_t y, RowPlaces places) {
  [[unroll]] for (uint r = 0; r < OWN_ROWS; r++) {
    uint row = lane_row() + r * LANE_ROWS;
    if (!is_written(places, row)) continue;
    Halves to = Halves(y + uint64_t(offset_of(places, row) + lane_column()) * 2ul);
    [[unroll]] for (uint c = 0; c < OWN_COLUMNS; c++)
      to.v[c] = uint16_t(packHalf2x16(vec2(clamp(sums.v[r * OWN_COLUMNS + c], -65504.0, 65504.0), 0.0)));
  }
}
#endif

#endif
