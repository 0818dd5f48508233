// Matrix products of stored weights with few tokens: an expert's of a prompt. The same products as linear/product_tile.comp,
// which see. Here a subgroup has PART_ROWS rows of its own for all tokens of a tile, and its lanes unpack the weights where they
// are multiplied (shaders/include/lane_blocks.glsl), so that every weight is unpacked once and only activations are shared.
//
// On matrix cores a lane sets its elements of a weight fragment itself: elements 2 i, 2 i + 1 are row lane / 4 + 8 (i / 2), columns
// 2 (lane % 4) + 8 (i % 2) and the next one (gpu/fragment_order.comp asks the device whether they are). A lane's weights of a
// sub-block of 32 are eight neighbours, so columns 4 j + i of lane `quarter`'s eight, j = 0, 1, belong to fragment j, at
// 2 quarter + i for i < 2, else at 2 quarter + 6 + i; activations are put down in that order. Sums run over columns in the order
// of fragments. In registers (MATRIX_PLAIN) fragments come through shared memory of the subgroup's own, in columns' order.
//
// Precision as there; weights of the same bits.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

layout(local_size_x_id = 0) in;                      // LANES * SUBGROUPS
layout(constant_id = 1) const uint LANES = 32;       // of a subgroup
layout(constant_id = 2) const uint TILE_ROWS = 128;  // paired: gate and up rows together
layout(constant_id = 3) const uint TILE_TOKENS = 64;
layout(constant_id = 4) const uint PART_ROWS = 32;  // of a subgroup
layout(constant_id = 5) const bool GROUPED = false;
layout(constant_id = 6) const bool PAIRED = false;

const uint SUBGROUPS = TILE_ROWS / PART_ROWS, INVOCATIONS = LANES * SUBGROUPS, DEPTH = 128u;
const uint PITCH = DEPTH / 8u + 1u, WEIGHT_PITCH = 5u;  // units from row to row: of a step, of a sub-block
const uint TOKEN_UNITS = 2u * PITCH * TILE_TOKENS, STAGE_FLOATS = SUBGROUPS * 256u;
#if MATRIX_KHR
const uint WEIGHT_UNITS = 1u;
#else
const uint WEIGHT_UNITS = TILE_ROWS * WEIGHT_PITCH;
#endif

#include "shaders/include/expert_units.glsl"
#include "shaders/include/lane_blocks.glsl"
#include "shaders/include/matrix_tile.glsl"
#include "shaders/interface/product_tile.h"

const uint ROW_PIECES = DEPTH / 8u;  // pieces of 8 activations
const uint PIECES = TILE_TOKENS * ROW_PIECES / INVOCATIONS;
const uint OUT_ROWS = PAIRED ? TILE_ROWS / 2u : TILE_ROWS;
const uint LANE_SUMS = 256u / LANES;  // of a fragment
const uint FRAGMENT_ROWS = PART_ROWS / kFragment, FRAGMENT_TOKENS = TILE_TOKENS / kFragment;
const uint HALF_FRAGMENTS = (FRAGMENT_TOKENS + 1u) / 2u, SUM_COUNT = FRAGMENT_ROWS * FRAGMENT_TOKENS;
const uint ITEMS = 64u / LANES;  // rows of a fragment that a lane has a quarter of
const uint OWN = FRAGMENT_ROWS * ITEMS, OWN_WORDS = OWN * kLaneWords;
#if MATRIX_KHR
#define ITEM_LOOP [[unroll]]
#define STEP_LOOP [[unroll]]
#else
#define ITEM_LOOP [[dont_unroll]]
#define STEP_LOOP [[dont_unroll]]
#endif

shared uint targets[TILE_TOKENS];  // rows of y

layout(push_constant, scalar) uniform Push { ProductTilePush p; };

// Weights 4 word .. of item `item`'s eight of a sub-block. A macro: arrays as parameters are copied.
#define ITEM_WEIGHTS(to, item, sub, word) { \
    uint raw_[kLaneWords]; \
    [[unroll]] for (uint j_ = 0; j_ < kLaneWords; j_++) raw_[j_] = own[(item) * kLaneWords + j_]; \
    to = lane_weights(raw_, quarter, sub, word); \
  }

// Fragment `word` of sub-block `sub` of the subgroup's rows.
#if MATRIX_KHR
#define SET_WEIGHTS(sub, word) \
    [[unroll]] for (uint i = 0; i < OWN; i++) { \
      uvec2 four; \
      ITEM_WEIGHTS(four, i, sub, word) \
      f16vec2 left = unpackFloat2x16(four.x), right = unpackFloat2x16(four.y); \
      const uint to = i % ITEMS * 4u; \
      weights[i / ITEMS][to] = left.x; \
      weights[i / ITEMS][to + 1u] = left.y; \
      weights[i / ITEMS][to + 2u] = right.x; \
      weights[i / ITEMS][to + 3u] = right.y; \
    }
#define SHARE_WEIGHTS(sub)
#else
#define SET_WEIGHTS(sub, word) \
    ITEM_LOOP for (uint r = 0; r < FRAGMENT_ROWS; r++) load_weights(weights[r], weight_unit + r * kFragment * WEIGHT_PITCH + word * 2u);
#define SHARE_WEIGHTS(sub) \
    subgroupBarrier(); \
    ITEM_LOOP for (uint i = 0; i < OWN; i++) { \
      uvec2 low, high; \
      ITEM_WEIGHTS(low, i, sub, 0u) \
      ITEM_WEIGHTS(high, i, sub, 1u) \
      weight_tile[weight_unit + (i / ITEMS * kFragment + (lane + i % ITEMS * LANES) / 4u) * WEIGHT_PITCH + quarter] = uvec4(low, high); \
    } \
    subgroupBarrier();
#endif

// A step's columns by COUNT fragments of tokens, without branches between products, which matrix cores do not take well.
#define MULTIPLY(COUNT) \
  STEP_LOOP for (uint pair = 0; pair < 2u; pair++) { \
    STEP_LOOP for (uint sub = 0; sub < 2u; sub++) { \
      SHARE_WEIGHTS(sub) \
      STEP_LOOP for (uint word = 0; word < 2u; word++) { \
        WeightFragment weights[FRAGMENT_ROWS]; \
        SET_WEIGHTS(sub, word) \
        STEP_LOOP for (uint t = 0; t < COUNT; t++) { \
          TokenFragment tokens; \
          load_tokens(tokens, token_unit + t * kFragment * PITCH + sub * 4u + word * 2u); \
          STEP_LOOP for (uint r = 0; r < FRAGMENT_ROWS; r++) multiply_add(sums[r * FRAGMENT_TOKENS + t], weights[r], tokens); \
        } \
      } \
    } \
    ITEM_LOOP for (uint i = 0; i < OWN; i++) { \
      uint raw[kLaneWords]; \
      [[unroll]] for (uint j = 0; j < kLaneWords; j++) raw[j] = own[i * kLaneWords + j]; \
      next_lane(raw); \
      [[unroll]] for (uint j = 0; j < kLaneWords; j++) own[i * kLaneWords + j] = raw[j]; \
    } \
    token_unit += 8u; \
  }

#define FETCH(step) \
  ITEM_LOOP for (uint i = 0; i < OWN; i++) { \
    uint raw[kLaneWords]; \
    fetch_lane(row[i], step, quarter, raw); \
    [[unroll]] for (uint j = 0; j < kLaneWords; j++) fetched[i * kLaneWords + j] = raw[j]; \
  }

void main() {
  // Dense: token tiles of the same rows are neighbours, so that weights come from memory once.
  uint row_tile = GROUPED ? gl_WorkGroupID.x : gl_WorkGroupID.y;
  uint first = 0, count = 0;
  uint64_t offset = 0;
  if (GROUPED) {
    ExpertTile tile = Tiles(p.tiles).v[gl_WorkGroupID.y];
    first = tile.first;
    count = tile.count;
    offset = expert_offset(tile.expert, p.expert_bytes_low, p.expert_bytes_high);
  } else {
    uint tokens = State(p.state).s.tokens;
    first = gl_WorkGroupID.x * TILE_TOKENS;
    if (first >= tokens) return;
    count = min(TILE_TOKENS, tokens - first);
  }
  bool cut = count <= HALF_FRAGMENTS * kFragment;  // an expert's last tile is seldom full

  for (uint i = gl_LocalInvocationID.x; i < TILE_TOKENS; i += INVOCATIONS)  // read behind the first barrier
    targets[i] = first + i;
  if (GROUPED && !PAIRED)
    for (uint i = gl_LocalInvocationID.x; i < count; i += INVOCATIONS) targets[i] = Uints(p.sorted).v[first + i];

  // Rows and tokens past the end repeat the last one; their sums are not written.
  uint me = gl_LocalInvocationID.x, lane = gl_SubgroupInvocationID, part = gl_SubgroupID, quarter = lane % 4u;
  uint64_t row[OWN], x[PIECES];
  ITEM_LOOP for (uint i = 0; i < OWN; i++) {
    uint fragment = part * FRAGMENT_ROWS + i / ITEMS;
    bool up = PAIRED && (fragment & 1u) == 1u;  // fragments of gate and up rows take turns
    uint out_row = row_tile * OUT_ROWS + (PAIRED ? fragment / 2u : fragment) * kFragment + (lane + i % ITEMS * LANES) / 4u;
    row[i] = (up ? p.up : p.weights) + offset + uint64_t(min(out_row, p.rows - 1u)) * uint64_t(p.row_bytes);
  }
  ITEM_LOOP for (uint i = 0; i < PIECES; i++) {
    uint unit = me + i * INVOCATIONS, token = first + min(unit / ROW_PIECES, count - 1u);
    if (GROUPED && PAIRED) token = token_at(p.sorted, token, p.slots);
    x[i] = p.x + uint64_t(token) * uint64_t(p.columns * 2u) + uint64_t((unit % ROW_PIECES) * 16u);
  }

  Sums sums[SUM_COUNT];
  [[unroll]] for (uint i = 0; i < SUM_COUNT; i++) clear(sums[i]);
  uint fetched[OWN_WORDS];
  uvec4 activations[PIECES];
  FETCH(0u)
  ITEM_LOOP for (uint i = 0; i < PIECES; i++) activations[i] = Uint4s(x[i]).v[0];

  // Round `step` puts down what was fetched for it, asks for what the next one needs and multiplies.
  uint steps = p.columns / DEPTH, weight_unit = part * PART_ROWS * WEIGHT_PITCH;
  [[dont_unroll]] for (uint step = 0; step < steps; step++) {
    uint at = (step & 1u) * TILE_TOKENS;
    ITEM_LOOP for (uint i = 0; i < PIECES; i++) {
      uint unit = me + i * INVOCATIONS, piece = unit % ROW_PIECES, to = (at + unit / ROW_PIECES) * PITCH;
#if MATRIX_KHR
      [[unroll]] for (uint j = 0; j < 4u; j++) token_tile[to + piece / 4u * 4u + j][piece % 4u] = activations[i][j];
#else
      token_tile[to + piece] = activations[i];
#endif
    }
    uint own[OWN_WORDS];
    ITEM_LOOP for (uint i = 0; i < OWN; i++) {
      uint raw[kLaneWords];
      [[unroll]] for (uint j = 0; j < kLaneWords; j++) raw[j] = fetched[i * kLaneWords + j];
      prepare_lane(raw, row[i], step);
      [[unroll]] for (uint j = 0; j < kLaneWords; j++) own[i * kLaneWords + j] = raw[j];
    }
    barrier();
    if (step + 1u < steps) {
      FETCH(step + 1u)
      ITEM_LOOP for (uint i = 0; i < PIECES; i++) activations[i] = Uint4s(x[i] + uint64_t((step + 1u) * DEPTH * 2u)).v[0];
    }
    uint token_unit = at * PITCH;
#if MATRIX_KHR
    if (cut) {
      MULTIPLY(HALF_FRAGMENTS)
    } else {
      MULTIPLY(FRAGMENT_TOKENS)
    }
#else
    MULTIPLY((cut ? HALF_FRAGMENTS : FRAGMENT_TOKENS))
#endif
  }

  // What is added to waits in registers: a load for every store would wait for it.
  float before[SUM_COUNT * LANE_SUMS];
  bool adds = !GROUPED && !PAIRED && p.accumulate == 1u;
  if (adds)
    STEP_LOOP for (uint f = 0; f < SUM_COUNT; f++)
      LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++) {
        uint e = lane + i * LANES, out_row = row_tile * OUT_ROWS + part * PART_ROWS + f / FRAGMENT_TOKENS * kFragment + e % kFragment;
        uint token = min(f % FRAGMENT_TOKENS * kFragment + e / kFragment, count - 1u);
        before[f * LANE_SUMS + i] = Floats(p.y + uint64_t(first + token) * uint64_t(p.y_stride) * 4ul).v[min(out_row, p.rows - 1u)];
      }
  // Fragment by fragment through shared memory, where any lane finds any row and token; gate sums wait in registers for
  // those of up.
  uint staged = part * 256u;
  STEP_LOOP for (uint t = 0; t < FRAGMENT_TOKENS; t++)
    STEP_LOOP for (uint r = 0; r < FRAGMENT_ROWS; r += PAIRED ? 2u : 1u) {
      float v[LANE_SUMS];
      store_sums(sums[r * FRAGMENT_TOKENS + t], staged);
      subgroupBarrier();
      LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++) v[i] = stage[staged + lane + i * LANES];
      subgroupBarrier();
      if (PAIRED) {
        store_sums(sums[min(r + 1u, FRAGMENT_ROWS - 1u) * FRAGMENT_TOKENS + t], staged);
        subgroupBarrier();
        LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++)
          v[i] = clamp(v[i] / (1.0 + exp(-v[i])) * stage[staged + lane + i * LANES], -65504.0, 65504.0);
        subgroupBarrier();
      }
      uint first_row = row_tile * OUT_ROWS + (part * PART_ROWS + r * kFragment) / (PAIRED ? 2u : 1u);
      LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++) {
        uint e = lane + i * LANES, out_row = first_row + e % kFragment, token = t * kFragment + e / kFragment;
        if (out_row >= p.rows || token >= count) continue;
        uint64_t y = p.y + uint64_t(targets[token]) * uint64_t(p.y_stride) * (PAIRED ? 2ul : 4ul);
        if (PAIRED)
          Halves(y).v[out_row] = uint16_t(packHalf2x16(vec2(v[i], 0.0)));
        else
          Floats(y).v[out_row] = adds ? v[i] + before[(r * FRAGMENT_TOKENS + t) * LANE_SUMS + i] : v[i];
      }
    }
}
