// As page_scores, for the tiles of a prompt: scores are products of matrices
// (shaders/include/attention_fragments.glsl), of the sampled queries of all tiles by the pages of a block. Behind it page_choice.
//
// A workgroup takes 16 queries of a KV head a subgroup, which stay where they are multiplied from, and CHUNK blocks of pages in
// turn; grid (kv_heads, query groups * chunks). A block's bounds are in shared memory once for all queries, while the next one's
// are on their way: the means of pages' halves as they are kept, or the middles between smallest and largest keys and half
// the ranges, which |q| is multiplied by.
//
// Precision: queries, middles and ranges are rounded to halves (each off by 2^-11 of itself at most; beyond 65504 they are
// taken as that), products are exact and sums float.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
#define STEPS_APART
#include "shaders/include/page_rule.glsl"
layout(constant_id = 11) const uint LANES = 32;        // subgroup size
layout(constant_id = 12) const uint SUBGROUPS = 4;
layout(constant_id = 13) const uint HEAD_WIDTH = 128;  // a multiple of 16
layout(constant_id = 14) const uint CHUNK = 4;         // blocks of a workgroup
layout(constant_id = 15) const uint SCORER = kScorerAutomatic;

const uint BLOCK_KEYS = kPageBlock, WIDTH_UNITS = HEAD_WIDTH / 8u, PITCH = WIDTH_UNITS + 1u;
const uint INVOCATIONS = LANES * SUBGROUPS, PLANE = kPageBlock * PITCH;  // units of a plane of a block
const uint PLANES = SCORER == kScorerMean ? 1u : 2u;
const uint OPERAND = 16u * PITCH;  // units of a subgroup's queries or their magnitudes
const uint OPERAND_KINDS = SCORER == kScorerQuest ? 2u : 1u;
#if MATRIX_PLAIN
// Queries stay in shared memory, behind the planes.
const uint QUERY_TURN = SUBGROUPS, OPERANDS = PLANES * PLANE, TILE_UNITS = OPERANDS + SUBGROUPS * OPERAND_KINDS * OPERAND;
#else
// Queries come through the room of the planes to registers, as many subgroups' a turn as it holds.
const uint OPERANDS = 0u, TILE_UNITS = PLANES * PLANE, QUERY_ROOM = TILE_UNITS / (OPERAND_KINDS * OPERAND), QUERY_TURN = QUERY_ROOM < SUBGROUPS ? QUERY_ROOM : SUBGROUPS;
#endif
#include "shaders/include/attention_fragments.glsl"
#include "shaders/sample/ordered_key.glsl"

const uint WIDTH_FRAGMENTS = HEAD_WIDTH / kFragment, COLUMNS = kPageBlock / kFragment;
const uint kTogether = 4u;  // whose loads are issued together
const uint kRowUnits = kPageBlock / 4u, kRowPitch = kRowUnits + 1u;
shared vec4 rows[SUBGROUPS * kFragment * kRowPitch];  // scores, then weights, of a subgroup's queries for a block
shared vec4 spreads[kRowUnits];                       // of a block's pages

#if MATRIX_PLAIN
void put_row_sums(Sums sums, uint unit, uint pitch) {
  EACH(i, sums) {
    uint column = lane_column() + i % OWN_COLUMNS;
    rows[unit + (lane_row() + i / OWN_COLUMNS * LANE_ROWS) * pitch + column / 4u][column % 4u] = AT(sums, i);
  }
}
#else
void put_row_sums(Sums sums, uint unit, uint pitch) { coopMatStore(sums, rows, unit, pitch, gl_CooperativeMatrixLayoutRowMajor); }
#endif

vec4 within_halves(vec4 x) { return clamp(x, vec4(-65504.0), vec4(65504.0)); }
uvec2 halves(vec4 x) { return uvec2(packHalf2x16(x.xy), packHalf2x16(x.zw)); }
vec4 floats(uvec2 x) { return vec4(unpackHalf2x16(x.x), unpackHalf2x16(x.y)); }

// Bounds of a block: pieces of 16 bytes, an invocation's share on its way.
const uint BLOCK_PIECES = WIDTH_UNITS * kPageBlock, OWN = (BLOCK_PIECES + INVOCATIONS - 1u) / INVOCATIONS;
#if MATRIX_PLAIN
const uint KEPT = 1u;  // nothing is fetched ahead
#else
const uint KEPT = OWN;
#endif
uvec4 low[KEPT], high[KEPT];
void fetch_piece(uint kv_head, uint block, uint i, uint kept) {
  uint unit = min(gl_LocalInvocationID.x + i * INVOCATIONS, BLOCK_PIECES - 1u), piece = unit / kPageBlock, page = block * kPageBlock + unit % kPageBlock;
  uint64_t at = p.bounds + bound_offset(kv_head, page, piece, BLOCKS, HEAD_WIDTH, SCORER);
  low[kept] = Uint4s(at).v[0];
  if (PLANES > 1u) high[kept] = Uint4s(at + uint64_t(kBoundPlaneBytes)).v[0];
}
void put_piece(uint i, uint kept) {
  uint unit = gl_LocalInvocationID.x + i * INVOCATIONS, to = unit % kPageBlock * PITCH + unit / kPageBlock;
  if (BLOCK_PIECES % INVOCATIONS != 0u && unit >= BLOCK_PIECES) return;
  if (SCORER != kScorerQuest) {
    tile[to] = low[kept];
    if (PLANES > 1u) tile[PLANE + to] = high[kept];
    return;
  }
  uvec4 middle, range;
  [[unroll]] for (uint n = 0; n < 4u; n += 2u) {
    vec4 a = floats(uvec2(low[kept][n], low[kept][n + 1u])), b = floats(uvec2(high[kept][n], high[kept][n + 1u]));
    uvec2 m = halves(0.5 * (a + b)), r = halves(0.5 * (b - a));
    middle[n] = m.x;
    middle[n + 1u] = m.y;
    range[n] = r.x;
    range[n + 1u] = r.y;
  }
  tile[to] = middle;
  tile[PLANE + to] = range;
}
void fetch(uint kv_head, uint block) {
#if !MATRIX_PLAIN
  [[unroll]] for (uint i = 0; i < OWN; i++) fetch_piece(kv_head, block, i, i);
#endif
}
void put(uint kv_head, uint block) {
#if MATRIX_PLAIN
  [[dont_unroll]] for (uint i = 0; i < OWN; i++) {
    fetch_piece(kv_head, block, i, 0u);
    put_piece(i, 0u);
  }
#else
  [[unroll]] for (uint i = 0; i < OWN; i++) put_piece(i, i);
#endif
  if (SCORER == kScorerAutomatic)
    for (uint page = gl_LocalInvocationID.x; page < kPageBlock; page += INVOCATIONS)
      spreads[page / 4u][page % 4u] = Floats(p.bounds + spread_offset(kv_head, block * kPageBlock + page, BLOCKS, HEAD_WIDTH)).v[0];
}

// Query `row` of the KV head's: tile by tile, in each its sampled rows, of those the heads.
struct Row { PageTile t; uint tile, q, pages; };
Row row_at(uint row, StepState state) {
  Row r;
  r.tile = p.first_tile + row / QUERIES;
  r.q = row % QUERIES;
  r.t = page_tile(r.tile, state);
  r.pages = r.t.rows == 0u || r.t.everything ? 0u : estimated_pages(r.t, r.q / GROUP);
  return r;
}

uint64_t query_address(Row r, uint kv_head) {
  uint token = r.t.token + sampled_row(r.t, r.q / GROUP), head = kv_head * GROUP + r.q % GROUP;
  return p.query + uint64_t((token * p.kv_heads * GROUP + head) * HEAD_WIDTH) * 4ul;
}
// Page `page` - 1 in the order of scores, of equal ones the later first; none: 0. And what the neighbouring lane has.
uint64_t ranked(float score, uint page) { return page == 0u ? 0ul : (uint64_t(ordered_key(floatBitsToUint(score))) << 32) | uint64_t(page); }
uint64_t neighbours(uint64_t rank) {
  return (uint64_t(subgroupShuffleXor(uint(rank >> 32), 1u)) << 32) | uint64_t(subgroupShuffleXor(uint(rank), 1u));
}

void main() {
  StepState state = State(p.state).s;
  const uint chunks = (BLOCKS + CHUNK - 1u) / CHUNK;
  uint kv_head = gl_WorkGroupID.x, group = gl_WorkGroupID.y / chunks;
  uint tiles = (state.tokens + TILE - 1u) / TILE, first_row = group * SUBGROUPS * kFragment;
  if (tiles <= p.first_tile) return;
  tiles = min(tiles - p.first_tile, p.tiles);
  if (first_row >= tiles * QUERIES) return;
  uint end_row = min(first_row + SUBGROUPS * kFragment, tiles * QUERIES);
  // The last tile sees the most pages, but the first may be one that chooses.
  uint blocks = 0u;
  for (uint tile = first_row / QUERIES; tile <= (end_row - 1u) / QUERIES; tile++)
    blocks = max(blocks, blocks_of(row_at(tile * QUERIES + QUERIES - 1u, state).pages));
  uint block = gl_WorkGroupID.y % chunks * CHUNK, end_block = min(block + CHUNK, blocks);
  if (block >= end_block) return;
  fetch(kv_head, block);

  Left queries[WIDTH_FRAGMENTS], magnitudes[WIDTH_FRAGMENTS];
  [[unroll]] for (uint from = 0; from < SUBGROUPS; from += QUERY_TURN) {
    if (from > 0u) barrier();
    const uint kUnits = QUERY_TURN * 16u * WIDTH_UNITS;
    [[dont_unroll]] for (uint some = gl_LocalInvocationID.x; some < kUnits; some += kTogether * INVOCATIONS) {
      vec4 low[kTogether], high[kTogether];
      [[unroll]] for (uint n = 0; n < kTogether; n++) {
        uint unit = min(some + n * INVOCATIONS, kUnits - 1u);
        Row r = row_at(min(first_row + from * 16u + unit / WIDTH_UNITS, end_row - 1u), state);
        Float4s x = Float4s(query_address(r, kv_head) + uint64_t(unit % WIDTH_UNITS * 32u));
        low[n] = x.v[0];
        high[n] = x.v[1];
      }
      [[unroll]] for (uint n = 0; n < kTogether; n++) {
        uint unit = some + n * INVOCATIONS, in_turn = unit / WIDTH_UNITS;
        if (unit >= kUnits) break;
        vec4 a = within_halves(low[n]), b = within_halves(high[n]);
        uint to = OPERANDS + in_turn / 16u * (OPERAND_KINDS * OPERAND) + in_turn % 16u * PITCH + unit % WIDTH_UNITS;
        tile[to] = uvec4(halves(a), halves(b));
        if (OPERAND_KINDS > 1u) tile[to + OPERAND] = uvec4(halves(abs(a)), halves(abs(b)));
      }
    }
    barrier();
    if (gl_SubgroupID >= from && gl_SubgroupID < from + QUERY_TURN)
      [[unroll]] for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
        uint unit = OPERANDS + (gl_SubgroupID - from) * (OPERAND_KINDS * OPERAND) + d * 2u;
        load_queries(queries[d], unit);
        if (OPERAND_KINDS > 1u) load_queries(magnitudes[d], unit + OPERAND);
      }
  }
  barrier();

  // Lanes take the halves of rows in turn.
  const float scale = inversesqrt(float(HEAD_WIDTH));
  const uint kLaneRows = (2u * kFragment + LANES - 1u) / LANES;
  uint room = gl_SubgroupID * kFragment * kRowPitch;
  // Of this lane's rows: what spread is worth to them, pages that are estimated, of those the remote ones, where what is known of
  // their blocks is kept; and whether this lane keeps it.
  float worth[kLaneRows];
  uint pages_of[kLaneRows], far[kLaneRows], near[kLaneRows], blocks_of_row[kLaneRows];
  bool keeps[kLaneRows];
  [[unroll]] for (uint turn = 0; turn < kLaneRows; turn++) {
    uint of_row = turn * LANES + gl_SubgroupInvocationID, number = first_row + gl_SubgroupID * kFragment + min(of_row / 2u, kFragment - 1u);
    Row r = row_at(min(number, end_row - 1u), state);
    pages_of[turn] = r.pages;
    far[turn] = r.t.far;
    near[turn] = min(r.t.near, r.pages);
    blocks_of_row[turn] = blocks_at(r.tile * p.kv_heads + kv_head, r.q);
    keeps[turn] = of_row < 2u * kFragment && number < end_row && of_row % 2u == 1u;
    if (SCORER != kScorerAutomatic) continue;
    Float4s x = Float4s(query_address(r, kv_head) + uint64_t(of_row % 2u * HEAD_WIDTH * 2u));
    float squares = 0.0;
    const uint kUnits = HEAD_WIDTH / 8u;
    [[dont_unroll]] for (uint i = 0; i < kUnits; i += 2u * kTogether) {
      vec4 v[2u * kTogether];
      [[unroll]] for (uint n = 0; n < 2u * kTogether; n++) v[n] = x.v[min(i + n, kUnits - 1u)];
      [[unroll]] for (uint n = 0; n < 2u * kTogether; n++) squares += i + n < kUnits ? dot(v[n], v[n]) : 0.0;
    }
    worth[turn] = (squares + subgroupShuffleXor(squares, 1u)) / float(2u * HEAD_WIDTH);
  }
  [[dont_unroll]] for (; block < end_block; block++) {
    put(kv_head, block);
    barrier();
    if (block + 1u < end_block) fetch(kv_head, block + 1u);
    [[unroll]] for (uint column = 0; column < COLUMNS; column++) {
      Sums first, second;
      clear(first);
      clear(second);
      FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
        uint unit = column * 16u * PITCH + d * 2u;
        Right pages;
        load_keys(pages, unit);
        add_scores(first, queries[d], pages);
        if (PLANES > 1u) load_keys(pages, unit + PLANE);
        if (SCORER == kScorerAutomatic) add_scores(second, queries[d], pages);
        if (SCORER == kScorerQuest) add_scores(second, magnitudes[d], pages);
      }
      EACH(i, first) {
        float a = AT(first, i) * scale, b = AT(second, i) * scale;
        AT(first, i) = SCORER == kScorerAutomatic ? log_mean_exp(a, b) : a + b;
      }
      put_row_sums(first, room + column * 4u, kRowPitch);
    }
    subgroupBarrier();
    [[unroll]] for (uint turn = 0; turn < kLaneRows; turn++) {
      uint of_row = turn * LANES + gl_SubgroupInvocationID, row = min(of_row / 2u, kFragment - 1u), part = of_row % 2u;
      uint at = room + row * kRowPitch + part * (kRowUnits / 2u), page = block * kPageBlock + part * 16u;
      vec4 score[4];
      [[unroll]] for (uint i = 0; i < 4u; i++) {
        score[i] = rows[at + i];
        if (SCORER == kScorerAutomatic) score[i] += worth[turn] * spreads[part * 4u + i];
      }
      float best_score = kLowestScore;
      uint best = 0u;  // page + 1
      // Nearly all are of remote pages alone, which are all estimated.
      bool all_remote = page >= far[turn] && page + 16u <= near[turn];
      if (all_remote) {
        vec4 largest = max(max(score[0], score[1]), max(score[2], score[3]));
        best_score = max(max(largest.x, largest.y), max(largest.z, largest.w));
        [[unroll]] for (uint i = 0; i < 16u; i++)
          if (score[i / 4u][i % 4u] >= best_score) best = page + i + 1u;
      } else {
        [[unroll]] for (uint i = 0; i < 16u; i++) {
          if (page + i >= far[turn] && page + i < near[turn] && score[i / 4u][i % 4u] >= best_score) {
            best_score = score[i / 4u][i % 4u];
            best = page + i + 1u;
          }
          if (page + i >= pages_of[turn]) score[i / 4u][i % 4u] = kLowestScore;
        }
      }
      vec4 largest = max(max(score[0], score[1]), max(score[2], score[3]));
      float highest = max(max(largest.x, largest.y), max(largest.z, largest.w)), sum = 0.0;
      highest = max(highest, subgroupShuffleXor(highest, 1u));
      [[unroll]] for (uint i = 0; i < 4u; i++) {
        vec4 weight = exp(score[i] - highest);
        if (!all_remote) weight = mix(vec4(0.0), weight, lessThan(uvec4(page + 4u * i) + uvec4(0, 1, 2, 3), uvec4(pages_of[turn])));
        sum += weight.x;
        sum += weight.y;
        sum += weight.z;
        sum += weight.w;
        if (of_row < 2u * kFragment) rows[at + i] = weight;
      }
      sum += subgroupShuffleXor(sum, 1u);
      uint64_t first = ranked(best_score, best), other = neighbours(first);
      if (keeps[turn] && pages_of[turn] > block * kPageBlock) {
        uint to = blocks_of_row[turn] + block;
        SharedFloat2s(p.totals).v[to] = vec2(highest, sum);
        SharedKeys(p.best).v[2u * to] = max(first, other);
      }
    }
    subgroupBarrier();
    [[dont_unroll]] for (uint unit = gl_SubgroupInvocationID; unit < kFragment * kRowUnits; unit += LANES) {
      uint row = unit / kRowUnits, number = first_row + gl_SubgroupID * kFragment + row;
      if (number >= end_row) break;
      uint slot = (p.first_tile + number / QUERIES) * p.kv_heads + kv_head;
      Float4s to = Float4s(p.scores + uint64_t(scores_of(slot, number % QUERIES) + block * kPageBlock) * 4ul);
      to.v[unit % kRowUnits] = rows[room + row * kRowPitch + unit % kRowUnits];
    }
    barrier();
  }
}
