// The attention of a layer for one token on a CPU driver of few cores, from the residual to the residual, and the router behind it, in
// one step: such a driver takes tens of microseconds from one step to the next. A workgroup, of one subgroup, has a KV head: its rows of
// q, k and v, attention of its query heads, and what these add to the residual through their columns of the output projection, still
// lane by lane. The workgroup that is last adds this up and makes the choice of experts. To the bit what the steps apart make:
// matmul, attention_token, router_token. Twins: engine/reference/rms_norm, matvec, rope, attention, router, expert_choice.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_memory_scope_semantics : require

#define KV_F16 1
#define STEP_ROTATES 1
#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"
#include "shaders/interface/token_layer.h"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // a multiple of 32
layout(constant_id = 2) const uint GROUP = 4;        // query heads per KV head; their widths make whole tiles
layout(constant_id = 3) const uint COLUMNS = 512;    // of the residual and of all query heads; one chunk (row_products.glsl)
layout(constant_id = 4) const uint ROPE_WIDTH = 64;
layout(constant_id = 5) const bool HALVES = true;
layout(constant_id = 6) const uint NORM = 0;         // of queries and keys, none over all heads
layout(constant_id = 7) const uint EXPERTS = 16;
layout(constant_id = 8) const uint SLOTS = 4;
layout(constant_id = 9) const bool NORMALIZE = true;  // chosen weights sum to one
layout(constant_id = 10) const bool POLICY = false;
layout(constant_id = 11) const uint COUNT = 0;  // the policy's constants
layout(constant_id = 12) const uint LOAD = 0;
layout(constant_id = 13) const bool REMEMBERS = false;

const uint kLanes = 8u, WORDS = HEAD_WIDTH / 32u, LANES = kLanes, SUBGROUPS = 1u, STREAMED = kLanes, ROWS = 1u;
const bool WHOLE = true, kNormsRow = true;

layout(push_constant, scalar) uniform Push { AttentionLayerPush p; };

#include "shaders/include/kv_store.glsl"
shared vec4 rotated[GROUP * HEAD_WIDTH / 4u];
void put_query(uint g, uint d, float x) { rotated[(g * HEAD_WIDTH + d) / 4u][d % 4u] = x; }
#include "shaders/include/newest_token.glsl"
#define SPLIT_VALUES p.y  // none
#define SPLIT_PARTIAL p.y
#include "shaders/include/token_attention.glsl"

#define NORM kNormsRow
#include "shaders/include/row_products.glsl"
#undef NORM
#include "shaders/include/last_workgroup.glsl"

const uint ROUTER_ROWS = (EXPERTS + LANES - 1u) / LANES;
float logit[ROUTER_ROWS];  // of experts lane + 8 i
#define ROUTER_LOGIT(row, e) logit[(e) / LANES]
#include "shaders/include/folded_policy.glsl"

void see_all() {
  subgroupMemoryBarrier();
  subgroupBarrier();
}

const uint kQueries = GROUP * HEAD_WIDTH, kOwnRows = kQueries + 2u * HEAD_WIDTH, kOwnTiles = kQueries / kTileColumns;

// This KV head's rows of q, k and v.
void project(uint kv_head) {
  load_x(p.x, p.norm, 0u);
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

// What this KV head's columns of the output projection add to the residual, of every lane.
void leave_output(uint kv_head) {
  [[unroll]] for (uint run = 0; run < 4u * kOwnTiles; run++) load_run(p.y, 0ul, false, kv_head * kOwnTiles + run / 4u, run % 4u, run);
  Floats sums = Floats(p.sums + uint64_t(kv_head * COLUMNS) * 32ul);
  [[dont_unroll]] for (uint row = 0; row < COLUMNS; row++) {
    uint64_t at = p.output_rows + uint64_t(row) * uint64_t(kRowBytes);
    touch(p.output_rows + uint64_t(min(row + kAhead, COLUMNS - 1u)) * uint64_t(kRowBytes));
    precise float sum = 0.0;
    [[unroll]] for (uint t = 0; t < kOwnTiles; t++) sum += tile_part(at, kv_head * kOwnTiles + t, 4u * t);
    sums.v[row * kLanes + share_lane() + of_touches()] = sum;
  }
}

void add_outputs() {
  [[dont_unroll]] for (uint first = 0; first < COLUMNS; first += kLanes) {
    precise float sums[8];
    [[unroll]] for (uint i = 0; i < 8; i++) {
      sums[i] = 0.0;
      [[dont_unroll]] for (uint head = 0; head < p.kv_heads; head++) sums[i] += Floats(p.sums + uint64_t(head * COLUMNS) * 32ul).v[(first + i) * kLanes + share_lane()];
    }
    Floats(p.x).v[first + share_lane()] += merge_eight(sums);
  }
}

// As router_token.comp, whose weights are plain numbers: lanes have pairs side by side.
const uint kPairs = COLUMNS / (2u * kLanes), kTilePairs = kTileColumns / (2u * kLanes);
void route() {
  squares = 0.0;
  [[unroll]] for (uint i = 0; i < kPairs; i++) {
    vec2 pair = pair_at(p.x, 2u * (kLanes * i + share_lane()));
    squares += pair.x * pair.x + pair.y * pair.y;
    pair *= pair_at(p.router_norm, 2u * (kLanes * i + share_lane()));
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

void main() {
  uint kv_head = gl_WorkGroupID.x;
  project(kv_head);
  see_all();
  attend(kv_head, 0u, 1u);
  see_all();
  leave_output(kv_head);
  if (!is_last_workgroup(p.arrived)) return;
  add_outputs();
  see_all();
  route();
}
