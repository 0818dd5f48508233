// As page_scores, for the tiles of a prompt: scores are products of matrices
// (shaders/include/attention_fragments.glsl), of the sampled queries of all tiles by the pages of a block. Behind it page_choice.
//
// A workgroup takes 16 queries of a KV head a subgroup, which stay where they are multiplied from, and CHUNK blocks of pages in
// turn; grid (kv_heads, query groups * chunks). A block's bounds are in shared memory once for all queries, while the next one's
// are on their way, into a room of their own where there is one: the means of pages' halves as they are kept, or the middles between smallest and largest keys and half
// the ranges, which |q| is multiplied by. From sums to weights a block's scores stay in fragments, and weights leave from there;
// only what is known of a row as a whole goes through shared memory, four numbers of it.
//
// Scores are in octaves here: queries are multiplied by log2 e beside the scale.
//
// Precision: queries (times scale and log2 e), middles and ranges are rounded to halves (each off by 2^-11 of itself at most;
// beyond 65504 they are taken as that), products are exact and sums float. What a page's spread counts for a query is of the
// rounded query.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
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
#if MATRIX_PLAIN
const uint kWidestTwice = 64u;
#else
const uint kWidestTwice = 128u;
#endif
const uint ROOMS = HEAD_WIDTH <= kWidestTwice ? 2u : 1u, BOUND_UNITS = ROOMS * PLANES * PLANE;  // for bounds
const uint OPERAND = 16u * PITCH;  // units of a subgroup's queries or their magnitudes
const uint OPERAND_KINDS = SCORER == kScorerQuest ? 2u : 1u;
#if MATRIX_PLAIN
// Queries stay in shared memory, behind the planes.
const uint QUERY_TURN = SUBGROUPS, OPERANDS = BOUND_UNITS, TILE_UNITS = OPERANDS + SUBGROUPS * OPERAND_KINDS * OPERAND;
#else
// Queries come through the room of the planes to registers, as many subgroups' a turn as it holds; for those of all there is more
// room up to kQueryUnits.
const uint kQueryUnits = 2048u, ALL_QUERIES = SUBGROUPS * OPERAND_KINDS * OPERAND, QUERY_UNITS = ALL_QUERIES < kQueryUnits ? ALL_QUERIES : kQueryUnits;
const uint OPERANDS = 0u, TILE_UNITS = BOUND_UNITS > QUERY_UNITS ? BOUND_UNITS : QUERY_UNITS;
const uint QUERY_ROOM = TILE_UNITS / (OPERAND_KINDS * OPERAND), QUERY_TURN = QUERY_ROOM < SUBGROUPS ? QUERY_ROOM : SUBGROUPS;
#endif
#include "shaders/include/attention_fragments.glsl"
#include "shaders/sample/ordered_key.glsl"

const uint WIDTH_FRAGMENTS = HEAD_WIDTH / kFragment, COLUMNS = kPageBlock / kFragment;
#if MATRIX_PLAIN
const uint kTogether = 1u;
#else
const uint kTogether = 8u;  // units of queries whose loads are issued together
#endif
const float kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
const float kLeast = -1.0e30;  // what is no page weighs nothing even where a block has none
shared float spreads[ROOMS * kPageBlock];  // of a block's pages
// Of each subgroup's rows: pages that are estimated, where the remote ones of those begin and end.
const uint kRowPages = 0u, kRowFar = 1u, kRowNear = 2u, kRowFacts = 3u;
shared float row_facts[SUBGROUPS * kRowFacts * kFragment];
uint row_fact(uint fact) { return (gl_SubgroupID * kRowFacts + fact) * kFragment; }

// load_of_rows: every element becomes what row_facts has for its row; load_of_columns: what spreads have for its column.
// put_stage: all of it to the subgroup's part of `stage`. put_rows: to rows of scores, SCORES numbers apart.
#if MATRIX_PLAIN
#define ALL_WORK true  // also subgroups whose rows are at their end: drivers of CPUs let them wait for one another
const uint kStagePitch = 4u;  // units of four
shared vec4 stage[SUBGROUPS * kFragment * kStagePitch];
uint stage_base() { return gl_SubgroupID * kFragment * kStagePitch; }
uint row_of(uint i) { return lane_row() + i / OWN_COLUMNS * LANE_ROWS; }
uint column_of(uint i) { return lane_column() + i % OWN_COLUMNS; }
void load_of_rows(out Sums sums, uint at) { EACH(i, sums) AT(sums, i) = row_facts[at + row_of(i)]; }
void load_of_columns(out Sums sums, uint at) { EACH(i, sums) AT(sums, i) = spreads[at + column_of(i)]; }
void put_stage(Sums sums) { EACH(i, sums) stage[stage_base() + row_of(i) * kStagePitch + column_of(i) / 4u][column_of(i) % 4u] = AT(sums, i); }
void put_rows(Sums sums, uint64_t to) { EACH(i, sums) Floats(to + uint64_t(row_of(i) * SCORES + column_of(i)) * 4ul).v[0] = AT(sums, i); }
#else
#define ALL_WORK false
void load_of_rows(out Sums sums, uint at) { coopMatLoad(sums, row_facts, at, 0, gl_CooperativeMatrixLayoutColumnMajor); }
void load_of_columns(out Sums sums, uint at) { coopMatLoad(sums, spreads, at, 0, gl_CooperativeMatrixLayoutRowMajor); }
void put_stage(Sums sums) { coopMatStore(sums, stage, stage_base(), kStagePitch, gl_CooperativeMatrixLayoutRowMajor); }
void put_rows(Sums sums, uint64_t to) { coopMatStore(sums, Float4s(to).v, 0, SCORES / 4u, gl_CooperativeMatrixLayoutRowMajor); }
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
const uint OWN_SPREADS = (kPageBlock + INVOCATIONS - 1u) / INVOCATIONS;
float own_spreads[OWN_SPREADS];
void fetch_spreads(uint kv_head, uint block) {
  [[unroll]] for (uint i = 0; i < OWN_SPREADS; i++) {
    uint page = block * kPageBlock + min(gl_LocalInvocationID.x + i * INVOCATIONS, kPageBlock - 1u);
    own_spreads[i] = Floats(p.bounds + spread_offset(kv_head, page, BLOCKS, HEAD_WIDTH)).v[0];
  }
}
void put_spreads(uint room) {
  [[unroll]] for (uint i = 0; i < OWN_SPREADS; i++) {
    uint page = gl_LocalInvocationID.x + i * INVOCATIONS;
    if (page < kPageBlock) spreads[room * kPageBlock + page] = own_spreads[i];
  }
}
void fetch_piece(uint kv_head, uint block, uint i, uint kept) {
  uint unit = min(gl_LocalInvocationID.x + i * INVOCATIONS, BLOCK_PIECES - 1u), piece = unit / kPageBlock, page = block * kPageBlock + unit % kPageBlock;
  uint64_t at = p.bounds + bound_offset(kv_head, page, piece, BLOCKS, HEAD_WIDTH, SCORER);
  low[kept] = Uint4s(at).v[0];
  if (PLANES > 1u) high[kept] = Uint4s(at + uint64_t(kBoundPlaneBytes)).v[0];
}
void put_piece(uint i, uint kept, uint room) {
  uint unit = gl_LocalInvocationID.x + i * INVOCATIONS, to = room * PLANES * PLANE + unit % kPageBlock * PITCH + unit / kPageBlock;
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
  if (SCORER == kScorerAutomatic) fetch_spreads(kv_head, block);
#if !MATRIX_PLAIN
  [[unroll]] for (uint i = 0; i < OWN; i++) fetch_piece(kv_head, block, i, i);
#endif
}
void put(uint kv_head, uint block, uint room) {
#if MATRIX_PLAIN
  [[dont_unroll]] for (uint i = 0; i < OWN; i++) {
    fetch_piece(kv_head, block, i, 0u);
    put_piece(i, 0u, room);
  }
#else
  [[unroll]] for (uint i = 0; i < OWN; i++) put_piece(i, i, room);
#endif
  if (SCORER == kScorerAutomatic) put_spreads(room);
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

// log_mean_exp, of octaves and in such.
float log_mean_exp2(float a, float b) { return max(a, b) + log2(0.5 + 0.5 * exp2(-abs(a - b))); }
uint64_t query_address(Row r, uint kv_head) {
  uint token = r.t.token + sampled_row(r.t, r.q / GROUP), head = kv_head * GROUP + r.q % GROUP;
  return p.query + uint64_t((token * p.kv_heads * GROUP + head) * HEAD_WIDTH) * 4ul;
}
// Page `page` - 1 in the order of scores, of equal ones the later first; none: 0.
uint64_t ranked(float score, uint page) { return page == 0u ? 0ul : (uint64_t(ordered_key(floatBitsToUint(score))) << 32) | uint64_t(page); }

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

  const float scale = inversesqrt(float(HEAD_WIDTH)) * kLog2E;
  Left queries[WIDTH_FRAGMENTS], magnitudes[WIDTH_FRAGMENTS];
  Sums worth;  // of a row: what spread counts, half the square of its query
  clear(worth);
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
        vec4 a = within_halves(low[n] * scale), b = within_halves(high[n] * scale);
        uint to = OPERANDS + in_turn / 16u * (OPERAND_KINDS * OPERAND) + in_turn % 16u * PITCH + unit % WIDTH_UNITS;
        tile[to] = uvec4(halves(a), halves(b));
        if (OPERAND_KINDS > 1u) tile[to + OPERAND] = uvec4(halves(abs(a)), halves(abs(b)));
      }
    }
    barrier();
    if (gl_SubgroupID >= from && gl_SubgroupID < from + QUERY_TURN)
      FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
        uint unit = OPERANDS + (gl_SubgroupID - from) * (OPERAND_KINDS * OPERAND) + d * 2u;
        load_queries(queries[d], unit);
        if (OPERAND_KINDS > 1u) load_queries(magnitudes[d], unit + OPERAND);
        if (SCORER == kScorerAutomatic) {  // queries by queries, of which the diagonal is kept
          Right same;
          load_keys(same, unit);
          add_scores(worth, queries[d], same);
        }
      }
  }
  Sums columns;  // every element its column
  load_columns(columns);
  if (SCORER == kScorerAutomatic) {
    Sums slant;
    load_slant(slant, kFragment);
    EACH(i, slant) AT(worth, i) = AT(slant, i) == 0.0 ? AT(worth, i) * (0.5 / kLog2E) : 0.0;
    reduce_totals(worth);
  }

  // The fragment's rows; lanes take one each. Those past the end repeat the last one and are not written.
  const uint kLaneRows = (kFragment + LANES - 1u) / LANES;
  uint own_row = first_row + gl_SubgroupID * kFragment, own_end = min(own_row + kFragment, end_row);
  uint pages_of[kLaneRows], blocks_of_row[kLaneRows];
  [[unroll]] for (uint turn = 0; turn < kLaneRows; turn++) {
    uint row = turn * LANES + gl_SubgroupInvocationID;
    Row r = row_at(min(own_row + row, end_row - 1u), state);
    pages_of[turn] = own_row + row < own_end ? r.pages : 0u;
    blocks_of_row[turn] = blocks_at(r.tile * p.kv_heads + kv_head, r.q);
    if (row >= kFragment) break;
    row_facts[row_fact(kRowPages) + row] = float(r.pages);
    row_facts[row_fact(kRowFar) + row] = float(r.t.far);
    row_facts[row_fact(kRowNear) + row] = float(min(r.t.near, r.pages));
  }
  // Later rows see no fewer pages, and the remote ones of theirs begin and end no sooner.
  Row oldest = row_at(min(own_row, end_row - 1u), state), newest = row_at(min(own_row + kFragment, end_row) - 1u, state);
  uint all_from = newest.t.far, all_to = min(oldest.t.near, oldest.pages), own_blocks = own_row < end_row ? blocks_of(newest.pages) : 0u;
  const bool kSideBySide = QUERIES % kFragment == 0u;  // rows of scores
  uint64_t own_scores = p.scores + uint64_t(scores_of(oldest.tile * p.kv_heads + kv_head, oldest.q)) * 4ul;
  barrier();

  uint room = 0u;
  put(kv_head, block, room);
  barrier();
  [[dont_unroll]] for (; block < end_block; block++) {
    if (block + 1u < end_block) fetch(kv_head, block + 1u);
    if (ALL_WORK || block < own_blocks) {
      uint page = block * kPageBlock;
      Sums score[COLUMNS], second[COLUMNS];
      [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
        clear(score[c]);
        clear(second[c]);
      }
      FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++)
        [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
          uint unit = room * PLANES * PLANE + c * 16u * PITCH + d * 2u;
          Right pages;
          load_keys(pages, unit);
          add_scores(score[c], queries[d], pages);
          if (PLANES > 1u) load_keys(pages, unit + PLANE);
          if (SCORER == kScorerAutomatic) add_scores(second[c], queries[d], pages);
          if (SCORER == kScorerQuest) add_scores(second[c], magnitudes[d], pages);
        }
      [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
        if (SCORER == kScorerAutomatic) {
          Sums spread;
          load_of_columns(spread, room * kPageBlock + c * kFragment);
          EACH(i, spread) AT(score[c], i) = log_mean_exp2(AT(score[c], i), AT(second[c], i)) + AT(worth, i) * AT(spread, i);
        }
        if (SCORER == kScorerQuest) EACH(i, columns) AT(score[c], i) += AT(second[c], i);
      }
      // Of a row: its largest score, the sum of exponentials relative to it, and of the remote pages the best one, counted from 1
      // within the block (none: 0), and its score.
      Sums highest, total, best_score, best;
      bool all_remote = page >= all_from && page + kPageBlock <= all_to;  // and estimated: nearly all blocks
      clear(highest);
      clear(total);
      clear(best_score);
      clear(best);
      if (!all_remote) {
        Sums pages;
        load_of_rows(pages, row_fact(kRowPages));
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          EACH(i, pages)
            if (float(page + c * kFragment) + AT(columns, i) >= AT(pages, i)) AT(score[c], i) = kLowestScore;
      }
      EACH(i, highest) AT(highest, i) = kLeast;
      [[unroll]] for (uint c = 0; c < COLUMNS; c++)
        EACH(i, highest) AT(highest, i) = max(AT(highest, i), AT(score[c], i));
      reduce_maxima(highest);
      if (all_remote) {
        EACH(i, best_score) AT(best_score, i) = AT(highest, i);
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          EACH(i, best) AT(best, i) = AT(score[c], i) >= AT(highest, i) ? AT(columns, i) + float(c * kFragment + 1u) : AT(best, i);
      } else {
        Sums far, near;
        load_of_rows(far, row_fact(kRowFar));
        load_of_rows(near, row_fact(kRowNear));
        EACH(i, best_score) AT(best_score, i) = kLowestScore;
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          EACH(i, best) {
            float at = float(page + c * kFragment) + AT(columns, i);
            if (at >= AT(far, i) && at < AT(near, i)) AT(best_score, i) = max(AT(best_score, i), AT(score[c], i));
          }
        reduce_maxima(best_score);
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          EACH(i, best) {
            float at = float(page + c * kFragment) + AT(columns, i);
            if (at >= AT(far, i) && at < AT(near, i) && AT(score[c], i) >= AT(best_score, i)) AT(best, i) = AT(columns, i) + float(c * kFragment + 1u);
          }
      }
      reduce_maxima(best);
      // Of a row that chooses alone the next best one too.
      Sums next_score, next;
      if (SAMPLES == 1u) {
        Sums far, near;
        load_of_rows(far, row_fact(kRowFar));
        load_of_rows(near, row_fact(kRowNear));
        clear(next_score);
        clear(next);
        EACH(i, next) AT(next_score, i) = kLowestScore;
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          EACH(i, next) {
            float at = AT(columns, i) + float(c * kFragment), in_all = float(page) + at;
            if (in_all >= AT(far, i) && in_all < AT(near, i) && at + 1.0 != AT(best, i)) AT(next_score, i) = max(AT(next_score, i), AT(score[c], i));
          }
        reduce_maxima(next_score);
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          EACH(i, next) {
            float at = AT(columns, i) + float(c * kFragment), in_all = float(page) + at;
            if (in_all >= AT(far, i) && in_all < AT(near, i) && at + 1.0 != AT(best, i) && AT(score[c], i) >= AT(next_score, i)) AT(next, i) = at + 1.0;
          }
        reduce_maxima(next);
      }
      [[unroll]] for (uint c = 0; c < COLUMNS; c++)
        EACH(i, total) {
          float weight = exp2(AT(score[c], i) - AT(highest, i));
          AT(score[c], i) = weight;
          AT(total, i) += weight;
        }
      reduce_totals(total);

      [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
        if (kSideBySide) {
          if (own_row < end_row) put_rows(score[c], own_scores + uint64_t(page + c * kFragment) * 4ul);
          continue;
        }
        put_stage(score[c]);
        subgroupBarrier();
        [[dont_unroll]] for (uint unit = gl_SubgroupInvocationID; unit < kFragment * 4u; unit += LANES) {
          uint number = own_row + unit / 4u, slot = (p.first_tile + number / QUERIES) * p.kv_heads + kv_head;
          if (number >= own_end) break;
          Float4s to = Float4s(p.scores + uint64_t(scores_of(slot, number % QUERIES) + page + c * kFragment) * 4ul);
          to.v[unit % 4u] = stage[stage_base() + unit / 4u * kStagePitch + unit % 4u];
        }
        subgroupBarrier();
      }
      // Four columns have one of them each, two more the next best; the others are not read.
      EACH(i, columns) {
        float first_two = AT(columns, i) == 0.0 ? AT(highest, i) * kLn2 : AT(total, i), others = AT(columns, i) == 2.0 ? AT(best_score, i) : AT(best, i);
        float known = AT(columns, i) < 2.0 ? first_two : others;
        if (SAMPLES == 1u && AT(columns, i) >= 4.0) known = AT(columns, i) == 4.0 ? AT(next_score, i) : AT(next, i);
        AT(best, i) = known;
      }
      put_stage(best);
      subgroupBarrier();
      [[unroll]] for (uint turn = 0; turn < kLaneRows; turn++) {
        uint row = turn * LANES + gl_SubgroupInvocationID;
        if (row >= kFragment || pages_of[turn] <= page) continue;
        vec4 known = stage[stage_base() + row * kStagePitch];
        uint to = blocks_of_row[turn] + block;
        SharedFloat2s(p.totals).v[to] = known.xy;
        SharedKeys(p.best).v[2u * to] = ranked(known.z, known.w > 0.0 ? page + uint(known.w) : 0u);
        if (SAMPLES != 1u) continue;
        known = stage[stage_base() + row * kStagePitch + 1u];
        SharedKeys(p.best).v[2u * to + 1u] = ranked(known.x, known.y > 0.0 ? page + uint(known.y) : 0u);
      }
    }
    if (block + 1u == end_block) break;
    if (ROOMS == 1u) barrier();
    room = (room + 1u) % ROOMS;
    put(kv_head, block + 1u, room);
    barrier();
  }
}
