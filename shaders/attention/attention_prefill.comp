// Causal attention of a batch of queries over the KV cache, online softmax (Milakov & Gimelshein 2018; Dao et al. 2022).
// One invocation per query, one workgroup per query tile and head, or for tiles of fewer queries than lanes per several heads of a
// KV head; keys beyond the tile's last query are never visited.
// Keys and values are uniform over the workgroup, so they are loaded once for all its queries; those of a q8_0 cache
// are decoded by the lanes in turn and handed round. Twin: engine/reference/attention.
#version 460
#extension GL_GOOGLE_include_directive : require
#if KV_Q8_0
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/sparse_attention.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint LANES = 8;  // subgroup size, which is the workgroup's
layout(constant_id = 3) const uint ROWS = 8;   // queries of a workgroup: as many as lanes, or of a tile that shares a list
layout(constant_id = 4) const uint TILE = 16;  // queries that share a list
layout(constant_id = 5) const uint HEADS = 1;  // query heads of one KV head that a workgroup takes, ROWS lanes each

layout(push_constant, scalar) uniform Push { AttentionPush p; };

const float kMinusInfinity = -3.0e38;
const uint kKeys = 4;  // per step of the online softmax
#if KV_F16
#define cell vec2  // the dimensions that a word of the cache holds
const uint kCell = 2;
#elif KV_Q8_0
#define cell vec4
const uint kCell = 4;
const uint BLOCKS = (HEAD_WIDTH + kKvBlock - 1) / kKvBlock, PIECES = (HEAD_WIDTH + kKvPiece - 1) / kKvPiece;
#endif
const uint CELLS = (HEAD_WIDTH + kCell - 1) / kCell;

#if KV_Q8_0
// Cells of kKeys keys (or values), decoded once for the subgroup: cell n, counted along each key, is in lane n % LANES. To
// decode them in every lane would cost three instructions a number, where handing one round costs one.
const uint SHARED_CELLS = kKeys * CELLS, OWN_CELLS = (SHARED_CELLS + LANES - 1) / LANES;
cell own[OWN_CELLS];

void decode_cells(uint64_t quants, uint piece_stride, uint key_stride, uint64_t scales, uint block_stride, uint scale_key_stride) {
  [[unroll]] for (uint i = 0; i < OWN_CELLS; i++) {
    uint n = min(i * LANES + gl_SubgroupInvocationID, SHARED_CELLS - 1u), key = n / CELLS, c = n % CELLS;
    uint word = Uints(quants + uint64_t(key * key_stride + c * kCell / kKvPiece * piece_stride)).v[c % (kKvPiece / kCell)];
    own[i] = scale_at(scales + uint64_t(key * scale_key_stride + c * kCell / kKvBlock * block_stride)) * quants_of(word);
  }
}
cell decoded(uint n) { return subgroupShuffle(own[n / LANES], n % LANES); }
#endif

void main() {
  StepState state = State(p.state).s;
  uint first = gl_WorkGroupID.x * ROWS, lane_head = gl_LocalInvocationID.x / ROWS, head = gl_WorkGroupID.y * HEADS + min(lane_head, HEADS - 1u);
  if (first >= state.tokens) return;
  uint token = first + gl_LocalInvocationID.x % ROWS;
  bool real = token < state.tokens && lane_head < HEADS;
  token = min(token, state.tokens - 1u);
  uint kv_head = gl_WorkGroupID.y * HEADS / (p.query_heads / p.kv_heads);
  // Where a list is shared, a workgroup's queries are of one tile, whose last sees all keys of the list.
  uint tile = first / TILE, tile_last = min((tile + 1u) * TILE, state.tokens) - 1u;
  KeyTable table = key_table(p.pages, p.listed_keys, p.table_stride, tile * p.kv_heads + kv_head, state.position + tile_last + 1u);
  uint position = table.keys - 1u - (tile_last - token);
  uint last = table.keys - 1u - (tile_last - (min(first + ROWS, state.tokens) - 1u));
#if KV_F16
  uint values = value_offset(p.kv_heads, HEAD_WIDTH);
#endif

  cell q[CELLS], acc[CELLS];
  Floats query = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
  [[unroll]] for (uint c = 0; c < CELLS; c++) {
#if KV_F16
    q[c] = vec2(query.v[2 * c], query.v[2 * c + 1]) * p.scale;
#elif KV_Q8_0
    q[c] = vec4(query.v[4 * c], query.v[4 * c + 1], 0.0, 0.0) * p.scale;
    if (4 * c + 2 < HEAD_WIDTH) q[c].zw = vec2(query.v[4 * c + 2], query.v[4 * c + 3]) * p.scale;  // heads are even
#endif
    acc[c] = cell(0.0);
  }
  float maximum = kMinusInfinity, sum = 0.0;

  [[dont_unroll]] for (uint key = 0; key <= last; key += kKeys) {
    // A page holds a multiple of kKeys keys, so a step never crosses pages; keys past `last` are masked.
    vec2 s[kKeys];
    [[unroll]] for (uint i = 0; i < kKeys; i++) s[i] = vec2(0.0);
#if KV_F16
    uint64_t at = key_address(table.pages, p.layer_offset, kv_head, key, HEAD_WIDTH);
#endif
#if KV_F16
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      Uints k = Uints(at + uint64_t(i * HEAD_WIDTH * 2u));
      [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) s[i] += q[d] * unpackHalf2x16(k.v[d]);
    }
#elif KV_Q8_0
    uint64_t layer = layer_address(table.pages, p.layer_offset, key);
    decode_cells(layer + uint64_t(key_quants(kv_head, key, HEAD_WIDTH)), kKeyPieceStride, kKvPiece,
                 layer + uint64_t(key_scales(p.kv_heads, kv_head, key, HEAD_WIDTH)), kKeyScaleStride, 2u);
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      vec4 t = vec4(0.0);
      [[unroll]] for (uint c = 0; c < CELLS; c++) t += q[c] * decoded(i * CELLS + c);
      s[i] = t.xy + t.zw;
    }
#endif
    float score[kKeys], highest = maximum;
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      score[i] = key + i <= position ? s[i].x + s[i].y : kMinusInfinity;
      highest = max(highest, score[i]);
    }
    float shrink = exp(maximum - highest);
    maximum = highest;
    sum *= shrink;
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      score[i] = key + i <= position ? exp(score[i] - highest) : 0.0;
      sum += score[i];
    }
    [[unroll]] for (uint c = 0; c < CELLS; c++) acc[c] *= shrink;
#if KV_Q8_0
    decode_cells(layer + uint64_t(value_quants(p.kv_heads, kv_head, key, HEAD_WIDTH)), kKvPiece, PIECES * kKvPiece,
                 layer + uint64_t(value_scales(p.kv_heads, kv_head, key, HEAD_WIDTH)), 2u, BLOCKS * 2u);
#endif
    [[unroll]] for (uint i = 0; i < kKeys; i++) {
      if (key + i > last) continue;  // pages hold no defined values past the last position
#if KV_F16
      Uints v = Uints(at + uint64_t(values + i * HEAD_WIDTH * 2u));
      [[unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++) acc[d] += score[i] * unpackHalf2x16(v.v[d]);
#elif KV_Q8_0
      [[unroll]] for (uint c = 0; c < CELLS; c++) acc[c] += score[i] * decoded(i * CELLS + c);
#endif
    }
  }
  if (!real) return;
  if (p.sums != 0ul) {
    Floats row = Floats(p.sums + uint64_t((token * p.query_heads + head) * kRowSums) * 4ul);
    row.v[0] = maximum;
    row.v[kRowSum] = sum;
  }
  Floats y = Floats(p.y + uint64_t(token * p.y_stride + head * HEAD_WIDTH) * 4ul);
  [[unroll]] for (uint c = 0; c < CELLS; c++) {
    y.v[kCell * c] = acc[c].x / sum;
    y.v[kCell * c + 1] = acc[c].y / sum;
#if KV_Q8_0
    if (4 * c + 2 < HEAD_WIDTH) {
      y.v[4 * c + 2] = acc[c].z / sum;
      y.v[4 * c + 3] = acc[c].w / sum;
    }
#endif
  }
}
