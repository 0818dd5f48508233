// Attention of one query position: one subgroup per KV head and split of the key range; all query heads that share the
// KV head are computed together, so that keys and values are read once. Lane = key for scores, lane = cell of
// consecutive dimensions for the values: the two or four that a word of the cache holds. Writes unnormalised sums with
// their maximum and weight for attention_combine, or, where one split holds all keys, the output itself. The form of
// CPU drivers for all caches and heads that attention_token does not take; GPUs take rope_attention. Twin: engine/reference/attention.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint GROUP = 4;      // query heads per KV head
layout(constant_id = 3) const uint LANES = 8;      // subgroup size
layout(constant_id = 4) const bool WHOLE = false;  // one split: writes the finished output, nothing is combined after

layout(push_constant, scalar) uniform Push { AttentionPush p; };

const float kMinusInfinity = -3.0e38;
#if KV_F16
#define cell vec2
const uint kCell = 2;
#elif KV_Q8_0
#define cell vec4
const uint kCell = 4;
const uint PIECES = (HEAD_WIDTH + kKvPiece - 1) / kKvPiece, BLOCKS = (HEAD_WIDTH + kKvBlock - 1) / kKvBlock;

// Dimensions d .. d + 3 of a query, d a multiple of 4. Past the head's end the quants are zeros, and any number will do.
vec4 query_cell(uint64_t query, uint d) {
  if (HEAD_WIDTH % kKvPiece == 0u) return Float4s(query).v[d / 4u];
  uvec4 at = min(uvec4(d, d + 1u, d + 2u, d + 3u), HEAD_WIDTH - 1u);
  Floats all = Floats(query);
  return vec4(all.v[at.x], all.v[at.y], all.v[at.z], all.v[at.w]);
}
#endif
#if KV_TIERED
const bool kStepInPage = LANES <= kPageKeys;  // a step's keys are of one page

// Scores of a far page's key, as far as `units` of it.
void add_far_scores(TierPage page, uint kv_head, uint key, uint units, uint64_t queries, inout vec2 s[GROUP]) {
  uint wide = units > 0u ? wide_bits(page, p.kv_heads, kv_head, HEAD_WIDTH) : 0u;
  Floats query = Floats(queries);
  [[dont_unroll]] for (uint unit = 0; unit < units; unit++) {
    FarUnit codes = far_unit(page, wide, p.kv_heads, kv_head, key, HEAD_WIDTH, unit);
    [[unroll]] for (uint j = 0; j < 2; j++) {
      uint d = unit * kFarUnit + 4u * j;
      FarScale scale = far_scale(page, p.kv_heads, kv_head, HEAD_WIDTH, d);
      vec4 k = scale.low + scale.unit * (codes_of(codes.word, codes.lower, j) + codes.bias);
      // Past the head's end keys are zero, and any number will do.
      uvec4 from = HEAD_WIDTH % kFarUnit == 0u ? d + uvec4(0, 1, 2, 3) : min(d + uvec4(0, 1, 2, 3), uvec4(HEAD_WIDTH - 1u));
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        const uint row = g * HEAD_WIDTH;
        s[g] += vec2(query.v[row + from.x], query.v[row + from.y]) * k.xy + vec2(query.v[row + from.z], query.v[row + from.w]) * k.zw;
      }
    }
  }
}

// Dimensions 2 at and 2 at + 1 of a value over their peak.
vec2 far_cell(TierPage page, uint kv_head, uint key, uint at) {
  uint unit = at / 4u, word = far_word(page.codes, far_value(p.kv_heads, kv_head, key, HEAD_WIDTH) + unit * 4u);
  vec4 of_half = far_values(page, codes_of(word, refined_word(page, kv_head, key, HEAD_WIDTH, unit), at % 4u / 2u));
  return at % 2u == 0u ? of_half.xy : of_half.zw;
}
#endif
const uint ROW_CELLS = (HEAD_WIDTH + kCell - 1) / kCell;
const uint CELLS = (ROW_CELLS + LANES - 1) / LANES;  // per lane

void main() {
  uint kv_head = gl_WorkGroupID.x, split = gl_WorkGroupID.y, splits = gl_NumWorkGroups.y, lane = gl_SubgroupInvocationID;
  KeyTable table = key_table(p.pages, p.listed_keys, p.table_stride, kv_head, State(p.state).s.position + 1u);
  KeyRange range = split_range(table.keys, split, splits, 1u);
  uint first = range.first, end = range.end;
  uint64_t queries = p.query + uint64_t(kv_head * GROUP * HEAD_WIDTH) * 4ul;
#if KV_F16
  uint values = value_offset(p.kv_heads, HEAD_WIDTH);
  Floats query = Floats(queries);
#endif

  cell acc[GROUP * CELLS];
  float maximum[GROUP], sum[GROUP];
  [[unroll]] for (uint i = 0; i < GROUP * CELLS; i++) acc[i] = cell(0.0);
  [[unroll]] for (uint g = 0; g < GROUP; g++) { maximum[g] = kMinusInfinity; sum[g] = 0.0; }

  [[dont_unroll]] for (uint base = first; base < end; base += LANES) {
    uint key = base + lane;
    bool real = key < end;
#if KV_TIERED
    TierPage page = tier_page(table.pages, p.layer_offset, min(kStepInPage ? base : key, end - 1u), p.kv_heads, HEAD_WIDTH);
    Uints k = Uints(page.at + uint64_t(key_offset(kv_head, min(key, end - 1u), HEAD_WIDTH)));
#elif KV_F16
    Uints k = Uints(key_address(table.pages, p.layer_offset, kv_head, min(key, end - 1u), HEAD_WIDTH));
#endif
#if KV_F16
    vec2 s[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] = vec2(0.0);
#if KV_TIERED
    // Loops of no turns, since CPU drivers pass over those, and not over branches.
    const uint own_halves = page.is_far ? 0u : HEAD_WIDTH / 2, own_units = page.is_far ? far_units(HEAD_WIDTH) : 0u;
    add_far_scores(page, kv_head, min(key, end - 1u), own_units, queries, s);
    [[dont_unroll]] for (uint d = 0; d < own_halves; d++) {
#else
    [[dont_unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) {
#endif
      vec2 kd = unpackHalf2x16(k.v[d]);
      [[unroll]] for (uint g = 0; g < GROUP; g++)
        s[g] += vec2(query.v[g * HEAD_WIDTH + 2 * d], query.v[g * HEAD_WIDTH + 2 * d + 1]) * kd;
    }
#elif KV_Q8_0
    uint at = min(key, end - 1u);
    uint64_t layer = layer_address(table.pages, p.layer_offset, at);
    uint64_t quants = layer + uint64_t(key_quants(kv_head, at, HEAD_WIDTH));
    uint64_t scales = layer + uint64_t(key_scales(p.kv_heads, kv_head, at, HEAD_WIDTH));
    vec2 s[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] = vec2(0.0);
    [[dont_unroll]] for (uint piece = 0; piece < PIECES; piece++) {
      float scale = scale_at(scales + uint64_t(piece * kKvPiece / kKvBlock * kKeyScaleStride));
      uvec4 words = Uint4s(quants + uint64_t(piece * kKeyPieceStride)).v[0];
      vec4 t[GROUP];
      [[unroll]] for (uint g = 0; g < GROUP; g++) t[g] = vec4(0.0);
      [[unroll]] for (uint j = 0; j < 4; j++) {
        vec4 kd = quants_of(words[j]);
        [[unroll]] for (uint g = 0; g < GROUP; g++)
          t[g] += query_cell(queries + uint64_t(g * HEAD_WIDTH) * 4ul, piece * kKvPiece + 4u * j) * kd;
      }
      [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] += scale * (t[g].xy + t[g].zw);
    }
#endif
    float weight[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) {
      float score = real ? (s[g].x + s[g].y) * p.scale : kMinusInfinity;
      float highest = max(maximum[g], subgroupMax(score));
      float shrink = exp(maximum[g] - highest);
      maximum[g] = highest;
      weight[g] = real ? exp(score - highest) : 0.0;
      sum[g] = sum[g] * shrink + subgroupAdd(weight[g]);
      [[unroll]] for (uint c = 0; c < CELLS; c++) acc[g * CELLS + c] *= shrink;
    }
    uint count = min(LANES, end - base);
#if KV_TIERED
    TierPage value_page = page;
    const uint turns = kStepInPage && page.is_far ? 0u : count, far_turns = kStepInPage && !page.is_far ? 0u : count;
    [[dont_unroll]] for (uint i = 0; i < far_turns; i++) {
      if (!kStepInPage) {
        value_page = tier_page(table.pages, p.layer_offset, base + i, p.kv_heads, HEAD_WIDTH);
        if (!value_page.is_far) continue;
      }
      uint64_t peaks = value_page.at + uint64_t(far_peaks(p.kv_heads, kv_head, base + i, HEAD_WIDTH));
      [[unroll]] for (uint c = 0; c < CELLS; c++) {
        uint at = min(lane + c * LANES, ROW_CELLS - 1u), block = (LANES <= 16u ? c * LANES : at) * 2u / kKvBlock;
        vec2 vd = peak_at(peaks + uint64_t(block * 2u)) * far_cell(value_page, kv_head, base + i, at);
        [[unroll]] for (uint g = 0; g < GROUP; g++) acc[g * CELLS + c] += subgroupShuffle(weight[g], i) * vd;
      }
    }
    [[dont_unroll]] for (uint i = 0; i < turns; i++) {
      if (!kStepInPage) {
        value_page = tier_page(table.pages, p.layer_offset, base + i, p.kv_heads, HEAD_WIDTH);
        if (value_page.is_far) continue;
      }
      Uints v = Uints(value_page.at + uint64_t(values + key_offset(kv_head, base + i, HEAD_WIDTH)));
#else
    [[dont_unroll]] for (uint i = 0; i < count; i++) {
#endif
#if KV_TIERED
#elif KV_F16
      Uints v = Uints(key_address(table.pages, p.layer_offset, kv_head, base + i, HEAD_WIDTH) + uint64_t(values));
#elif KV_Q8_0
      uint64_t v_layer = layer_address(table.pages, p.layer_offset, base + i);
      Uints v = Uints(v_layer + uint64_t(value_quants(p.kv_heads, kv_head, base + i, HEAD_WIDTH)));
      uint64_t v_scales = v_layer + uint64_t(value_scales(p.kv_heads, kv_head, base + i, HEAD_WIDTH));
#endif
      [[unroll]] for (uint c = 0; c < CELLS; c++) {
        uint at = min(lane + c * LANES, ROW_CELLS - 1u);
#if KV_F16
        cell vd = unpackHalf2x16(v.v[at]);
#elif KV_Q8_0
        // Up to 8 lanes stay within one block, which makes its scale uniform.
        uint block = (LANES <= 8u ? c * LANES : at) * 4u / kKvBlock;
        cell vd = scale_at(v_scales + uint64_t(block * 2u)) * quants_of(v.v[at]);
#endif
        [[unroll]] for (uint g = 0; g < GROUP; g++) acc[g * CELLS + c] += subgroupShuffle(weight[g], i) * vd;
      }
    }
  }

  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    uint slot = (kv_head * GROUP + g) * splits + split;
    float share = WHOLE ? 1.0 / sum[g] : 1.0;
    if (!WHOLE && lane == 0u) {
      Floats(p.partial).v[2u * slot] = maximum[g];
      Floats(p.partial).v[2u * slot + 1u] = sum[g];
    }
    if (WHOLE && p.sums != 0ul && lane == 0u) {
      Floats(p.sums).v[slot * kRowSums] = maximum[g];
      Floats(p.sums).v[slot * kRowSums + kRowSum] = sum[g];
    }
    Floats y = Floats(p.y + uint64_t(slot * HEAD_WIDTH) * 4ul);
    [[unroll]] for (uint c = 0; c < CELLS; c++) {
      uint d = (lane + c * LANES) * kCell;
      if (d < HEAD_WIDTH) {
        y.v[d] = acc[g * CELLS + c].x * share;
        y.v[d + 1u] = acc[g * CELLS + c].y * share;
      }
#if KV_Q8_0
      if (d + 2u < HEAD_WIDTH) {  // heads are even
        y.v[d + 2u] = acc[g * CELLS + c].z * share;
        y.v[d + 3u] = acc[g * CELLS + c].w * share;
      }
#endif
    }
  }
}
