// Which pages the queries of a tile may choose from, and by which rule: what scoring and choosing share.
// Twin: engine/reference/sparse_attention (choose_pages).
#ifndef FOVEA_PAGE_RULE_GLSL
#define FOVEA_PAGE_RULE_GLSL

#include "page_bounds.glsl"
#include "state.glsl"

layout(constant_id = 1) const uint GROUP = 4;         // query heads per KV head
layout(constant_id = 2) const uint SAMPLES = 1;       // rows of a tile that the choice is made by
layout(constant_id = 3) const uint TILE = 1;          // rows of a tile
layout(constant_id = 4) const uint ROOM = 512;        // pages of the context
layout(constant_id = 5) const uint WINDOW = 512;      // positions
layout(constant_id = 6) const uint SINK_PAGES = 1;
layout(constant_id = 7) const uint DENSE_BELOW = 1024;
layout(constant_id = 8) const uint GLOBAL = 250000;   // of the remote pages, in millionths; of an adaptive budget the most
layout(constant_id = 9) const uint LEAST = 80000;     // adaptive: the least
layout(constant_id = 10) const uint MASS = 0;         // adaptive: wanted, in units of 2^-30; 0: a strict budget

const float kLowestScore = -3.0e38;  // of what is no page
const uint QUERIES = GROUP * SAMPLES;
const uint BLOCKS = (ROOM + kPageBlock - 1u) / kPageBlock, SCORES = BLOCKS * kPageBlock;

layout(push_constant, scalar) uniform Push { PageChoicePush p; };

// Written by one workgroup and read by another where both are in one step; STEPS_APART: they never are.
#ifdef STEPS_APART
#define BETWEEN_GROUPS
#else
#define BETWEEN_GROUPS coherent
#endif
layout(buffer_reference, scalar, buffer_reference_align = 4) BETWEEN_GROUPS buffer SharedFloats { float v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) BETWEEN_GROUPS buffer SharedFloat2s { vec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) BETWEEN_GROUPS buffer SharedFloat4s { vec4 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) BETWEEN_GROUPS buffer SharedKeys { uint64_t v[]; };
// Ranks in the place of scores are also read within the workgroup that writes them.
layout(buffer_reference, scalar, buffer_reference_align = 4) coherent buffer SharedUints { uint v[]; };

struct PageTile {
  uint rows;
  uint token;         // first row within the batch
  uint first, last;   // positions of the first and the last row
  uint pages;         // up to the last row's own
  uint far, near;     // remote pages: from the first behind the sinks to the first of the window
  bool everything;    // nothing is chosen: all pages are read
  uint64_t kept;      // bits of pages that are always read; 0: none
};

PageTile page_tile(uint tile, StepState state) {
  PageTile t;
  t.token = tile * TILE;
  t.rows = state.tokens > t.token ? min(TILE, state.tokens - t.token) : 0u;
  t.first = state.position + t.token;
  t.last = t.first + t.rows - 1u;
  t.pages = t.last / kPageKeys + 1u;
  uint keys = t.first + 1u;
  t.near = keys > WINDOW ? (keys - WINDOW) / kPageKeys : 0u;
  t.far = min(SINK_PAGES, t.near);
  t.kept = (uint64_t(state.kept_pages_high) << 32) | uint64_t(state.kept_pages_low);
  t.everything = t.near - t.far <= 2u || keys < DENSE_BELOW;
  return t;
}
PageTile page_tile(uint tile) { return page_tile(tile, State(p.state).s); }
// The row that sample `s` of the tile is, and how many pages it estimates: those before its own, which are full.
uint sampled_row(PageTile t, uint s) { return ((s + 1u) * t.rows + SAMPLES - 1u) / SAMPLES - 1u; }
uint estimated_pages(PageTile t, uint s) { return (t.first + sampled_row(t, s)) / kPageKeys; }
// Where the weights of a query's pages begin, and what is known of its blocks.
uint scores_of(uint slot, uint q) { return ((slot - p.first_tile * p.kv_heads) * QUERIES + q) * SCORES; }
uint blocks_at(uint slot, uint q) { return ((slot - p.first_tile * p.kv_heads) * QUERIES + q) * BLOCKS; }
// Of a page's two halves: the log of the mean exponential of their scores.
float log_mean_exp(float a, float b) { return max(a, b) + log(0.5 + 0.5 * exp(-abs(a - b))); }
uint blocks_of(uint pages) { return (pages + kPageBlock - 1u) / kPageBlock; }

#endif
