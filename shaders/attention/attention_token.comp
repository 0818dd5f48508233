// Attention of one query position over f16 pages on a CPU driver of eight lanes: one subgroup per KV head and split of the key
// range; all query heads that share the KV head are computed together, so that keys and values are read once. Lanes share the
// rows of keys and values, 64 bits each at a time: such a driver gathers lane by lane, so the number of loads decides. Of eight
// keys lanes add up what they have of each, so that every lane owns the score of one. Writes what attention_decode writes.
// STEP_ROTATES: norm and rotation of the queries and the newest key's and value's write are done on the way in, as rope_store does
// them: a step less. Twins: engine/reference/attention, rope.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_memory_scope_semantics : require

#define KV_F16 1
#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // a multiple of 32
layout(constant_id = 2) const uint GROUP = 4;        // query heads per KV head
layout(constant_id = 3) const bool WHOLE = false;    // one split: writes the finished output, nothing is combined after

const uint kLanes = 8u, WORDS = HEAD_WIDTH / 32u;  // of a row, for a lane: dimensions 32 n + 4 lane + 0..3

#if STEP_ROTATES
layout(constant_id = 4) const uint ROPE_WIDTH = 64;
layout(constant_id = 5) const bool HALVES = true;
layout(constant_id = 6) const uint NORM = 0;
const uint LANES = kLanes, SUBGROUPS = 1u;
#include "shaders/include/kv_store.glsl"
layout(push_constant, scalar) uniform Push { RopeAttentionPush p; };
shared vec4 rotated[GROUP * HEAD_WIDTH / 4u];
void put_query(uint g, uint d, float x) { rotated[(g * HEAD_WIDTH + d) / 4u][d % 4u] = x; }
#include "shaders/include/newest_token.glsl"
#else
layout(push_constant, scalar) uniform Push { AttentionPush p; };
#endif

const float kMinusInfinity = -3.0e38;

float most_of_lanes(float x) {
  x = max(x, subgroupShuffleXor(x, 1u));
  x = max(x, subgroupShuffleXor(x, 2u));
  return max(x, subgroupShuffleXor(x, 4u));
}
float over_lanes(float x) {
  x += subgroupShuffleXor(x, 1u);
  x += subgroupShuffleXor(x, 2u);
  return x + subgroupShuffleXor(x, 4u);
}
// Of two sums over lanes: the first in lanes without `bit`, the second in those with it, over pairs of lanes.
float merge(float a, float b, uint bit) {
  bool upper = (gl_SubgroupInvocationID & bit) != 0u;
  return (upper ? b : a) + subgroupShuffleXor(upper ? a : b, bit);
}

vec4 halves_at(uint64_t row, uint word) {
  uvec2 two = unpackUint2x32(Addresses(row).v[word * kLanes + gl_SubgroupInvocationID]);
  return vec4(unpackHalf2x16(two.x), unpackHalf2x16(two.y));
}

void main() {
  uint kv_head = gl_WorkGroupID.x, split = gl_WorkGroupID.y, splits = gl_NumWorkGroups.y, lane = gl_SubgroupInvocationID;
  KeyTable table = key_table(p.pages, p.listed_keys, p.table_stride, kv_head, State(p.state).s.position + 1u);
  KeyRange range = split_range(table.keys, split, splits, 1u);
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
  subgroupMemoryBarrier();
  subgroupBarrier();
#else
  Float4s queries = Float4s(p.query + uint64_t(kv_head * GROUP * HEAD_WIDTH) * 4ul);
#endif

  vec4 query[GROUP * WORDS], acc[GROUP * WORDS];
  float maximum[GROUP], sum[GROUP];  // the sum of this lane's keys
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

  [[dont_unroll]] for (uint base = range.first; base < range.end; base += kLanes) {
    uint64_t head = layer_address(table.pages, p.layer_offset, base) + uint64_t(kv_head * kPageKeys * HEAD_WIDTH * 2u);
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
      float two[4], four[2];
      [[unroll]] for (uint i = 0; i < 4; i++) two[i] = merge(score[g * kLanes + 2 * i], score[g * kLanes + 2 * i + 1], 1u);
      [[unroll]] for (uint i = 0; i < 2; i++) four[i] = merge(two[2 * i], two[2 * i + 1], 2u);
      float own = lane < count ? merge(four[0], four[1], 4u) : kMinusInfinity;
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

  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    uint slot = (kv_head * GROUP + g) * splits + split;
    float all = over_lanes(sum[g]), share = WHOLE ? 1.0 / all : 1.0;
    if (!WHOLE && lane == 0u) Float2s(p.partial).v[slot] = vec2(maximum[g], all);
#if STEP_ROTATES
    uint64_t sums_or_output = WHOLE ? p.y : p.values;
#else
    uint64_t sums_or_output = p.y;
    if (WHOLE && p.sums != 0ul && lane == 0u) {
      Floats(p.sums).v[slot * kRowSums] = maximum[g];
      Floats(p.sums).v[slot * kRowSums + kRowSum] = all;
    }
#endif
    Float4s y = Float4s(sums_or_output + uint64_t(slot * HEAD_WIDTH) * 4ul);
    [[unroll]] for (uint w = 0; w < WORDS; w++) y.v[w * kLanes + lane] = acc[g * WORDS + w] * share;
  }
}
