// As page_scores, of one token on a GPU, whose queries may still be raw, and the choice itself. A workgroup per KV head and CHUNK
// blocks of pages; grid (kv_heads, chunks).
//
// A lane takes a page of the block, a subgroup some of its channels for all GROUP queries, so that bounds are read and unpacked
// once; what the subgroups have of a score is added up in their order. Bounds are on their way while queries are normed and
// rotated. Where it CHOOSES, the workgroup that ends last for its KV head chooses; else page_choice comes behind.
// Where there is more to read than the device can have on its way, as of all layers at once, a subgroup takes ALONE blocks at a
// time by itself, in turn with the others of its workgroup: nobody waits for anybody.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
#include "shaders/include/page_rule.glsl"
layout(constant_id = 11) const bool IN_SHARED = true;  // of page_choice.glsl
const uint EVERY = 1u;                                 // likewise
layout(constant_id = 12) const uint LANES = 32;        // subgroup size
layout(constant_id = 13) const uint SUBGROUPS = 8;
layout(constant_id = 14) const uint CHUNK = 1;         // blocks of a workgroup
layout(constant_id = 15) const uint SCORER = kScorerAutomatic;
layout(constant_id = 16) const bool ROTATES = false;   // queries are raw
layout(constant_id = 17) const bool CHOOSES = false;
layout(constant_id = 18) const uint HEAD_WIDTH = 64;
layout(constant_id = 19) const uint ROPE_WIDTH = 64;
layout(constant_id = 20) const bool HALVES = true;
layout(constant_id = 21) const uint NORM = 0;
layout(constant_id = 22) const uint ALONE = 0;         // blocks that a subgroup takes at a time by itself; LANES is at most kPageBlock

#include "shaders/include/page_choice.glsl"
#include "shaders/include/page_best.glsl"
#include "shaders/include/rope.glsl"

const uint PIECES = (HEAD_WIDTH + kBoundPiece - 1) / kBoundPiece, OWN = (PIECES + SUBGROUPS - 1) / SUBGROUPS;
const uint PARTS = LANES < kPageBlock ? kPageBlock / LANES : 1;  // of a block, that lanes take in turn
const uint QUERY_VECTORS = PIECES * 2;
shared vec4 queries[GROUP * QUERY_VECTORS];
shared float worths[GROUP];                        // |q|^2 / (2 HEAD_WIDTH): what spread of keys is worth to a query
shared vec2 sums[ALONE == 0u ? SUBGROUPS * GROUP * kPageBlock : 1];  // of a page's two sums, what each subgroup has

void stage_query(uint kv_head, uint g, uint position) {
  uint at = g * QUERY_VECTORS;
  float squares = 0.0;
  for (uint d = HEAD_WIDTH + gl_SubgroupInvocationID; d < QUERY_VECTORS * 4u; d += LANES) queries[at + d / 4u][d % 4u] = 0.0;
  uint head = kv_head * GROUP + g;
  if (ROTATES) {
    RopeHead raw = rope_head(p.query, head, p.kv_heads * GROUP, p.query_norm, p.epsilon);
    [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < HEAD_WIDTH / 2u; i += LANES) {
      RopePair pair = rope_pair(raw, i, position, p.turns);
      queries[at + pair.at.x / 4u][pair.at.x % 4u] = pair.x.x;
      queries[at + pair.at.y / 4u][pair.at.y % 4u] = pair.x.y;
      squares += dot(pair.x, pair.x);
    }
  } else {
    Floats row = Floats(p.query + uint64_t(head * HEAD_WIDTH) * 4ul);
    [[dont_unroll]] for (uint d = gl_SubgroupInvocationID; d < HEAD_WIDTH; d += LANES) {
      float x = row.v[d];
      queries[at + d / 4u][d % 4u] = x;
      squares += x * x;
    }
  }
  squares = subgroupAdd(squares);
  if (subgroupElect()) worths[g] = squares / float(2u * HEAD_WIDTH);
}

// This subgroup's bounds of this lane's page.
uvec4 low[OWN], high[OWN];
void bring(uint kv_head, uint block, uint part) {
  uint page = block * kPageBlock + part * LANES + gl_SubgroupInvocationID % kPageBlock;
  [[unroll]] for (uint n = 0; n < OWN; n++) {
    uint piece = min(gl_SubgroupID + n * SUBGROUPS, PIECES - 1u);
    uint64_t at = p.bounds + bound_offset(kv_head, page, piece, BLOCKS, HEAD_WIDTH, SCORER);
    low[n] = Uint4s(at).v[0];
    if (SCORER != kScorerMean) high[n] = Uint4s(at + uint64_t(kBoundPlaneBytes)).v[0];
  }
}
vec4 halves_of(uint low, uint high) { return vec4(unpackHalf2x16(low), unpackHalf2x16(high)); }

// What 8 channels of a page add to its two sums with query g, over channels of q * centre and |q| * range: between bounds twice
// the middle and twice its distance from either. Of halves' means the sums of q * mean.
void add_piece(inout vec2 sum, uint g, uint piece, uvec4 low, uvec4 high) {
  [[unroll]] for (uint half_piece = 0; half_piece < 2u; half_piece++) {
    vec4 a = halves_of(low[2u * half_piece], low[2u * half_piece + 1u]), centre = a, range = vec4(0.0);
    if (SCORER != kScorerMean) range = halves_of(high[2u * half_piece], high[2u * half_piece + 1u]);
    if (SCORER == kScorerQuest) {
      centre = a + range;
      range -= a;
    }
    vec4 x = queries[g * QUERY_VECTORS + piece * 2u + half_piece];
    sum.x += dot(x, centre);
    if (SCORER != kScorerMean) sum.y += dot(SCORER == kScorerQuest ? abs(x) : x, range);
  }
}
float score_scale() { return (SCORER == kScorerQuest ? 0.5 : 1.0) * inversesqrt(float(HEAD_WIDTH)); }

void add_up(uint part) {
  vec2 sum[GROUP];
  [[unroll]] for (uint g = 0; g < GROUP; g++) sum[g] = vec2(0.0);
  [[unroll]] for (uint n = 0; n < OWN; n++) {
    uint piece = gl_SubgroupID + n * SUBGROUPS;
    if (PIECES % SUBGROUPS != 0u && piece >= PIECES) continue;
    [[unroll]] for (uint g = 0; g < GROUP; g++) add_piece(sum[g], g, piece, low[n], high[n]);
  }
  if (gl_SubgroupInvocationID >= kPageBlock) return;
  [[unroll]] for (uint g = 0; g < GROUP; g++)
    sums[(gl_SubgroupID * GROUP + g) * kPageBlock + part * LANES + gl_SubgroupInvocationID] = sum[g] * score_scale();
}

float spread_of(uint kv_head, uint page) { return SCORER == kScorerAutomatic ? Floats(p.bounds + spread_offset(kv_head, page, BLOCKS, HEAD_WIDTH)).v[0] : 0.0; }

// The scores of query g for the block, by the two sums and the spread of the lane's pages, and what is left of them.
void leave_scores(PageTile t, uint slot, uint block, uint g, vec2 totals[PARTS], float spreads[PARTS]) {
  float score[PARTS], highest = kLowestScore, sum = 0.0, worth = worths[g];
  uint estimated = estimated_pages(t, 0u);
  uint64_t first = 0ul, second = 0ul;
  [[unroll]] for (uint part = 0; part < PARTS; part++) {
    uint from = part * LANES, page = block * kPageBlock + from + gl_SubgroupInvocationID;
    bool real = gl_SubgroupInvocationID < kPageBlock && page < estimated;
    vec2 total = totals[part];
    float of_page = SCORER == kScorerAutomatic ? log_mean_exp(total.x, total.y) + worth * spreads[part] : total.x + total.y;
    score[part] = real ? of_page : kLowestScore;
    highest = max(highest, subgroupMax(score[part]));
    add_best(real && page >= t.far && page < t.near, score[part], block * kPageBlock + from, true, first, second);
  }
  [[unroll]] for (uint part = 0; part < PARTS; part++) {
    float weight = score[part] > kLowestScore ? exp(score[part] - highest) : 0.0;
    sum += weight;
    if (gl_SubgroupInvocationID < kPageBlock)
      SharedFloats(p.scores).v[scores_of(slot, g) + block * kPageBlock + part * LANES + gl_SubgroupInvocationID] = weight;
  }
  sum = subgroupAdd(sum);
  if (!subgroupElect()) return;
  uint at = blocks_at(slot, g) + block;
  SharedFloat2s(p.totals).v[at] = vec2(highest, sum);
  SharedKeys(p.best).v[2u * at] = first;
  SharedKeys(p.best).v[2u * at + 1u] = second;
}

// Of query g, by what all subgroups have added up.
void leave_shared(PageTile t, uint kv_head, uint block, uint g) {
  vec2 totals[PARTS];
  float spreads[PARTS];
  [[unroll]] for (uint part = 0; part < PARTS; part++) {
    uint lane = min(part * LANES + gl_SubgroupInvocationID, kPageBlock - 1u);
    spreads[part] = spread_of(kv_head, block * kPageBlock + lane);
    totals[part] = vec2(0.0);
    [[unroll]] for (uint s = 0; s < SUBGROUPS; s++) totals[part] += sums[(s * GROUP + g) * kPageBlock + lane];
  }
  leave_scores(t, kv_head, block, g, totals, spreads);
}

// ALONE blocks at a time: pieces of their pages in steps, the next step's on their way while these are multiplied.
const uint STEP = 2, STEPS = (PIECES + STEP - 1) / STEP, BLOCKS_ALONE = ALONE > 0u ? ALONE : 1u, LANE_PAGES = BLOCKS_ALONE * PARTS;
struct Pieces { uvec4 low[STEP * LANE_PAGES], high[STEP * LANE_PAGES]; };
uint page_of(uint block, uint n) { return min(block + n / PARTS, BLOCKS - 1u) * kPageBlock + n % PARTS * LANES + gl_SubgroupInvocationID % kPageBlock; }
void bring_step(uint kv_head, uint block, uint step, out Pieces pieces) {
  [[unroll]] for (uint n = 0; n < STEP * LANE_PAGES; n++) {
    uint piece = min(step * STEP + n % STEP, PIECES - 1u);
    uint64_t at = p.bounds + bound_offset(kv_head, page_of(block, n / STEP), piece, BLOCKS, HEAD_WIDTH, SCORER);
    pieces.low[n] = Uint4s(at).v[0];
    pieces.high[n] = SCORER != kScorerMean ? Uint4s(at + uint64_t(kBoundPlaneBytes)).v[0] : uvec4(0u);
  }
}
void score_alone(PageTile t, uint kv_head, uint block, uint end) {
  const uint stride = SUBGROUPS * BLOCKS_ALONE;
  Pieces pieces;
  if (block < end) bring_step(kv_head, block, 0u, pieces);
  [[dont_unroll]] for (; block < end; block += stride) {
    vec2 sum[GROUP * LANE_PAGES];
    float spreads[LANE_PAGES];
    [[unroll]] for (uint i = 0; i < GROUP * LANE_PAGES; i++) sum[i] = vec2(0.0);
    [[unroll]] for (uint n = 0; n < LANE_PAGES; n++) spreads[n] = spread_of(kv_head, page_of(block, n));
    [[dont_unroll]] for (uint step = 0; step < STEPS; step++) {
      Pieces next;
      bool within = step + 1u < STEPS;
      bring_step(kv_head, within ? block : min(block + stride, BLOCKS - 1u), within ? step + 1u : 0u, next);
      [[unroll]] for (uint i = 0; i < STEP; i++) {
        uint piece = step * STEP + i;
        if (PIECES % STEP != 0u && piece >= PIECES) continue;
        [[unroll]] for (uint g = 0; g < GROUP; g++)
          [[unroll]] for (uint n = 0; n < LANE_PAGES; n++) add_piece(sum[g * LANE_PAGES + n], g, piece, pieces.low[n * STEP + i], pieces.high[n * STEP + i]);
      }
      [[unroll]] for (uint n = 0; n < STEP * LANE_PAGES; n++) {
        pieces.low[n] = next.low[n];
        pieces.high[n] = next.high[n];
      }
    }
    [[unroll]] for (uint b = 0; b < BLOCKS_ALONE; b++) {
      if (block + b >= end) break;
      float spread[PARTS];
      [[unroll]] for (uint part = 0; part < PARTS; part++) spread[part] = spreads[b * PARTS + part];
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        vec2 totals[PARTS];
        [[unroll]] for (uint part = 0; part < PARTS; part++) totals[part] = sum[g * LANE_PAGES + b * PARTS + part] * score_scale();
        leave_scores(t, kv_head, block + b, g, totals, spread);
      }
    }
  }
}

shared uint ticket;

void main() {
  uint kv_head = gl_WorkGroupID.x;
  PageTile t = page_tile(0u);
  uint blocks = t.everything ? 0u : blocks_of(estimated_pages(t, 0u));
  uint busy = max((blocks + CHUNK - 1u) / CHUNK, 1u);  // workgroups of this slot
  if (gl_WorkGroupID.y >= busy) return;
  uint block = gl_WorkGroupID.y * CHUNK, end = min(block + CHUNK, blocks);
  if (ALONE > 0u) {
    if (t.everything) return;
    [[dont_unroll]] for (uint g = gl_SubgroupID; g < GROUP; g += SUBGROUPS) stage_query(kv_head, g, t.last);
    barrier();
    score_alone(t, kv_head, block + gl_SubgroupID * ALONE, end);
    return;
  }
  if (!t.everything) {
    bring(kv_head, block, 0u);
    [[dont_unroll]] for (uint g = gl_SubgroupID; g < GROUP; g += SUBGROUPS) stage_query(kv_head, g, t.last);
    barrier();
    [[dont_unroll]] for (; block < end; block++) {
      [[dont_unroll]] for (uint part = 0; part < PARTS; part++) {
        add_up(part);
        if (part + 1u < PARTS)
          bring(kv_head, block, part + 1u);
        else if (block + 1u < end)
          bring(kv_head, block + 1u, 0u);
      }
      barrier();
      [[dont_unroll]] for (uint g = gl_SubgroupID; g < GROUP; g += SUBGROUPS) leave_shared(t, kv_head, block, g);
      if (CHUNK > 1u) barrier();
    }
  }
  if (!CHOOSES) return;
  // The last workgroup of the slot sees what all have written.
  if (busy > 1u) {
    memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsAcquireRelease);
    barrier();
    if (gl_LocalInvocationIndex == 0u) ticket = atomicAdd(SharedUints(p.tickets).v[kv_head], 1u);
    barrier();
    if (ticket != busy - 1u) return;
    memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsAcquireRelease);
    if (gl_LocalInvocationIndex == 0u) SharedUints(p.tickets).v[kv_head] = 0u;
  } else {
    memoryBarrier(gl_ScopeWorkgroup, gl_StorageSemanticsBuffer, gl_SemanticsAcquireRelease);
    barrier();
  }
  choose_pages(t, kv_head, kv_head);
}
