// Attention of one decoded token and what comes before it, in one step (GPUs): query/key norm, rotary positions, the
// write of key and value to the cache. A workgroup per GROUP query heads of a KV head and split of the key range (grid the
// same) norms and rotates its queries itself; one whose split holds the newest position writes its key and value first
// and reads them back behind a barrier. Where several share a KV head they write the same bits, so that nobody depends on
// what another workgroup writes. Twins: rope_store and attention_decode.
//
// Subgroups take LANES keys of the split in turn. Four lanes share a key for the scores and then own one each for the
// softmax; for the values a lane holds a cell of 8 dimensions, and the lanes take as many keys at a time as there are
// cells for. Loads of keys are 16 bytes, those of values 16 (f16) or 8 (q8_0), side by side, and several are in flight.
// Leaves unnormalised sums with their maximum and weight; the workgroup that is last to leave its own puts them together,
// in the order of the splits, so that it does not matter which one it is. Where one split holds all keys it writes the
// output itself.
#version 460
#if CHAINED
#pragma use_vulkan_memory_model
#endif
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint ROPE_WIDTH = 64;
layout(constant_id = 3) const bool HALVES = true;
layout(constant_id = 4) const uint NORM = 0;
layout(constant_id = 5) const uint GROUP = 4;        // query heads of a workgroup
layout(constant_id = 6) const uint LANES = 32;       // subgroup size, a multiple of 4
layout(constant_id = 7) const uint SUBGROUPS = 4;
layout(constant_id = 8) const uint SPLITS = 1;
layout(constant_id = 9) const uint LEAST_PAGES = 4;  // of a split
layout(constant_id = 10) const uint PARTS = 1;       // workgroups that share a KV head
layout(constant_id = 11) const bool ROUNDED = false; // output in 8 bits; HEAD_WIDTH is a multiple of 32
layout(constant_id = 12) const bool EARLY = false;   // values are asked for before the scores are there

#include "shaders/include/chain.glsl"
#include "shaders/include/key_table.glsl"
#include "shaders/include/kv_store.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"

layout(push_constant, scalar) uniform Push { RopeAttentionPush p; };

const float kMinusInfinity = -3.0e38;
const uint QUARTER = LANES / 4;

// Scores: a piece is what 16 bytes of a key hold. Lane (part, place) of a subgroup takes the pieces of `part` of keys
// place, place + QUARTER, ...; neighbouring lanes hold what lies side by side.
#if KV_F16
const uint kPiece = 8;
const uint kMostTurns = 4;
const uint kPartStride = 1;  // lanes from a part to the next
uint part_of(uint lane) { return lane % 4u; }
uint place_of(uint lane) { return lane / 4u; }
uint owner_of(uint key) { return key % QUARTER * 4u + key / QUARTER; }
#elif KV_Q8_0
const uint kPiece = kKvPiece;
const uint kMostTurns = 2;
const uint kPartStride = QUARTER;
uint part_of(uint lane) { return lane / QUARTER; }
uint place_of(uint lane) { return lane % QUARTER; }
uint owner_of(uint key) { return key; }
#endif
const uint PIECES = (HEAD_WIDTH + kPiece - 1) / kPiece;
const uint ALL_TURNS = (PIECES + 3) / 4;  // pieces per lane and key
const uint TURNS = ALL_TURNS < kMostTurns ? ALL_TURNS : kMostTurns;  // whose loads are issued together
const uint ROUNDS = (ALL_TURNS + TURNS - 1) / TURNS;
const uint QUERY_STRIDE = ROUNDS * TURNS * kPiece;  // in vec4: kPiece floats of four parts; zeros behind the head

// Values: cells of 8 dimensions, CELLS per lane, SLOTS keys at a time, BATCH of those in flight.
const uint ROW_CELLS = (HEAD_WIDTH + 7) / 8;
const uint CELLS = (ROW_CELLS + LANES - 1) / LANES;
const uint SLOTS = CELLS > 1 ? 1 : LANES / ROW_CELLS;
const uint MOST_BATCH = EARLY ? 16 : 8;
const uint BATCH = LANES / SLOTS < MOST_BATCH ? LANES / SLOTS : MOST_BATCH;
const bool ALL_LANES = SLOTS * ROW_CELLS == LANES && LANES % (SLOTS * BATCH) == 0;

const uint QUERY_VECTORS = GROUP * QUERY_STRIDE, SUM_VECTORS = SUBGROUPS * GROUP * ROW_CELLS * 2;
shared vec4 pool[QUERY_VECTORS > SUM_VECTORS ? QUERY_VECTORS : SUM_VECTORS];  // queries, then the subgroups' sums
shared float maxima[SUBGROUPS * GROUP], sums[SUBGROUPS * GROUP];

void put_query(uint g, uint d, float x) { pool[g * QUERY_STRIDE + d / 4u][d % 4u] = x; }

#include "shaders/include/newest_token.glsl"

#if KV_TIERED
// A step's keys are of one page; LANES is at most kPageKeys.
#define PagePart TierPage
uint64_t layer_of(KeyTable table, uint key, TierPage first) { return first.at; }
#else
#define PagePart uint64_t
// This layer's part of the page of `key`, where `first` is that of the step's first key.
uint64_t layer_of(KeyTable table, uint key, uint64_t first) {
  return LANES <= kPageKeys ? first : layer_address(table.pages, p.layer_offset, key);
}
#endif

#if KV_F16
// 8 dimensions of a key or value from d on; past the head's end numbers of the row, which count nothing.
uvec4 dimensions(uint64_t row, uint d) {
  if (HEAD_WIDTH % 8u == 0u) return Uint4s(row).v[d / 8u];
  uvec4 at = min(d / 2u + uvec4(0, 1, 2, 3), HEAD_WIDTH / 2u - 1u);
  Uints words = Uints(row);
  return uvec4(words.v[at.x], words.v[at.y], words.v[at.z], words.v[at.w]);
}
vec4 halves_of(uint low, uint high) { return vec4(unpackHalf2x16(low), unpackHalf2x16(high)); }
#endif

float multiply_add(vec4 a, vec4 b, float sum) { return a.w * b.w + (a.z * b.z + (a.y * b.y + (a.x * b.x + sum))); }

#if KV_TIERED
// The same of a far page: a piece is a word of codes.
void score_far(TierPage page, uint kv_head, uint base, out vec4 s[GROUP]) {
  uint part = part_of(gl_SubgroupInvocationID), place = place_of(gl_SubgroupInvocationID);
  uint wide = wide_bits(page, p.kv_heads, kv_head, HEAD_WIDTH);
  [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] = vec4(0.0);
  [[dont_unroll]] for (uint round = 0; round < ROUNDS; round++) {
    FarUnit units[TURNS * 4];
    uvec4 lows[TURNS], highs[TURNS];
    [[unroll]] for (uint t = 0; t < TURNS; t++) {
      uint piece = min((round * TURNS + t) * 4u + part, PIECES - 1u);
      lows[t] = Uint4s(page.at + uint64_t(far_bounds(p.kv_heads, kv_head, HEAD_WIDTH, false) + piece * 16u)).v[0];
      highs[t] = Uint4s(page.at + uint64_t(far_bounds(p.kv_heads, kv_head, HEAD_WIDTH, true) + piece * 16u)).v[0];
      [[unroll]] for (uint i = 0; i < 4; i++)
        units[t * 4 + i] = far_unit(page, wide, p.kv_heads, kv_head, base + i * QUARTER + place, HEAD_WIDTH, piece);
    }
    [[unroll]] for (uint t = 0; t < TURNS; t++) {
      uint query = ((round * TURNS + t) * 4u + part) * (kPiece / 4u);
      vec4 low = halves_of(lows[t].x, lows[t].y), low_unit = (halves_of(highs[t].x, highs[t].y) - low) * (1.0 / 240.0);
      vec4 high = halves_of(lows[t].z, lows[t].w), high_unit = (halves_of(highs[t].z, highs[t].w) - high) * (1.0 / 240.0);
      vec4 k[8];
      [[unroll]] for (uint i = 0; i < 4; i++) {
        FarUnit codes = units[t * 4 + i];
        k[2 * i] = low + low_unit * (codes_of(codes.word, codes.lower, 0u) + codes.bias);
        k[2 * i + 1] = high + high_unit * (codes_of(codes.word, codes.lower, 1u) + codes.bias);
      }
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        vec4 q_low = pool[g * QUERY_STRIDE + query], q_high = pool[g * QUERY_STRIDE + query + 1u];
        [[unroll]] for (uint i = 0; i < 4; i++)
          s[g][i] = multiply_add(q_high, k[2 * i + 1], multiply_add(q_low, k[2 * i], s[g][i]));
      }
    }
  }
}
#endif

// Scores of LANES keys from `base` on, those past `end` as anything: what this lane has of each of its four keys, for
// each query.
void score(KeyTable table, uint kv_head, PagePart layer, uint base, uint end, out vec4 s[GROUP]) {
#if KV_TIERED
  if (layer.is_far) {
    score_far(layer, kv_head, base, s);
    return;
  }
#endif
  uint part = part_of(gl_SubgroupInvocationID), place = place_of(gl_SubgroupInvocationID);
  uint64_t key[4];
#if KV_Q8_0
  uint64_t scale[4];
#endif
  [[unroll]] for (uint i = 0; i < 4; i++) {
    uint at = min(base + i * QUARTER + place, end - 1u);
    uint64_t page = layer_of(table, at, layer);
#if KV_F16
    key[i] = page + uint64_t(key_offset(kv_head, at, HEAD_WIDTH));
#elif KV_Q8_0
    key[i] = page + uint64_t(key_quants(kv_head, at, HEAD_WIDTH));
    scale[i] = page + uint64_t(key_scales(p.kv_heads, kv_head, at, HEAD_WIDTH));
#endif
  }
  [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] = vec4(0.0);
  [[dont_unroll]] for (uint round = 0; round < ROUNDS; round++) {
    uvec4 words[TURNS * 4];
#if KV_F16
    [[unroll]] for (uint t = 0; t < TURNS; t++) {
      uint piece = min((round * TURNS + t) * 4u + part, PIECES - 1u);
      [[unroll]] for (uint i = 0; i < 4; i++) words[t * 4 + i] = dimensions(key[i], piece * kPiece);
    }
    [[unroll]] for (uint t = 0; t < TURNS; t++) {
      uint query = ((round * TURNS + t) * 4u + part) * (kPiece / 4u);
      vec4 k[8];
      [[unroll]] for (uint i = 0; i < 4; i++) {
        k[2 * i] = halves_of(words[t * 4 + i].x, words[t * 4 + i].y);
        k[2 * i + 1] = halves_of(words[t * 4 + i].z, words[t * 4 + i].w);
      }
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        vec4 low = pool[g * QUERY_STRIDE + query], high = pool[g * QUERY_STRIDE + query + 1u];
        [[unroll]] for (uint i = 0; i < 4; i++)
          s[g][i] = multiply_add(high, k[2 * i + 1], multiply_add(low, k[2 * i], s[g][i]));
      }
    }
#elif KV_Q8_0
    // A part's pieces lie side by side, so that a scale serves two of them.
    float d[TURNS * 4];
    [[unroll]] for (uint t = 0; t < TURNS; t++) {
      uint piece = min(part * (ROUNDS * TURNS) + round * TURNS + t, PIECES - 1u);
      [[unroll]] for (uint i = 0; i < 4; i++) {
        words[t * 4 + i] = Uint4s(key[i] + uint64_t(piece * kKeyPieceStride)).v[0];
        d[t * 4 + i] = scale_at(scale[i] + uint64_t(piece * kKvPiece / kKvBlock * kKeyScaleStride));
      }
    }
    [[unroll]] for (uint t = 0; t < TURNS; t++) {
      uint query = (part * (ROUNDS * TURNS) + round * TURNS + t) * (kPiece / 4u);
      vec4 sum[GROUP];
      [[unroll]] for (uint g = 0; g < GROUP; g++) sum[g] = vec4(0.0);
      [[unroll]] for (uint j = 0; j < 4; j++) {
        vec4 k[4];
        [[unroll]] for (uint i = 0; i < 4; i++) k[i] = quants_of(words[t * 4 + i][j]);
        [[unroll]] for (uint g = 0; g < GROUP; g++) {
          vec4 q = pool[g * QUERY_STRIDE + query + j];
          [[unroll]] for (uint i = 0; i < 4; i++) sum[g][i] = multiply_add(q, k[i], sum[g][i]);
        }
      }
      vec4 scales = vec4(d[t * 4], d[t * 4 + 1], d[t * 4 + 2], d[t * 4 + 3]);
      [[unroll]] for (uint g = 0; g < GROUP; g++) s[g] += scales * sum[g];
    }
#endif
  }
}

struct Values {
#if KV_F16
  uvec4 words[BATCH * CELLS];  // of far pages codes, what is known in addition, the peak
#elif KV_Q8_0
  uvec2 words[BATCH * CELLS];
  float d[BATCH * CELLS];
#endif
};

// What this lane takes of the values of SLOTS * BATCH keys, `first` behind the step's `base`.
void bring_values(KeyTable table, uint kv_head, PagePart layer, uint base, uint first, uint end, inout Values values) {
  uint lane = gl_SubgroupInvocationID, slot = CELLS > 1 ? 0u : lane / ROW_CELLS, cell = CELLS > 1 ? lane : lane % ROW_CELLS;
  [[unroll]] for (uint b = 0; b < BATCH; b++) {
    uint at = min(base + first + b * SLOTS + slot, end - 1u);
    uint64_t page = layer_of(table, at, layer);
#if KV_F16
    uint64_t row = page + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH) + key_offset(kv_head, at, HEAD_WIDTH));
#elif KV_Q8_0
    uint64_t row = page + uint64_t(value_quants(p.kv_heads, kv_head, at, HEAD_WIDTH));
    uint64_t scales = page + uint64_t(value_scales(p.kv_heads, kv_head, at, HEAD_WIDTH));
#endif
    [[unroll]] for (uint c = 0; c < CELLS; c++) {
      uint from = min(cell + c * LANES, ROW_CELLS - 1u);
#if KV_TIERED
      if (layer.is_far) {
        uint codes = far_value(p.kv_heads, kv_head, at, HEAD_WIDTH) + from * 4u;
        uint64_t peak = layer.at + uint64_t(far_peaks(p.kv_heads, kv_head, at, HEAD_WIDTH) + from * 8u / kKvBlock * 2u);
        values.words[b * CELLS + c] = uvec4(far_word(layer.codes, codes), refined_word(layer, kv_head, at, HEAD_WIDTH, from), floatBitsToUint(peak_at(peak)), 0u);
        continue;
      }
#endif
#if KV_F16
      values.words[b * CELLS + c] = dimensions(row, from * 8u);
#elif KV_Q8_0
      values.words[b * CELLS + c] = Uint2s(row).v[from];
      values.d[b * CELLS + c] = scale_at(scales + uint64_t(from * 8u / kKvBlock * 2u));
#endif
    }
  }
}

// The four lanes of a key add up what they have of four keys, so that lane `part` owns key `part` of them.
float own_score(vec4 s) {
  uint part = part_of(gl_SubgroupInvocationID);
  bool high = part >= 2u, odd = part % 2u == 1u;
  vec2 pair = (high ? s.zw : s.xy) + subgroupShuffleXor(high ? s.xy : s.zw, 2u * kPartStride);
  return (odd ? pair.y : pair.x) + subgroupShuffleXor(odd ? pair.x : pair.y, kPartStride);
}

void put_sum(uint i, vec4 x) { pool[i] = x; }
vec4 sum_at(uint i) { return pool[i]; }
#include "shaders/include/split_sums.glsl"

void attend() {
  uint kv_head = gl_WorkGroupID.x / PARTS, split = gl_WorkGroupID.y;
  uint lane = gl_SubgroupInvocationID;
  uint position = State(p.state).s.position;
  KeyTable table = key_table(p.pages, p.listed_keys, p.table_stride, kv_head, position + 1u);
  uint keys = table.keys;
  KeyRange range = split_range(keys, split, SPLITS, LEAST_PAGES);
  if (range.first >= range.end) return;
  uint used = splits_used(keys, SPLITS, LEAST_PAGES);
  uint base = range.first + gl_SubgroupID * LANES;
#if KV_TIERED
  TierPage layer = tier_page(table.pages, p.layer_offset, min(base, range.end - 1u), p.kv_heads, HEAD_WIDTH);
#else
  uint64_t layer = layer_address(table.pages, p.layer_offset, min(base, range.end - 1u));
#endif
  const uint kBehind = QUERY_STRIDE * 4u - HEAD_WIDTH;
  if (kBehind > 0u)
    for (uint i = gl_LocalInvocationID.x; i < GROUP * kBehind; i += gl_WorkGroupSize.x)
      put_query(i / max(kBehind, 1u), HEAD_WIDTH + i % max(kBehind, 1u), 0.0);
  read_turns(position);
  await_step(p.chain);
  prepare(table, kv_head, position, range.end == keys, split == 0u && p.query != 0ul);

  vec4 acc[GROUP * CELLS * 2];
  float maximum[GROUP], sum[GROUP];  // the sum of this lane's keys only
  [[unroll]] for (uint i = 0; i < GROUP * CELLS * 2; i++) acc[i] = vec4(0.0);
  [[unroll]] for (uint g = 0; g < GROUP; g++) { maximum[g] = kMinusInfinity; sum[g] = 0.0; }
  uint slot = CELLS > 1 ? 0u : lane / ROW_CELLS;
  uint own = part_of(lane) * QUARTER + place_of(lane);

  [[dont_unroll]] for (; base < range.end; base += SUBGROUPS * LANES) {
#if KV_TIERED
    uint64_t next_entry = Addresses(table.pages).v[min(base + SUBGROUPS * LANES, range.end - 1u) / kPageKeys];
#else
    uint64_t next = layer_address(table.pages, p.layer_offset, min(base + SUBGROUPS * LANES, range.end - 1u));
#endif
    Values values;
    if (EARLY) bring_values(table, kv_head, layer, base, 0u, range.end, values);
    vec4 s[GROUP];
    score(table, kv_head, layer, base, range.end, s);
#if KV_TIERED
    TierPage next = tier_page_of(next_entry, p.layer_offset, p.kv_heads, HEAD_WIDTH);
#endif
    bool real = base + own < range.end;
    float weight[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) {
      float mine = own_score(s[g]) * p.scale;
      mine = real ? mine : kMinusInfinity;
      float highest = max(maximum[g], subgroupMax(mine)), shrink = exp(maximum[g] - highest);
      maximum[g] = highest;
      weight[g] = real ? exp(mine - highest) : 0.0;
      sum[g] = sum[g] * shrink + weight[g];
      [[unroll]] for (uint c = 0; c < CELLS * 2; c++) acc[g * CELLS * 2 + c] *= shrink;
    }
    uint count = min(LANES, range.end - base);
    [[dont_unroll]] for (uint first = 0; first < count; first += SLOTS * BATCH) {
      if (!EARLY) bring_values(table, kv_head, layer, base, first, range.end, values);
      [[unroll]] for (uint b = 0; b < BATCH; b++) {
        uint key = first + b * SLOTS + slot;  // in this step; keys past the last have weight 0
        bool counts = ALL_LANES || (slot < SLOTS && key < LANES);
        uint owner = owner_of(min(key, LANES - 1u));
        float of_key[GROUP];
        [[unroll]] for (uint g = 0; g < GROUP; g++) {
          float shared_weight = subgroupShuffle(weight[g], owner);
          of_key[g] = counts ? shared_weight : 0.0;
        }
        [[unroll]] for (uint c = 0; c < CELLS; c++) {
#if KV_F16
          uvec4 w = values.words[b * CELLS + c];
          vec4 low = halves_of(w.x, w.y), high = halves_of(w.z, w.w);
#if KV_TIERED
          float scale = 1.0;
          if (layer.is_far) {
            low = far_values(layer, codes_of(w.x, w.y, 0u));
            high = far_values(layer, codes_of(w.x, w.y, 1u));
            scale = uintBitsToFloat(w.z);
          }
#else
          const float scale = 1.0;
#endif
#elif KV_Q8_0
          vec4 low = quants_of(values.words[b * CELLS + c].x), high = quants_of(values.words[b * CELLS + c].y);
          float scale = values.d[b * CELLS + c];
#endif
          [[unroll]] for (uint g = 0; g < GROUP; g++) {
            float x = of_key[g] * scale;
            acc[(g * CELLS + c) * 2] += x * low;
            acc[(g * CELLS + c) * 2 + 1] += x * high;
          }
        }
      }
      if (EARLY && first + SLOTS * BATCH < count) bring_values(table, kv_head, layer, base, first + SLOTS * BATCH, range.end, values);
    }
    layer = next;
  }

  // Sums of the subgroup: over its slots, then into shared memory, which the queries leave.
  barrier();
  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    float all = subgroupAdd(sum[g]);
    if (lane == 0u) {
      maxima[gl_SubgroupID * GROUP + g] = maximum[g];
      sums[gl_SubgroupID * GROUP + g] = all;
    }
    [[unroll]] for (uint c = 0; c < CELLS * 2; c++) {
      vec4 one = acc[g * CELLS * 2 + c], total = one;
      [[dont_unroll]] for (uint i = 1; i < SLOTS; i++) total += subgroupShuffle(one, (lane + i * ROW_CELLS) % LANES);
      uint at = lane + c / 2u * LANES;
      if (at < ROW_CELLS) pool[((gl_SubgroupID * GROUP + g) * ROW_CELLS + at) * 2u + c % 2u] = total;
    }
  }
  barrier();
  // The workgroup's: over its subgroups, in their order.
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < GROUP * kVectors; i += gl_WorkGroupSize.x) {
    uint g = i / kVectors, d = i % kVectors * 4u;
    float highest = maxima[g], weight = 0.0;
    [[unroll]] for (uint n = 1; n < SUBGROUPS; n++) highest = max(highest, maxima[n * GROUP + g]);
    vec4 y = vec4(0.0);
    [[unroll]] for (uint n = 0; n < SUBGROUPS; n++) {
      float share = exp(maxima[n * GROUP + g] - highest);
      weight += share * sums[n * GROUP + g];
      y += share * pool[n * GROUP * kVectors + i];
    }
    leave(g, d / 4u, y, highest, weight, split, used);
  }
  finish(used);
}

void main() {
  attend();
  leave_step(p.chain);
}
