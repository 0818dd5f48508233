// What a query sees of the pages that were not read for it, behind attention over those that were: as if each had 32 keys of the score
// that the page is thought to have, at most the largest score read, and of the page's mean value. Of queries whose attention is
// flat: the estimated entropy over ln(keys) brings in nothing up to kPeripheryFrom and all of it from kPeripheryFull on. A workgroup per query head and row; lanes take a page each for scores, then two dimensions each for values. The
// page of the row's own position and those behind it are not estimated. Where nothing is brought in the output stays as it is.
// Twin: engine/reference/sparse_attention (add_periphery).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#include "shaders/include/page_bounds.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/attention.h"

layout(local_size_x_id = 0) in;  // LANES * SUBGROUPS
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint LANES = 8;
layout(constant_id = 3) const uint SUBGROUPS = 1;
layout(constant_id = 4) const uint ROOM = 512;  // pages of the context
layout(constant_id = 5) const uint SCORER = kScorerAutomatic;
layout(constant_id = 6) const uint TILE = 16;    // tokens that share a choice

layout(push_constant, scalar) uniform Push { PagePeripheryPush p; };

const float kLowest = -3.0e38;
const uint WORDS = HEAD_WIDTH / 2, OWN_WORDS = (WORDS + LANES - 1) / LANES;  // of a mean value; heads are even
const uint BLOCKS = (ROOM + kPageBlock - 1) / kPageBlock, PIECES = (HEAD_WIDTH + kBoundPiece - 1) / kBoundPiece;

shared uint was_read[(ROOM + 31) / 32];
shared vec4 query[PIECES * 2];  // zeros behind the head
shared vec4 facts[SUBGROUPS];   // of all pages the largest score, the sum of exponentials and of their products with what entropy loses; weights
shared vec2 sums[SUBGROUPS * WORDS];

vec4 halves_of(uint low, uint high) { return vec4(unpackHalf2x16(low), unpackHalf2x16(high)); }
vec4 bounds_at(uint64_t at, uint half_piece) {
  uvec4 words = Uint4s(at).v[0];
  return half_piece == 0u ? halves_of(words.x, words.y) : halves_of(words.z, words.w);
}

// The score of a page, and how far its keys' entropy is thought to be from that of even shares. `worth`: of a page's spread.
vec2 page_score(uint kv_head, uint page, float worth) {
  float first = 0.0, second = 0.0;
  [[dont_unroll]] for (uint piece = 0; piece < PIECES; piece++) {
    uint64_t at = p.bounds + bound_offset(kv_head, page, piece, BLOCKS, HEAD_WIDTH, SCORER);
    [[unroll]] for (uint part = 0; part < 2; part++) {
      vec4 x = query[piece * 2u + part];
      first += dot(x, bounds_at(at, part));
      if (SCORER == kScorerAutomatic) second += dot(x, bounds_at(at + uint64_t(kBoundPlaneBytes), part));
    }
  }
  if (SCORER != kScorerAutomatic) return vec2(first, 0.0);
  float spread = worth * Floats(p.bounds + spread_offset(kv_head, page, BLOCKS, HEAD_WIDTH)).v[0];
  float apart = abs(first - second), mean = log(0.5 + 0.5 * exp(-apart));  // beside the larger half
  float uneven = -mean - apart / (1.0 + exp(apart));
  return vec2(max(first, second) + mean + spread, min(uneven + spread, log(float(kPageKeys))));
}

void main() {
  StepState state = State(p.state).s;
  uint head = gl_WorkGroupID.x, token = gl_WorkGroupID.y, kv_head = head / (p.query_heads / p.kv_heads);
  if (token >= state.tokens) return;
  uint tile = token / TILE, tile_last = min((tile + 1u) * TILE, state.tokens) - 1u, slot = tile * p.kv_heads + kv_head;
  uint listed = (Uints(p.keys).v[slot] + kPageKeys - 1u) / kPageKeys, position = state.position + token, full = position / kPageKeys;
  if (listed == (state.position + tile_last) / kPageKeys + 1u) return;

  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < (ROOM + 31u) / 32u; i += gl_WorkGroupSize.x) was_read[i] = 0u;
  float scale = inversesqrt(float(HEAD_WIDTH)), length = 0.0;
  Floats row = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
  [[dont_unroll]] for (uint d = gl_LocalInvocationID.x; d < PIECES * kBoundPiece; d += gl_WorkGroupSize.x)
    query[d / 4u][d % 4u] = d < HEAD_WIDTH ? row.v[d] * scale : 0.0;
  barrier();
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < listed; i += gl_WorkGroupSize.x) {
    uint page = Uints(p.list).v[slot * ROOM + i];
    atomicOr(was_read[page / 32u], 1u << (page % 32u));
  }
  [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < PIECES * 2u; i += LANES) length += dot(query[i], query[i]);
  float worth = 0.5 * subgroupAdd(length);
  Floats left = Floats(p.sums + uint64_t((token * p.query_heads + head) * kRowSums) * 4ul);
  float largest = left.v[0], sum = left.v[kRowSum];
  barrier();

  float highest = kLowest, all = 0.0, products = 0.0, unread = 0.0;
  vec2 acc[OWN_WORDS];
  [[unroll]] for (uint i = 0; i < OWN_WORDS; i++) acc[i] = vec2(0.0);
  [[dont_unroll]] for (uint first = gl_SubgroupID * LANES; first < full; first += SUBGROUPS * LANES) {
    uint page = min(first + gl_SubgroupInvocationID, full - 1u);
    bool real = first + gl_SubgroupInvocationID < full;
    vec2 estimate = page_score(kv_head, page, worth);
    float score = estimate.x, now = max(highest, real ? score : kLowest), shrink = exp(highest - now);
    float share = real ? exp(score - now) : 0.0;
    all = all * shrink + share;
    products = products * shrink + share * (score + estimate.y);
    highest = now;
    bool missed = real && (was_read[page / 32u] & (1u << (page % 32u))) == 0u;
    float weight = missed ? float(kPageKeys) * exp(min(score - largest, 0.0)) : 0.0;
    unread += weight;
    if (subgroupMax(weight) == 0.0) continue;
    uint count = min(LANES, full - first);
    [[dont_unroll]] for (uint n = 0; n < count; n++) {
      float of_page = subgroupShuffle(weight, n);
      Uints value = Uints(p.values + uint64_t((kv_head * BLOCKS * kPageBlock + first + n) * HEAD_WIDTH) * 2ul);
      if (of_page == 0.0) continue;
      [[unroll]] for (uint i = 0; i < OWN_WORDS; i++) acc[i] += of_page * unpackHalf2x16(value.v[min(gl_SubgroupInvocationID + i * LANES, WORDS - 1u)]);
    }
  }
  float now = subgroupMax(highest), shrink = exp(highest - now);
  vec4 own = vec4(now, subgroupAdd(all * shrink), subgroupAdd(products * shrink), subgroupAdd(unread));
  if (subgroupElect()) facts[gl_SubgroupID] = own;
  [[unroll]] for (uint i = 0; i < OWN_WORDS; i++)
    if (gl_SubgroupInvocationID + i * LANES < WORDS) sums[gl_SubgroupID * WORDS + gl_SubgroupInvocationID + i * LANES] = acc[i];
  barrier();
  highest = kLowest;
  all = products = unread = 0.0;
  [[unroll]] for (uint s = 0; s < SUBGROUPS; s++) highest = max(highest, facts[s].x);
  [[unroll]] for (uint s = 0; s < SUBGROUPS; s++) {
    float part = exp(facts[s].x - highest);
    all += part * facts[s].y;
    products += part * facts[s].z;
    unread += facts[s].w;
  }
  float flatness = (highest + log(all) - products / all + log(float(kPageKeys))) / log(float(position + 1u));
  float ramp = clamp((flatness - kPeripheryFrom) / (kPeripheryFull - kPeripheryFrom), 0.0, 1.0);
  if (!(ramp * unread > 0.0)) return;
  float whole = 1.0 / (sum + ramp * unread);
  Floats y = Floats(p.y + uint64_t(token * p.y_stride + head * HEAD_WIDTH) * 4ul);
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < WORDS; i += gl_WorkGroupSize.x) {
    vec2 brought = vec2(0.0);
    [[unroll]] for (uint s = 0; s < SUBGROUPS; s++) brought += sums[s * WORDS + i];
    brought = (sum * vec2(y.v[2u * i], y.v[2u * i + 1u]) + ramp * brought) * whole;
    y.v[2u * i] = brought.x;
    y.v[2u * i + 1u] = brought.y;
  }
}
