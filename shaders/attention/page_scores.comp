// What each page is thought to score for the queries that choose (units of q.k / sqrt(head_width), as
// engine/reference/sparse_attention page_score), as weights: exponentials relative to the largest score of their block of 32
// pages; of every block that score, the weights' sum and each query's two best remote pages. A workgroup per KV head, tile
// and CHUNK blocks; grid (kv_heads, tiles * chunks). A subgroup takes some of the queries for one block, a lane a page: bounds are read 16 bytes a lane, side by side, and
// no sum crosses lanes. A CPU driver, which gathers lane by lane, loads them 64 bits at a time, and lanes hand the queries round.
// Behind it page_choice. One token's on a GPU are page_scores_token.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_shader_subgroup_extended_types_int64 : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
#include "shaders/include/page_rule.glsl"
layout(constant_id = 11) const uint LANES = 32;  // subgroup size
layout(constant_id = 12) const uint SUBGROUPS = 4;
layout(constant_id = 13) const uint AT_ONCE = 1;  // queries that a subgroup scores together
layout(constant_id = 14) const uint CHUNK = 1;    // blocks of a workgroup
layout(constant_id = 15) const uint SCORER = kScorerAutomatic;
layout(constant_id = 16) const bool STAGED = true;  // queries go through shared memory
layout(constant_id = 17) const uint HEAD_WIDTH = 64;
layout(constant_id = 18) const uint TURNS = 4;    // pieces whose loads are issued together

#include "shaders/include/touches.glsl"
#include "shaders/sample/ordered_key.glsl"

const uint PIECES = (HEAD_WIDTH + kBoundPiece - 1) / kBoundPiece;
// Whether lanes hand the queries round; no constant, which glslang would not carry into all functions.
#define HANDED (!STAGED && TURNS == 1u && LANES >= kBoundPiece && HEAD_WIDTH % kBoundPiece == 0u)
const uint QUERY_VECTORS = PIECES * 2;
shared vec4 pool[STAGED ? QUERIES * QUERY_VECTORS : 1];

// Query `q` of the tile: sample q / GROUP, head q % GROUP of the KV head.
uint64_t query_address(PageTile t, uint kv_head, uint q) {
  uint token = t.token + sampled_row(t, q / GROUP), head = kv_head * GROUP + q % GROUP;
  return p.query + uint64_t((token * p.kv_heads * GROUP + head) * HEAD_WIDTH) * 4ul;
}
void stage_queries(PageTile t, uint kv_head) {
  [[dont_unroll]] for (uint q = gl_SubgroupID; q < QUERIES; q += SUBGROUPS) {
    for (uint d = HEAD_WIDTH + gl_SubgroupInvocationID; d < QUERY_VECTORS * 4u; d += LANES) pool[q * QUERY_VECTORS + d / 4u][d % 4u] = 0.0;
    Floats row = Floats(query_address(t, kv_head, q));
    [[dont_unroll]] for (uint d = gl_SubgroupInvocationID; d < HEAD_WIDTH; d += LANES) pool[q * QUERY_VECTORS + d / 4u][d % 4u] = row.v[d];
  }
  barrier();
}
// Four channels of a query; behind the head anything, since bounds are zeros there.
vec4 query_at(uint64_t row, uint q, uint vector) {
  if (STAGED) return pool[q * QUERY_VECTORS + vector];
  if (HEAD_WIDTH % 8u == 0u) return Float4s(row).v[vector];
  uvec4 at = min(vector * 4u + uvec4(0, 1, 2, 3), HEAD_WIDTH - 1u);
  Floats all = Floats(row);
  return vec4(all.v[at.x], all.v[at.y], all.v[at.z], all.v[at.w]);
}

vec4 halves_of(uint low, uint high) { return vec4(unpackHalf2x16(low), unpackHalf2x16(high)); }

// Bounds of this lane's page, TURNS pieces of them: on their way from memory while those before are used, the first of all
// while queries are staged.
const uint kPieceBytes = (SCORER == kScorerMean ? 1u : 2u) * kBoundPlaneBytes;
uvec4 low_words[TURNS], high_words[TURNS];
uvec4 piece_at(uint64_t at) {
  if (STAGED) return Uint4s(at).v[0];
  return uvec4(unpackUint2x32(Addresses(at).v[0]), unpackUint2x32(Addresses(at).v[1]));
}
void bring(uint64_t bounds, uint first) {
  [[unroll]] for (uint n = 0; n < TURNS; n++) {
    uint64_t at = bounds + uint64_t(min(first + n, PIECES - 1u) * kPieceBytes);
    low_words[n] = piece_at(at);
    if (SCORER != kScorerMean) high_words[n] = piece_at(at + uint64_t(kBoundPlaneBytes));
  }
}
uint64_t bounds_of(uint kv_head, uint page) { return p.bounds + bound_offset(kv_head, page, 0u, BLOCKS, HEAD_WIDTH, SCORER); }

// |q|^2 / (2 HEAD_WIDTH) of AT_ONCE queries: what spread of keys is worth to them.
void spread_worths(PageTile t, uint kv_head, uint q0, out float worth[AT_ONCE]) {
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
    uint q = min(q0 + i, QUERIES - 1u);
    float squares = 0.0;
    if (STAGED) {
      [[dont_unroll]] for (uint v = gl_SubgroupInvocationID; v < QUERY_VECTORS; v += LANES) squares += dot(pool[q * QUERY_VECTORS + v], pool[q * QUERY_VECTORS + v]);
    } else {
      Floats row = Floats(query_address(t, kv_head, q));
      [[dont_unroll]] for (uint d = gl_SubgroupInvocationID; d < HEAD_WIDTH; d += LANES) squares += row.v[d] * row.v[d];
    }
    worth[i] = subgroupAdd(squares) / float(2u * HEAD_WIDTH);
  }
}

// Sums over channels of q * centre and |q| * range; between bounds these are twice the middle and twice its distance from either.
// Of halves' means the sums of q * mean.
float middle[AT_ONCE], reach[AT_ONCE];
uint64_t rows[AT_ONCE];  // of the queries
uint numbers[AT_ONCE];
// Adds TURNS pieces from `first` on, which have been asked for, and asks for those behind them.
void add_pieces(uint64_t bounds, uint first) {
  uvec4 low[TURNS], high[TURNS];
  [[unroll]] for (uint n = 0; n < TURNS; n++) {
    low[n] = low_words[n];
    high[n] = high_words[n];
  }
  if (first + TURNS < PIECES) bring(bounds, first + TURNS);
  [[unroll]] for (uint n = 0; n < TURNS; n++) {
    if (PIECES % TURNS != 0u && first + n >= PIECES) continue;
    float own[AT_ONCE];  // a channel of each query
    if (HANDED)
      [[unroll]] for (uint i = 0; i < AT_ONCE; i++) own[i] = Floats(rows[i]).v[first * kBoundPiece + gl_SubgroupInvocationID % kBoundPiece];
    [[unroll]] for (uint half_piece = 0; half_piece < 2; half_piece++) {
      vec4 a = halves_of(low[n][2 * half_piece], low[n][2 * half_piece + 1]), centre = a, range = vec4(0.0);
      if (SCORER != kScorerMean) range = halves_of(high[n][2 * half_piece], high[n][2 * half_piece + 1]);
      if (SCORER == kScorerQuest) {
        centre = a + range;
        range -= a;
      }
      uint vector = (first + n) * 2u + half_piece;
      [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
        vec4 x;
        if (HANDED)
          [[unroll]] for (uint c = 0; c < 4; c++) x[c] = subgroupShuffle(own[i], 4u * half_piece + c);
        else
          x = query_at(rows[i], numbers[i], vector);
        middle[i] += dot(x, centre);
        if (SCORER != kScorerMean) reach[i] += dot(SCORER == kScorerQuest ? abs(x) : x, range);
      }
    }
  }
}

// Scores of AT_ONCE queries from q0 on for this lane's page, the first of whose bounds have been asked for.
void score_page(PageTile t, uint kv_head, uint q0, uint page, float worth[AT_ONCE], out float score[AT_ONCE]) {
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
    middle[i] = 0.0;
    reach[i] = 0.0;
    numbers[i] = min(q0 + i, QUERIES - 1u);
    rows[i] = STAGED ? 0ul : query_address(t, kv_head, numbers[i]);
  }
  uint64_t bounds = bounds_of(kv_head, page);
  [[dont_unroll]] for (uint first = 0; first < PIECES; first += TURNS) add_pieces(bounds, first);
  const float scale = (SCORER == kScorerQuest ? 0.5 : 1.0) * inversesqrt(float(HEAD_WIDTH));
  float spread = 0.0;
  if (SCORER == kScorerAutomatic) spread = Floats(p.bounds + spread_offset(kv_head, page, BLOCKS, HEAD_WIDTH)).v[0];
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
    if (SCORER == kScorerAutomatic)
      score[i] = log_mean_exp(middle[i] * scale, reach[i] * scale) + worth[i] * spread;
    else
      score[i] = (middle[i] + reach[i]) * scale;
  }
}

const uint PARTS = LANES < kPageBlock ? kPageBlock / LANES : 1;  // of a block, for a subgroup
uint first_page(uint block) { return block * kPageBlock + gl_SubgroupInvocationID; }

// One block for AT_ONCE queries, by one subgroup. `asked`: its first page's bounds have been asked for.
void score_block(PageTile t, uint kv_head, uint slot, uint block, uint q0, bool asked) {
  float scores[PARTS * AT_ONCE], maximum[AT_ONCE], sum[AT_ONCE], worth[AT_ONCE];
  if (SCORER == kScorerAutomatic) spread_worths(t, kv_head, q0, worth);
  if (HANDED) {  // which reads a page's pieces in turn, far from each other
    const uint kLines = PIECES * kPieceBytes / 64u;
    uint64_t all = bounds_of(kv_head, block * kPageBlock);
    [[dont_unroll]] for (uint line = gl_SubgroupInvocationID; line < kLines; line += 4u * LANES)
      [[unroll]] for (uint i = 0; i < 4; i++) touch_at(all + uint64_t(min(line + i * LANES, kLines - 1u) * 64u));
  }
  uint64_t first[AT_ONCE], second[AT_ONCE];
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
    maximum[i] = kLowestScore;
    sum[i] = 0.0;
    first[i] = 0ul;
    second[i] = 0ul;
  }
  [[dont_unroll]] for (uint part = 0; part < PARTS; part++) {
    uint page = block * kPageBlock + part * LANES + gl_SubgroupInvocationID;
    float score[AT_ONCE];
    if (part > 0u || !asked) bring(bounds_of(kv_head, page), 0u);
    score_page(t, kv_head, q0, page, worth, score);
    [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
      uint q = min(q0 + i, QUERIES - 1u);
      bool real = gl_SubgroupInvocationID < kPageBlock && page < estimated_pages(t, q / GROUP);
      float mine = real ? score[i] : kLowestScore;
      scores[part * AT_ONCE + i] = mine;
      maximum[i] = max(maximum[i], mine);
      bool remote = real && page >= t.far && page < t.near;
      uint64_t key = remote ? (uint64_t(ordered_key(floatBitsToUint(mine))) << 32) | uint64_t(page + 1u) : 0ul;
      second[i] = max(second[i], min(key, first[i]));
      first[i] = max(first[i], key);
    }
  }
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
    maximum[i] = subgroupMax(maximum[i]);
    uint64_t best = subgroupMax(first[i]);
    second[i] = SAMPLES == 1u ? subgroupMax(first[i] == best ? second[i] : first[i]) : 0ul;
    first[i] = best;
  }
  [[dont_unroll]] for (uint part = 0; part < PARTS; part++) {
    uint page = block * kPageBlock + part * LANES + gl_SubgroupInvocationID;
    [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
      float mine = scores[part * AT_ONCE + i], weight = mine > kLowestScore ? exp(mine - maximum[i]) : 0.0;
      if (q0 + i < QUERIES && gl_SubgroupInvocationID < kPageBlock) SharedFloats(p.scores).v[scores_of(slot, q0 + i) + page + of_touches()] = weight;
      sum[i] += weight;
    }
  }
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) sum[i] = subgroupAdd(sum[i]);
  if (!subgroupElect()) return;
  [[unroll]] for (uint i = 0; i < AT_ONCE; i++) {
    if (q0 + i >= QUERIES) continue;
    uint at = blocks_at(slot, q0 + i) + block;
    SharedFloat2s(p.totals).v[at] = vec2(maximum[i], sum[i]);
    SharedKeys(p.best).v[2u * at] = first[i];
    SharedKeys(p.best).v[2u * at + 1u] = second[i];
  }
}

void main() {
  const uint chunks = (BLOCKS + CHUNK - 1) / CHUNK;
  uint kv_head = gl_WorkGroupID.x, tile = p.first_tile + gl_WorkGroupID.y / chunks, chunk = gl_WorkGroupID.y % chunks;
  PageTile t = page_tile(tile);
  if (t.rows == 0u || t.everything) return;
  uint slot = tile * p.kv_heads + kv_head, blocks = blocks_of(estimated_pages(t, SAMPLES - 1u));
  if (chunk * CHUNK >= blocks) return;
  const uint batches = (QUERIES + AT_ONCE - 1) / AT_ONCE;
  uint first_block = chunk * CHUNK + gl_SubgroupID / batches;
  bool asks = STAGED && gl_SubgroupID < CHUNK * batches && first_block < blocks;
  if (asks) bring(bounds_of(kv_head, first_page(first_block)), 0u);
  if (STAGED) stage_queries(t, kv_head);
  [[dont_unroll]] for (uint unit = gl_SubgroupID; unit < CHUNK * batches; unit += SUBGROUPS) {
    uint block = chunk * CHUNK + unit / batches;
    if (block < blocks) score_block(t, kv_head, slot, block, unit % batches * AT_ONCE, asks && unit == gl_SubgroupID);
  }
}
