// As page_scores, of one token on a GPU, whose queries may still be raw, and the choice itself. A workgroup per KV head and CHUNK
// blocks of pages; grid (kv_heads, chunks).
//
// A lane takes a page of the block, a subgroup some of its channels for all GROUP queries, so that bounds are read and unpacked
// once; what the subgroups have of a score is added up in their order. Bounds are on their way while queries are normed and
// rotated. Where it CHOOSES, the workgroup that ends last for its KV head chooses; else page_choice comes behind.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
#include "shaders/include/page_rule.glsl"
layout(constant_id = 11) const bool IN_SHARED = true;  // of page_choice.glsl
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

#include "shaders/include/page_choice.glsl"
#include "shaders/include/page_best.glsl"
#include "shaders/include/rope.glsl"

const uint PIECES = (HEAD_WIDTH + kBoundPiece - 1) / kBoundPiece, OWN = (PIECES + SUBGROUPS - 1) / SUBGROUPS;
const uint PARTS = LANES < kPageBlock ? kPageBlock / LANES : 1;  // of a block, that lanes take in turn
const uint QUERY_VECTORS = PIECES * 2;
shared vec4 queries[GROUP * QUERY_VECTORS];
shared vec2 sums[SUBGROUPS * GROUP * kPageBlock];  // of a page's two sums, what each subgroup has

void stage_query(uint kv_head, uint g, uint position) {
  uint at = g * QUERY_VECTORS;
  for (uint d = HEAD_WIDTH + gl_SubgroupInvocationID; d < QUERY_VECTORS * 4u; d += LANES) queries[at + d / 4u][d % 4u] = 0.0;
  uint head = kv_head * GROUP + g;
  if (ROTATES) {
    RopeHead raw = rope_head(p.query, head, p.kv_heads * GROUP, p.query_norm, p.epsilon);
    [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < HEAD_WIDTH / 2u; i += LANES) {
      RopePair pair = rope_pair(raw, i, position, p.turns);
      queries[at + pair.at.x / 4u][pair.at.x % 4u] = pair.x.x;
      queries[at + pair.at.y / 4u][pair.at.y % 4u] = pair.x.y;
    }
    return;
  }
  Floats row = Floats(p.query + uint64_t(head * HEAD_WIDTH) * 4ul);
  [[dont_unroll]] for (uint d = gl_SubgroupInvocationID; d < HEAD_WIDTH; d += LANES) queries[at + d / 4u][d % 4u] = row.v[d];
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

void add_up(uint part) {
  // Sums over channels of q * centre and |q| * range: between bounds twice the middle and twice its distance from either. Of
  // halves' means the sums of q * mean.
  float middle[GROUP], reach[GROUP];
  [[unroll]] for (uint g = 0; g < GROUP; g++) {
    middle[g] = 0.0;
    reach[g] = 0.0;
  }
  [[unroll]] for (uint n = 0; n < OWN; n++) {
    uint piece = gl_SubgroupID + n * SUBGROUPS;
    if (PIECES % SUBGROUPS != 0u && piece >= PIECES) continue;
    [[unroll]] for (uint half_piece = 0; half_piece < 2u; half_piece++) {
      vec4 a = halves_of(low[n][2u * half_piece], low[n][2u * half_piece + 1u]), centre = a, range = vec4(0.0);
      if (SCORER != kScorerMean) range = halves_of(high[n][2u * half_piece], high[n][2u * half_piece + 1u]);
      if (SCORER == kScorerQuest) {
        centre = a + range;
        range -= a;
      }
      [[unroll]] for (uint g = 0; g < GROUP; g++) {
        vec4 x = queries[g * QUERY_VECTORS + piece * 2u + half_piece];
        middle[g] += dot(x, centre);
        if (SCORER != kScorerMean) reach[g] += dot(SCORER == kScorerQuest ? abs(x) : x, range);
      }
    }
  }
  const float scale = (SCORER == kScorerQuest ? 0.5 : 1.0) * inversesqrt(float(HEAD_WIDTH));
  if (gl_SubgroupInvocationID >= kPageBlock) return;
  [[unroll]] for (uint g = 0; g < GROUP; g++)
    sums[(gl_SubgroupID * GROUP + g) * kPageBlock + part * LANES + gl_SubgroupInvocationID] = vec2(middle[g], reach[g]) * scale;
}

// |q|^2 / (2 HEAD_WIDTH): what spread of keys is worth to query g.
float spread_worth(uint g) {
  float squares = 0.0;
  [[dont_unroll]] for (uint v = gl_SubgroupInvocationID; v < QUERY_VECTORS; v += LANES) squares += dot(queries[g * QUERY_VECTORS + v], queries[g * QUERY_VECTORS + v]);
  return subgroupAdd(squares) / float(2u * HEAD_WIDTH);
}

// The scores of query g for the block, and what is left of them.
void leave_scores(PageTile t, uint slot, uint block, uint g) {
  float score[PARTS], highest = kLowestScore, sum = 0.0, worth = SCORER == kScorerAutomatic ? spread_worth(g) : 0.0;
  uint estimated = estimated_pages(t, 0u);
  uint64_t first = 0ul, second = 0ul;
  [[unroll]] for (uint part = 0; part < PARTS; part++) {
    uint from = part * LANES, lane = min(from + gl_SubgroupInvocationID, kPageBlock - 1u);
    vec2 total = vec2(0.0);
    [[unroll]] for (uint s = 0; s < SUBGROUPS; s++) total += sums[(s * GROUP + g) * kPageBlock + lane];
    uint page = block * kPageBlock + from + gl_SubgroupInvocationID;
    bool real = gl_SubgroupInvocationID < kPageBlock && page < estimated;
    float of_page = total.x + total.y;
    if (SCORER == kScorerAutomatic) {
      float spread = Floats(p.bounds + spread_offset(slot % p.kv_heads, block * kPageBlock + lane, BLOCKS, HEAD_WIDTH)).v[0];
      of_page = log_mean_exp(total.x, total.y) + worth * spread;
    }
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

shared uint ticket;

void main() {
  uint kv_head = gl_WorkGroupID.x;
  PageTile t = page_tile(0u);
  uint blocks = t.everything ? 0u : blocks_of(estimated_pages(t, 0u));
  uint busy = max((blocks + CHUNK - 1u) / CHUNK, 1u);  // workgroups of this slot
  if (gl_WorkGroupID.y >= busy) return;
  uint block = gl_WorkGroupID.y * CHUNK, end = min(block + CHUNK, blocks);
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
      [[dont_unroll]] for (uint g = gl_SubgroupID; g < GROUP; g += SUBGROUPS) leave_scores(t, kv_head, block, g);
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
