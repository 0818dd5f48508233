// Attention of one query position over f16 pages on a CPU driver of eight lanes, by one subgroup for a KV head and a split of the key
// range; all query heads that share the KV head are computed together, so that keys and values are read once. Lanes share the
// rows of keys and values, 64 bits each at a time: such a driver gathers lane by lane, so the number of loads decides. Of eight
// keys lanes add up what they have of each, so that every lane owns the score of one. Writes what attention_decode writes.
// STEP_ROTATES: norm and rotation of the queries and the newest key's and value's write are done on the way in, as rope_store does
// them. Twins: engine/reference/attention, rope.
//
// Needs key_table.glsl, pages.glsl, splits.glsl, state.glsl, newest_token.glsl where it rotates, HEAD_WIDTH (a multiple of 32), GROUP,
// WHOLE (one split: the finished output), kLanes, WORDS, push constants `p`, `rotated`, SPLIT_VALUES and SPLIT_PARTIAL.
#ifndef FOVEA_TOKEN_ATTENTION_GLSL
#define FOVEA_TOKEN_ATTENTION_GLSL

#include "eight_lanes.glsl"
#include "touches.glsl"

const float kMinusInfinity = -3.0e38;

float most_of_lanes(float x) {
  x = max(x, subgroupShuffleXor(x, 1u));
  x = max(x, subgroupShuffleXor(x, 2u));
  return max(x, subgroupShuffleXor(x, 4u));
}

vec4 halves_at(uint64_t row, uint word) {
  uvec2 two = unpackUint2x32(Addresses(row).v[word * kLanes + gl_SubgroupInvocationID]);
  return vec4(unpackHalf2x16(two.x), unpackHalf2x16(two.y));
}

// Lines of as many rows of keys, or values, as lanes take together.
const uint kRowsLines = kLanes * HEAD_WIDTH * 2u / 64u;
void touch_rows(uint64_t rows) {
  [[unroll]] for (uint i = 0; i < kRowsLines / kLanes; i++) touch_at(rows + uint64_t((i * kLanes + gl_SubgroupInvocationID) * 64u));
}

KeyTable keys_of(uint kv_head) { return key_table(p.pages, p.listed_keys, p.table_stride, kv_head, State(p.state).s.position + 1u); }

// Of the GROUP queries over a range of keys: the largest score, and relative to it sums of weighted values, whose dimensions lanes have, and
// of weights, each lane's of its own keys.
vec4 acc[GROUP * WORDS];
float maximum[GROUP], sum[GROUP];

void attend_keys(uint kv_head, KeyTable table, KeyRange range) {
  uint lane = gl_SubgroupInvocationID;
#if STEP_ROTATES
  uint position = State(p.state).s.position;
  read_turns(position);
  [[dont_unroll]] for (uint g = 0; g < GROUP; g++) prepare_query(g, position, p.query != 0ul);
  if (range.first < range.end && range.end == table.keys) {  // its range ends with the newest key
    KvSlot slot = KvSlot(layer_address(table.pages, p.layer_offset, table.keys - 1u), p.kv_heads, kv_head, position);
    uint64_t keys = p.qkv + uint64_t(p.query_heads * HEAD_WIDTH) * 4ul;
    keep_key(slot, rope_head(keys, kv_head, p.kv_heads, p.key_norm, p.epsilon), p.turns);
    keep_value(slot, keys + uint64_t((p.kv_heads + kv_head) * HEAD_WIDTH) * 4ul);
  }
  lanes_in_step();
#else
  Float4s queries = Float4s(p.query + uint64_t(kv_head * GROUP * HEAD_WIDTH) * 4ul);
#endif

  vec4 query[GROUP * WORDS];
  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    [[unroll]] for (uint w = 0; w < WORDS; w++) {
      uint at = g * (HEAD_WIDTH / 4u) + w * kLanes + lane;
#if STEP_ROTATES
      query[g * WORDS + w] = rotated[at] * p.scale;
#else
      query[g * WORDS + w] = queries.v[at] * p.scale;
#endif
      acc[g * WORDS + w] = vec4(0.0);
    }
    maximum[g] = kMinusInfinity;
    sum[g] = 0.0;
  }

  uint64_t of_head = uint64_t(p.layer_offset + kv_head * kPageKeys * HEAD_WIDTH * 2u), page = range.first < range.end ? layer_address(table.pages, 0u, range.first) : 0ul;
  [[dont_unroll]] for (uint base = range.first; base < range.end; base += kLanes) {
    uint64_t head = page + of_head;
    // What comes next is on its way while these are multiplied.
    uint ahead = base + kLanes;
    if (ahead % kPageKeys == 0u && ahead < range.end) page = layer_address(table.pages, 0u, ahead);
    uint64_t next = page + of_head + uint64_t(ahead % kPageKeys * HEAD_WIDTH * 2u);
    touch_rows(next);
    touch_rows(next + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH)));
    uint count = min(range.end - base, kLanes), last = (base + count - 1u) % kPageKeys;
    float score[GROUP * kLanes];
    [[unroll]] for (uint i = 0; i < kLanes; i++) {  // keys behind the last are that one
      uint64_t row = head + uint64_t(min(base % kPageKeys + i, last) * HEAD_WIDTH * 2u);
      vec4 key[WORDS];
      [[unroll]] for (uint w = 0; w < WORDS; w++) key[w] = halves_at(row, w);
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        float s = 0.0;
        [[unroll]] for (uint w = 0; w < WORDS; w++) s += dot(query[g * WORDS + w], key[w]);
        score[g * kLanes + i] = s;
      }
    }
    float weight[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) {
      float of_keys[kLanes];
      [[unroll]] for (uint i = 0; i < kLanes; i++) of_keys[i] = score[g * kLanes + i];
      float merged = merge_eight(of_keys), own = lane < count ? merged : kMinusInfinity;
      float highest = max(maximum[g], most_of_lanes(own)), shrink = exp(maximum[g] - highest);
      maximum[g] = highest;
      weight[g] = lane < count ? exp(own - highest) : 0.0;
      sum[g] = sum[g] * shrink + weight[g];
      [[unroll]] for (uint w = 0; w < WORDS; w++) acc[g * WORDS + w] *= shrink;
    }
    uint64_t values = head + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH));
    [[unroll]] for (uint i = 0; i < kLanes; i++) {
      uint64_t row = values + uint64_t(min(base % kPageKeys + i, last) * HEAD_WIDTH * 2u);
      vec4 value[WORDS];
      [[unroll]] for (uint w = 0; w < WORDS; w++) value[w] = halves_at(row, w);
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        float of_key = subgroupShuffle(weight[g], i);
        [[unroll]] for (uint w = 0; w < WORDS; w++) acc[g * WORDS + w] += of_key * value[w];
      }
    }
  }
}

void attend(uint kv_head, uint split, uint splits) {
  uint lane = gl_SubgroupInvocationID;
  KeyTable table = keys_of(kv_head);
  attend_keys(kv_head, table, split_range(table.keys, split, splits, 1u));
  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    uint slot = (kv_head * GROUP + g) * splits + split;
    float all = over_lanes(sum[g]), share = WHOLE ? 1.0 / all : 1.0;
    if (!WHOLE && lane == 0u) Float2s(SPLIT_PARTIAL).v[slot] = vec2(maximum[g], all);
#if STEP_ROTATES
    uint64_t sums_or_output = WHOLE ? p.y : SPLIT_VALUES;
#else
    uint64_t sums_or_output = p.y;
    if (WHOLE && p.sums != 0ul && lane == 0u) {
      Floats(p.sums).v[slot * kRowSums] = maximum[g];
      Floats(p.sums).v[slot * kRowSums + kRowSum] = all;
    }
#endif
    Float4s y = Float4s(sums_or_output + uint64_t(slot * HEAD_WIDTH) * 4ul);
    [[unroll]] for (uint w = 0; w < WORDS; w++) y.v[w * kLanes + lane + of_touches()] = acc[g * WORDS + w] * share;
  }
}

#endif
