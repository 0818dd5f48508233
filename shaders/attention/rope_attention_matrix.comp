// As rope_attention, but that scores and values are products of matrices: sixteen queries, of which GROUP are real, times
// two pages of keys at a time. MATRIX_KHR: on matrix cores (GL_KHR_cooperative_matrix). MATRIX_PLAIN: the same without, for
// tests. For caches of f16; queries and softmax weights are rounded to halves, products are exact, sums are float.
//
// A workgroup of 128 invocations brings two pages' keys to shared memory, their values are under way meanwhile; subgroups take
// 16 keys each for the scores and 16 dimensions each for the values. Eight invocations share a query's softmax.
// Twins: rope_store and attention_decode.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_clustered : require

layout(local_size_x_id = 0) in;  // kInvocations
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // a multiple of 16
layout(constant_id = 2) const uint ROPE_WIDTH = 64;
layout(constant_id = 3) const bool HALVES = true;
layout(constant_id = 4) const uint NORM = 0;
layout(constant_id = 5) const uint GROUP = 4;        // query heads of a KV head, at most 16
layout(constant_id = 6) const uint LANES = 32;       // subgroup size, 8 and more
layout(constant_id = 7) const uint SUBGROUPS = 4;
layout(constant_id = 8) const uint SPLITS = 1;
layout(constant_id = 9) const uint LEAST_PAGES = 1;  // of a split
layout(constant_id = 10) const bool ROUNDED = false; // output in 8 bits; HEAD_WIDTH is a multiple of 32

#include "shaders/include/kv_store.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"

layout(push_constant, scalar) uniform Push { RopeAttentionPush p; };

const float kMinusInfinity = -3.0e38;
const uint kInvocations = 128u, kFragment = 16u, kStep = 2u * kPageKeys;  // keys at a time
// Rows of halves in shared memory, in units of eight; eight consecutive rows begin in different banks.
const uint UNITS = HEAD_WIDTH / 8u, kPitch = UNITS + 1u, kWeightPitch = kStep / 8u + 1u;
const uint kScorePitch = kStep + 4u;  // floats of a query's scores
const uint kStage = kFragment * (HEAD_WIDTH > kScorePitch ? HEAD_WIDTH : kScorePitch);
const uint kPerInvocation = (kStep * UNITS + kInvocations - 1u) / kInvocations;  // units of a step
const uint FRAGMENTS = HEAD_WIDTH / kFragment, OWN_FRAGMENTS = (FRAGMENTS + SUBGROUPS - 1u) / SUBGROUPS;

shared uvec4 query_tile[kFragment * kPitch];  // (query, dimension)
const uint kTile = kStep * kPitch, kSums = SUBGROUPS * GROUP * HEAD_WIDTH / 4u;
shared uvec4 kv_tile[kTile > kSums ? kTile : kSums];  // (key, dimension), of keys or values; then sums of splits
shared uvec4 weight_tile[kFragment * kWeightPitch];  // (query, key)
shared float stage[kStage];                   // queries, scores (query, key), then outputs (query, dimension)
shared float shrink_tile[kFragment * kFragment];     // of a query, in its whole row
shared float maxima[kFragment], sums[kFragment];

void put_query(uint g, uint d, float x) { stage[g * HEAD_WIDTH + d] = x; }
#include "shaders/include/newest_token.glsl"
void put_sum(uint i, vec4 x) { kv_tile[i] = floatBitsToUint(x); }
vec4 sum_at(uint i) { return uintBitsToFloat(kv_tile[i]); }
#include "shaders/include/split_sums.glsl"

#if MATRIX_KHR
#extension GL_KHR_cooperative_matrix : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define Sums coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
#define Left coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define Right coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>

void clear(out Sums sums) { sums = Sums(0.0); }
// (key, query): 16 keys from `key` on.
void add_scores(inout Sums scores, uint key, uint unit) {
  Left keys;
  Right queries;
  coopMatLoad(keys, kv_tile, key * kPitch + unit, kPitch, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(queries, query_tile, unit, kPitch, gl_CooperativeMatrixLayoutColumnMajor);
  scores = coopMatMulAdd(keys, queries, scores);
}
void store_scores(Sums scores, uint key) {
  coopMatStore(scores, stage, key, kScorePitch, gl_CooperativeMatrixLayoutColumnMajor);
}
// (query, dimension): 16 dimensions from unit on.
void add_values(inout Sums y, uint key, uint unit) {
  Left weights;
  Right values;
  coopMatLoad(weights, weight_tile, key / 8u, kWeightPitch, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(values, kv_tile, key * kPitch + unit, kPitch, gl_CooperativeMatrixLayoutRowMajor);
  y = coopMatMulAdd(weights, values, y);
}
void shrink(inout Sums y) {
  Sums factors;
  coopMatLoad(factors, shrink_tile, 0, kFragment, gl_CooperativeMatrixLayoutRowMajor);
  [[unroll]] for (uint i = 0; i < y.length(); i++) y[i] *= factors[i];
}
void store_outputs(Sums y, uint dimension) {
  coopMatStore(y, stage, dimension, HEAD_WIDTH, gl_CooperativeMatrixLayoutRowMajor);
}
#else
const uint kOwn = kFragment * kFragment / LANES;  // elements of a lane
struct Sums { float v[kOwn]; };
#define ROW(i) ((gl_SubgroupInvocationID + (i) * LANES) / kFragment)
#define COLUMN(i) ((gl_SubgroupInvocationID + (i) * LANES) % kFragment)
#define HALF(tile, row_unit, column) unpackHalf2x16(tile[(row_unit) + (column) / 8u][(column) % 8u / 2u])[(column) % 2u]

void clear(out Sums sums) { [[unroll]] for (uint i = 0; i < kOwn; i++) sums.v[i] = 0.0; }
void add_scores(inout Sums scores, uint key, uint unit) {
  [[unroll]] for (uint i = 0; i < kOwn; i++)
    [[dont_unroll]] for (uint k = 0; k < kFragment; k++)
      scores.v[i] += HALF(kv_tile, (key + ROW(i)) * kPitch + unit, k) * HALF(query_tile, COLUMN(i) * kPitch + unit, k);
}
void store_scores(Sums scores, uint key) {
  [[unroll]] for (uint i = 0; i < kOwn; i++) stage[COLUMN(i) * kScorePitch + key + ROW(i)] = scores.v[i];
}
void add_values(inout Sums y, uint key, uint unit) {
  [[unroll]] for (uint i = 0; i < kOwn; i++)
    [[dont_unroll]] for (uint k = 0; k < kFragment; k++)
      y.v[i] += HALF(weight_tile, ROW(i) * kWeightPitch + key / 8u, k) * HALF(kv_tile, (key + k) * kPitch + unit, COLUMN(i));
}
void shrink(inout Sums y) { [[unroll]] for (uint i = 0; i < kOwn; i++) y.v[i] *= shrink_tile[ROW(i) * kFragment + COLUMN(i)]; }
void store_outputs(Sums y, uint dimension) {
  [[unroll]] for (uint i = 0; i < kOwn; i++) stage[ROW(i) * HEAD_WIDTH + dimension + COLUMN(i)] = y.v[i];
}
#endif

// Halves of shared memory's queries; zeros for those that there are not.
void pack_queries() {
  for (uint i = gl_LocalInvocationID.x; i < kFragment * UNITS; i += kInvocations) {
    uint g = i / UNITS, unit = i % UNITS, at = g * HEAD_WIDTH + unit * 8u;
    uvec4 packed = uvec4(0u);
    if (g < GROUP)
      [[unroll]] for (uint j = 0; j < 4; j++) packed[j] = packHalf2x16(vec2(stage[at + 2u * j], stage[at + 2u * j + 1u]));
    query_tile[g * kPitch + unit] = packed;
  }
}

// Keys or values of two pages, `offset` behind this layer's part of them.
void bring(uint64_t first, uint64_t second, uint64_t offset, out uvec4 units[kPerInvocation]) {
  [[unroll]] for (uint n = 0; n < kPerInvocation; n++) {
    uint i = min(gl_LocalInvocationID.x + n * kInvocations, kStep * UNITS - 1u);
    units[n] = Uint4s((i < kPageKeys * UNITS ? first : second) + offset).v[i % (kPageKeys * UNITS)];
  }
}
// Of keys behind the last zeros: what lies there may be anything.
void put(uvec4 units[kPerInvocation], uint count) {
  [[unroll]] for (uint n = 0; n < kPerInvocation; n++) {
    uint i = gl_LocalInvocationID.x + n * kInvocations, key = i / UNITS;
    if (key < kStep) kv_tile[key * kPitch + i % UNITS] = key < count ? units[n] : uvec4(0u);
  }
}

void main() {
  uint kv_head = gl_WorkGroupID.x, split = gl_WorkGroupID.y;
  uint position = State(p.state).s.position, keys = position + 1u;
  KeyRange range = split_range(keys, split, SPLITS, LEAST_PAGES);
  if (range.first >= range.end) return;
  uint used = splits_used(keys, SPLITS, LEAST_PAGES);
  uint64_t head_keys = uint64_t(key_offset(kv_head, 0u, HEAD_WIDTH)), head_values = head_keys + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH));
  uint64_t first = layer_address(p.pages, p.layer_offset, range.first),
           second = layer_address(p.pages, p.layer_offset, min(range.first + kPageKeys, range.end - 1u));
  prepare(kv_head, position, range.end == keys, split == 0u && p.query != 0ul);
  uvec4 k[kPerInvocation], v[kPerInvocation];
  bring(first, second, head_keys, k);
  pack_queries();

  uint query = gl_LocalInvocationID.x / 8u, part = gl_LocalInvocationID.x % 8u;  // of the softmax: keys 8 part ..
  float maximum = kMinusInfinity, sum = 0.0;                                     // of the query; of this part
  Sums y[OWN_FRAGMENTS];
  [[unroll]] for (uint f = 0; f < OWN_FRAGMENTS; f++) clear(y[f]);

  [[dont_unroll]] for (uint base = range.first; base < range.end; base += kStep) {
    uint count = min(kStep, range.end - base);
    uint64_t next_first = layer_address(p.pages, p.layer_offset, min(base + kStep, range.end - 1u)),
             next_second = layer_address(p.pages, p.layer_offset, min(base + kStep + kPageKeys, range.end - 1u));
    put(k, count);
    barrier();
    bring(first, second, head_values, v);
    for (uint key = gl_SubgroupID * kFragment; key < kStep; key += SUBGROUPS * kFragment) {
      Sums scores;
      clear(scores);
      [[unroll]] for (uint f = 0; f < FRAGMENTS; f++) add_scores(scores, key, 2u * f);
      store_scores(scores, key);
    }
    barrier();
    put(v, count);
    float score[8], highest = maximum;
    [[unroll]] for (uint i = 0; i < 8; i++) {
      uint key = part * 8u + i;
      score[i] = key < count ? stage[query * kScorePitch + key] * p.scale : kMinusInfinity;
      highest = max(highest, score[i]);
    }
    highest = subgroupClusteredMax(highest, 8);
    float factor = exp(maximum - highest);
    maximum = highest;
    sum *= factor;
    uvec4 weights;
    [[unroll]] for (uint i = 0; i < 8; i += 2) {
      vec2 pair = vec2(part * 8u + i < count ? exp(score[i] - highest) : 0.0, part * 8u + i + 1u < count ? exp(score[i + 1] - highest) : 0.0);
      weights[i / 2] = packHalf2x16(pair);
      pair = unpackHalf2x16(weights[i / 2]);  // what is summed is what values are multiplied with
      sum += pair.x + pair.y;
    }
    weight_tile[query * kWeightPitch + part] = weights;
    shrink_tile[query * kFragment + part] = factor;
    shrink_tile[query * kFragment + part + 8u] = factor;
    barrier();
    bring(next_first, next_second, head_keys, k);
    [[unroll]] for (uint f = 0; f < OWN_FRAGMENTS; f++) {
      uint fragment = gl_SubgroupID + f * SUBGROUPS;
      if (fragment < FRAGMENTS) {
        shrink(y[f]);
        [[unroll]] for (uint key = 0; key < kStep; key += kFragment) add_values(y[f], key, 2u * fragment);
      }
    }
    barrier();
    first = next_first;
    second = next_second;
  }

  [[unroll]] for (uint f = 0; f < OWN_FRAGMENTS; f++)
    if (gl_SubgroupID + f * SUBGROUPS < FRAGMENTS) store_outputs(y[f], (gl_SubgroupID + f * SUBGROUPS) * kFragment);
  sum = subgroupClusteredAdd(sum, 8);
  if (part == 0u) {
    maxima[query] = maximum;
    sums[query] = sum;
  }
  barrier();
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < GROUP * kVectors; i += kInvocations) {
    uint g = i / kVectors, at = g * HEAD_WIDTH + i % kVectors * 4u;
    leave(g, i % kVectors, vec4(stage[at], stage[at + 1u], stage[at + 2u], stage[at + 3u]), maxima[g], sums[g], split, used);
  }
  finish(used);
}
