// The attention of a layer for one token on a CPU driver, from a residual to a residual, and the router behind it, in parts that
// subgroups of eight lanes may share: a KV head's rows of q, k and v, attention of its query heads, and what these add to the residual
// through their columns of the output projection, still lane by lane; then the sum of that, and the choice of experts.
// To the bit what the steps apart make: matmul, attention_token, router_token.
// Twins: engine/reference/rms_norm, matvec, rope, attention, router, expert_choice.
//
// Needs push constants, or a variable, `p`, and the constants of attention_layer.comp.
#ifndef FOVEA_LAYER_ATTENTION_GLSL
#define FOVEA_LAYER_ATTENTION_GLSL

const uint kLanes = 8u, WORDS = HEAD_WIDTH / 32u, LANES = kLanes, SUBGROUPS = 1u, STREAMED = kLanes, ROWS = 1u;
const bool WHOLE = true, kNormsRow = true;

#include "kv_store.glsl"
shared vec4 rotated[GROUP * HEAD_WIDTH / 4u];
void put_query(uint g, uint d, float x) { rotated[(g * HEAD_WIDTH + d) / 4u][d % 4u] = x; }
#include "newest_token.glsl"
#define SPLIT_VALUES p.y  // none
#define SPLIT_PARTIAL p.y
#include "token_attention.glsl"

#define NORM kNormsRow
#include "row_products.glsl"
#undef NORM
#include "last_workgroup.glsl"

const uint ROUTER_ROWS = (EXPERTS + LANES - 1u) / LANES;
float logit[ROUTER_ROWS];  // of experts lane + 8 i
#define LANES_MEET lanes_in_step
#define ROUTER_LOGIT(row, e) logit[(e) / LANES]
#include "folded_policy.glsl"

const uint kQueries = GROUP * HEAD_WIDTH, kOwnRows = kQueries + 2u * HEAD_WIDTH, kOwnTiles = kQueries / kTileColumns, kOwnBytes = kRowBytes / kTiles * kOwnTiles;

// A KV head's rows of q, k and v, of the residual `x`.
void project(uint kv_head, uint64_t x) {
  squares = 0.0;
  load_x(x, p.norm, 0u);
  float scale = norm_scale(p.epsilon);
  uint last = (p.query_heads + 2u * p.kv_heads) * HEAD_WIDTH - 1u;
  [[dont_unroll]] for (uint first = 0; first < kOwnRows; first += kLanes) {
    uint row = first < kQueries ? kv_head * kQueries + first : (p.query_heads + kv_head) * HEAD_WIDTH + first - kQueries;
    if (first >= kQueries + HEAD_WIDTH) row += (p.kv_heads - 1u) * HEAD_WIDTH;
    float values = 0.0;
    [[dont_unroll]] for (uint r = 0; r < kLanes; r++) {
      touch(p.projections + uint64_t(min(row + r + kAhead, last)) * uint64_t(kRowBytes));
      float product = row_product(p.projections + uint64_t(row + r) * uint64_t(kRowBytes), 0u);
      values = r == share_lane() ? product : values;
    }
    Floats(p.qkv).v[row + share_lane() + of_touches()] = values * scale;
  }
}

#if PARTS_OF_PAIRS
// Two parts of the attention of a pair of KV heads, of as many keys each: where lists of pages are of unlike lengths the part with the
// shorter one takes some of the other, so that two cores are done together. Heads of about as many keys are a part each.
const uint kAlike = 2u * kPageKeys;
KeyRange part_of(uint part, bool second, uint keys_of_first, uint keys_of_second) {
  uint keys = second ? keys_of_second : keys_of_first, middle = (keys_of_first + keys_of_second) / 2u;
  if (max(keys_of_first, keys_of_second) - min(keys_of_first, keys_of_second) <= kAlike) middle = keys_of_first;
  uint border = second ? max(middle, keys_of_first) - keys_of_first : middle;  // whole pages, or all
  border = border < keys ? border / kPageKeys * kPageKeys : keys;
  return part == 0u ? KeyRange(0u, border) : KeyRange(border, keys);
}

// What a part leaves of a KV head: of each query its sums, then (largest score, sum of weights); no weights: it has no keys of the head.
const uint kLeftOfHead = GROUP * (HEAD_WIDTH + 2u) * 4u;  // bytes, two parts of each head
uint64_t left_at(uint kv_head, uint part) { return p.left + uint64_t((2u * kv_head + part) * kLeftOfHead); }

// Part `part` of KV heads 2 `pair` and 2 `pair` + 1, whose q, k and v are there.
void attend_part(uint pair, uint part) {
  uint lane = share_lane();
  KeyTable tables[2] = {keys_of(2u * pair), keys_of(2u * pair + 1u)};
  [[dont_unroll]] for (uint n = 0u; n < 2u; n++) {
    own_head = 2u * pair + n;
    KeyTable table;
    table.pages = n == 0u ? tables[0].pages : tables[1].pages;
    table.keys = n == 0u ? tables[0].keys : tables[1].keys;
    KeyRange range = part_of(part, n == 1u, tables[0].keys, tables[1].keys);
    uint64_t left = left_at(own_head, part), pairs = left + uint64_t(GROUP * HEAD_WIDTH * 4u);
    if (range.first < range.end) {
      attend_keys(own_head, table, range);
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        float all = over_lanes(sum[g]);
        if (lane == 0u) Float2s(pairs).v[g] = vec2(maximum[g], all);
        [[unroll]] for (uint w = 0; w < WORDS; w++) Float4s(left).v[(g * WORDS + w) * kLanes + lane + of_touches()] = acc[g * WORDS + w];
      }
    } else {
      [[dont_unroll]] for (uint g = lane; g < GROUP; g += kLanes) Float2s(pairs).v[g] = vec2(kMinusInfinity, 0.0);
    }
  }
}

// Puts together what the parts have left of a KV head.
void join_parts(uint kv_head) {
  uint lane = share_lane();
  [[dont_unroll]] for (uint g = 0; g < GROUP; g++) {
    vec2 of_part[2];
    [[unroll]] for (uint part = 0; part < 2u; part++) of_part[part] = Float2s(left_at(kv_head, part) + uint64_t(GROUP * HEAD_WIDTH * 4u)).v[g];
    float highest = max(of_part[0].x, of_part[1].x), total = 0.0;
    vec4 joined[WORDS];
    [[unroll]] for (uint w = 0; w < WORDS; w++) joined[w] = vec4(0.0);
    [[unroll]] for (uint part = 0; part < 2u; part++) {
      if (of_part[part].y == 0.0) continue;
      float factor = exp(of_part[part].x - highest);
      total += of_part[part].y * factor;
      [[unroll]] for (uint w = 0; w < WORDS; w++) joined[w] += factor * Float4s(left_at(kv_head, part)).v[(g * WORDS + w) * kLanes + lane];
    }
    float share = 1.0 / total;
    [[unroll]] for (uint w = 0; w < WORDS; w++) Float4s(p.y).v[((kv_head * GROUP + g) * WORDS + w) * kLanes + lane] = joined[w] * share;
  }
}
#endif

// What a KV head's columns of the output projection add to the residual, of every lane.
void leave_output(uint kv_head) {
  [[unroll]] for (uint run = 0; run < 4u * kOwnTiles; run++) load_run(p.y, 0ul, false, kv_head * kOwnTiles + run / 4u, run % 4u, run);
  Floats sums = Floats(p.sums + uint64_t(kv_head * COLUMNS) * 32ul);
  [[dont_unroll]] for (uint row = 0; row < COLUMNS; row++) {
    uint64_t at = p.output_rows + uint64_t(row) * uint64_t(kRowBytes);
    touch_bytes(p.output_rows + uint64_t(min(row + kAhead, COLUMNS - 1u)) * uint64_t(kRowBytes) + uint64_t(kv_head * kOwnBytes), kOwnBytes);
    precise float sum = 0.0;
    [[unroll]] for (uint t = 0; t < kOwnTiles; t++) sum += tile_part(at, kv_head * kOwnTiles + t, 4u * t);
    sums.v[row * kLanes + share_lane() + of_touches()] = sum;
  }
}

void attend_and_leave(uint kv_head, uint64_t x) {
  project(kv_head, x);
  lanes_in_step();
  attend(kv_head, 0u, 1u);
  lanes_in_step();
  leave_output(kv_head);
}

// `to` = `from` + what all KV heads have left.
void add_outputs(uint64_t from, uint64_t to) {
  [[dont_unroll]] for (uint first = 0; first < COLUMNS; first += kLanes) {
    precise float sums[8];
    [[unroll]] for (uint i = 0; i < 8; i++) {
      sums[i] = 0.0;
      [[dont_unroll]] for (uint head = 0; head < p.kv_heads; head++) sums[i] += Floats(p.sums + uint64_t(head * COLUMNS) * 32ul).v[(first + i) * kLanes + share_lane()];
    }
    Floats(to).v[first + share_lane()] = Floats(from).v[first + share_lane()] + merge_eight(sums);
  }
}

// As router_token.comp, whose weights are plain numbers: lanes have pairs side by side.
const uint kPairs = COLUMNS / (2u * kLanes), kTilePairs = kTileColumns / (2u * kLanes);
void route(uint64_t x) {
  squares = 0.0;
  [[unroll]] for (uint i = 0; i < kPairs; i++) {
    vec2 pair = pair_at(x, 2u * (kLanes * i + share_lane()));
    squares += pair.x * pair.x + pair.y * pair.y;
    pair *= pair_at(p.feed_norm, 2u * (kLanes * i + share_lane()));
    own_x[2u * i] = pair.x;
    own_x[2u * i + 1u] = pair.y;
  }
  [[unroll]] for (uint i = 0; i < ROUTER_ROWS; i++) logit[i] = 0.0;
  [[dont_unroll]] for (uint e = 0; e < EXPERTS; e++) {
    precise float sum = 0.0;
    [[unroll]] for (uint t = 0; t < kTiles; t++) {
      precise float part = 0.0;
      [[unroll]] for (uint i = t * kTilePairs; i < (t + 1u) * kTilePairs; i++) {
        vec2 w = pair_at(p.router + uint64_t(e * COLUMNS) * 4ul, 2u * (kLanes * i + share_lane()));
        part += w.x * own_x[2u * i] + w.y * own_x[2u * i + 1u];
      }
      sum += part;
    }
    float product = over_lanes(sum);
    [[unroll]] for (uint i = 0; i < ROUTER_ROWS; i++) logit[i] = e == share_lane() + i * LANES ? product : logit[i];
  }
  float scale = norm_scale(p.epsilon);
  [[unroll]] for (uint i = 0; i < ROUTER_ROWS; i++) {
    logit[i] *= scale;
    uint e = share_lane() + i * LANES;
    if (e < EXPERTS) Floats(p.logits).v[e] = logit[i];
  }
  if (POLICY)
    fold_policy(0ul, SLOTS - 1u, true, State(p.state).s.position == 0u, p.memory, p.facts, p.experts, p.weights);
  else
    choose_experts(0ul, SLOTS - 1u, true, p.experts, p.weights);
}

#endif
