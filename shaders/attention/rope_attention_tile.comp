// As rope_attention, for many keys and query heads that share a KV head: scores and values are products of matrices
// (shaders/include/attention_fragments.glsl), all GROUP queries of a KV head in one fragment of 16 rows. For caches of f16.
//
// A workgroup per KV head and split of the key range (grid the same). Subgroups take a fragment of 16 keys of the split in turn, each on
// its own: keys and values go through its part of shared memory, and while it multiplies some, the next keys and the next
// values are on their way. The first ones are asked for before the queries are there.
//
// Precision: queries (times scale and log2 e) and weights relative to the running maximum are rounded to halves (each off by
// 2^-11 of itself at most), as is each subgroup's own output; products are exact and sums, maxima and the weights' sum are float. Scaled queries beyond
// 65504 are taken as 65504 of their sign. Twins: rope_store and attention_decode.
#version 460
#if CHAINED
#pragma use_vulkan_memory_model
#endif
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // a multiple of 16
layout(constant_id = 2) const uint ROPE_WIDTH = 64;
layout(constant_id = 3) const bool HALVES = true;
layout(constant_id = 4) const uint NORM = 0;
layout(constant_id = 5) const uint GROUP = 4;        // query heads of a KV head, at most 16
layout(constant_id = 6) const uint LANES = 32;       // subgroup size
layout(constant_id = 7) const uint SUBGROUPS = 4;
layout(constant_id = 8) const uint SPLITS = 1;
layout(constant_id = 9) const uint LEAST_PAGES = 4;  // of a split
layout(constant_id = 10) const bool ROUNDED = false; // output in 8 bits; HEAD_WIDTH is a multiple of 32

#include "shaders/include/chain.glsl"
#include "shaders/include/key_table.glsl"
#include "shaders/include/kv_store.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"

layout(push_constant, scalar) uniform Push { RopeAttentionPush p; };

const uint STEP = 16, BLOCK_KEYS = STEP, WIDTH_UNITS = HEAD_WIDTH / 8u, PITCH = WIDTH_UNITS + 1u;
// Shared memory: what each subgroup has of keys or values; before them the queries in floats, behind these in halves, where
// PLAIN fragments go on reading them; after them what each subgroup's output is, in halves.
const uint OWN_UNITS = STEP * PITCH, QUERY_FLOATS = GROUP * WIDTH_UNITS * 2u;
#if MATRIX_PLAIN
const uint QUERIES = SUBGROUPS * OWN_UNITS > QUERY_FLOATS ? SUBGROUPS * OWN_UNITS : QUERY_FLOATS;
#else
const uint QUERIES = QUERY_FLOATS;
#endif
const uint STEP_UNITS = SUBGROUPS * OWN_UNITS > QUERIES + 16u * PITCH ? SUBGROUPS * OWN_UNITS : QUERIES + 16u * PITCH;
const uint SUM_UNITS = LANES * SUBGROUPS > GROUP * WIDTH_UNITS * 2u ? LANES * SUBGROUPS : GROUP * WIDTH_UNITS * 2u;  // of split_sums.glsl
const uint TILE_UNITS = STEP_UNITS > SUM_UNITS ? STEP_UNITS : SUM_UNITS;
#include "shaders/include/attention_fragments.glsl"

const uint WIDTH_FRAGMENTS = HEAD_WIDTH / kFragment;
const uint PIECES = STEP * WIDTH_UNITS, OWN_PIECES = (PIECES + LANES - 1u) / LANES;  // of 16 bytes
const uint kWholePages = SUBGROUPS * STEP > kPageKeys ? SUBGROUPS * STEP / kPageKeys : 1u;  // that all subgroups take at a time
const float kMinusInfinity = -3.0e38;                // for the splits
const float kMasked = -3.0e38, kLowest = -1.0e30;  // a masked score weighs nothing even where all are masked
const float kLog2E = 1.4426950408889634;

void put_query(uint g, uint d, float x) { tile[g * WIDTH_UNITS * 2u + d / 4u][d % 4u] = floatBitsToUint(x); }
#include "shaders/include/newest_token.glsl"
void put_sum(uint i, vec4 x) { tile[i] = floatBitsToUint(x); }
vec4 sum_at(uint i) { return uintBitsToFloat(tile[i]); }
#include "shaders/include/split_sums.glsl"

uvec2 query_halves(vec4 v) {
  v = clamp(v * (p.scale * kLog2E), vec4(-65504.0), vec4(65504.0));
  return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}

// A step's keys or values, which lie side by side in their page.
void fetch(uint64_t page, uint kv_head, uint base, bool value, out uvec4 pieces[OWN_PIECES]) {
  uint at = (value ? value_offset(p.kv_heads, HEAD_WIDTH) : 0u) + key_offset(kv_head, base, HEAD_WIDTH);
  Uint4s rows = Uint4s(page + uint64_t(at));
  [[unroll]] for (uint n = 0; n < OWN_PIECES; n++) pieces[n] = rows.v[min(gl_SubgroupInvocationID + n * LANES, PIECES - 1u)];
}
// Zeros behind the last key: what lies there may be anything.
void put(uvec4 pieces[OWN_PIECES], uint count) {
  uint to = gl_SubgroupID * OWN_UNITS;
  [[unroll]] for (uint n = 0; n < OWN_PIECES; n++) {
    uint piece = gl_SubgroupInvocationID + n * LANES, key = piece / WIDTH_UNITS;
    if (PIECES % LANES == 0u || piece < PIECES) tile[to + key * PITCH + piece % WIDTH_UNITS] = key < count ? pieces[n] : uvec4(0u);
  }
}

void attend() {
  uint kv_head = gl_WorkGroupID.x, split = gl_WorkGroupID.y;
  uint position = State(p.state).s.position;
  KeyTable table = key_table(p.pages, p.listed_keys, p.table_stride, kv_head, position + 1u);
  uint keys = table.keys;
  KeyRange range = split_range(keys, split, SPLITS, LEAST_PAGES, kWholePages);
  if (range.first >= range.end) return;
  uint used = splits_used(keys, SPLITS, LEAST_PAGES, kWholePages), stride = SUBGROUPS * STEP;
  uint base = range.first + gl_SubgroupID * STEP, last = range.end - 1u;
  uint64_t page = layer_address(table.pages, p.layer_offset, min(base, last));
  uint64_t next_page = layer_address(table.pages, p.layer_offset, min(base + stride, last));
  bool newest = range.end == keys, waits = newest && base + STEP >= keys;  // for the newest key
  uvec4 key_pieces[OWN_PIECES], value_pieces[OWN_PIECES];
  if (!waits) {
    fetch(page, kv_head, base, false, key_pieces);
    fetch(page, kv_head, base, true, value_pieces);
  }
  read_turns(position);
  await_step(p.chain);
  prepare(table, kv_head, position, newest, split == 0u && p.query != 0ul);
  if (waits) {
    fetch(page, kv_head, base, false, key_pieces);
    fetch(page, kv_head, base, true, value_pieces);
  }

  [[dont_unroll]] for (uint unit = gl_LocalInvocationID.x; unit < 16u * WIDTH_UNITS; unit += gl_WorkGroupSize.x) {
    uint g = unit / WIDTH_UNITS, at = unit * 2u;
    tile[QUERIES + g * PITCH + unit % WIDTH_UNITS] =
        g < GROUP ? uvec4(query_halves(uintBitsToFloat(tile[at])), query_halves(uintBitsToFloat(tile[at + 1u]))) : uvec4(0u);
  }
  barrier();
  Left queries[WIDTH_FRAGMENTS];
  [[unroll]] for (uint d = 0; d < WIDTH_FRAGMENTS; d++) load_queries(queries[d], QUERIES + d * 2u);
  barrier();

  Sums sums[WIDTH_FRAGMENTS], maxima, totals;
  FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) clear(sums[d]);
  clear(totals);
  clear(maxima);
  EACH(i, maxima) AT(maxima, i) = kLowest;
  uint own = gl_SubgroupID * OWN_UNITS;

  // All subgroups take as many steps, the last ones perhaps without a key: drivers of CPUs let them wait for one another.
  [[dont_unroll]] for (uint step = range.first; step < range.end; step += stride, base += stride) {
    uint count = max(range.end, base) - base, next = base + stride;
    put(key_pieces, count);
    subgroupBarrier();
    uint64_t later_page = layer_address(table.pages, p.layer_offset, min(next + stride, last));
    if (next < range.end) fetch(next_page, kv_head, next, false, key_pieces);

    Sums scores;
    clear(scores);
    FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
      Right some_keys;
      load_keys(some_keys, own + d * 2u);
      add_scores(scores, queries[d], some_keys);
    }
    subgroupBarrier();
    if (count < STEP) {
      Sums columns;
      load_columns(columns);
      EACH(i, columns)
        if (AT(columns, i) >= float(count)) AT(scores, i) = kMasked;
    }
    Sums shrink;
    clear(shrink);
    EACH(i, shrink) AT(shrink, i) = AT(scores, i);
    reduce_maxima(shrink);
    EACH(i, shrink) {
      float highest = max(AT(maxima, i), AT(shrink, i));
      AT(shrink, i) = exp2(AT(maxima, i) - highest);
      AT(maxima, i) = highest;
      AT(totals, i) *= AT(shrink, i);
    }
    Left weights;
    EACH(i, shrink) {
      float weight = exp2(AT(scores, i) - AT(maxima, i));
      AT(scores, i) = weight;
      AT(totals, i) += weight;
    }
    keep_weights(weights, scores, 0u);
    FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++)
      EACH(i, shrink) AT(sums[d], i) *= AT(shrink, i);

    put(value_pieces, count);
    subgroupBarrier();
    if (next < range.end) fetch(next_page, kv_head, next, true, value_pieces);
    load_weights(weights, 0u);
    FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
      Right values;
      load_values(values, own + d * 2u);
      add_values(sums[d], weights, values);
    }
    subgroupBarrier();
    next_page = later_page;
  }

  // Every subgroup's own output goes where its keys were, and the workgroup's sums are over these, in their order.
  reduce_totals(totals);
  keep_rows(maxima, totals);
  FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
    EACH(i, totals) AT(sums[d], i) /= max(AT(totals, i), 1.0e-30);
    store_halves(sums[d], own + d * 2u);
  }
  barrier();
  const uint kOutputVectors = HEAD_WIDTH / 4u;
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < GROUP * kOutputVectors; i += gl_WorkGroupSize.x) {
    uint g = i / kOutputVectors, vector = i % kOutputVectors;
    float highest = kLowest, weight = 0.0;
    [[unroll]] for (uint n = 0; n < SUBGROUPS; n++) highest = max(highest, row_state(n, g).x);
    vec4 y = vec4(0.0);
    [[unroll]] for (uint n = 0; n < SUBGROUPS; n++) {
      vec2 row = row_state(n, g);
      float share = exp2(row.x - highest) * row.y;
      uvec4 halves = tile[n * OWN_UNITS + g * PITCH + vector / 2u];
      uvec2 words = vector % 2u == 0u ? halves.xy : halves.zw;
      weight += share;
      y += share * vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
    }
    leave(g, vector, y, highest / kLog2E, weight, split, used);
  }
  finish(used);
}

void main() {
  attend();
  leave_step(p.chain);
}
