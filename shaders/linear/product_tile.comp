// Matrix products of stored weights with many activation rows, in tiles of shared memory: prefill. Dense, or over
// experts with the sorted assignments and tiles of moe/expert_group.comp; with PAIRED gate and up products and SwiGLU.
//
// A workgroup computes TILE_ROWS x TILE_TOKENS sums, a subgroup PART_ROWS x PART_TOKENS of them in fragments of 16 x 16
// (shaders/include/matrix_tile.glsl). Per DEPTH columns the tile's weights and activations come to shared memory as
// halves, while those of the step before are multiplied: with two BUFFERS there is one barrier a step, with one two.
//
// Precision: weights and activations are rounded to halves (each off by 2^-11 of itself at most), products are exact
// and sums are float. Activations come as halves (linear/half_rows.comp), products of gate and up leave as such.
// Sums run over columns in one order: fragments of 16, ascending. Twins: engine/reference/matvec, expert_ffn.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

layout(local_size_x_id = 0) in;                     // LANES * PARTS
layout(constant_id = 1) const uint LANES = 32;      // of a subgroup
layout(constant_id = 2) const uint TILE_ROWS = 64;  // paired: gate and up rows together
layout(constant_id = 3) const uint TILE_TOKENS = 64;
layout(constant_id = 4) const uint PART_ROWS = 32;
layout(constant_id = 5) const uint PART_TOKENS = 32;
layout(constant_id = 6) const bool GROUPED = false;
layout(constant_id = 7) const bool PAIRED = false;
layout(constant_id = 8) const uint DEPTH = 32;  // 32 or 64
layout(constant_id = 9) const uint BUFFERS = 2;

const uint ROW_PARTS = TILE_ROWS / PART_ROWS, PARTS = ROW_PARTS * (TILE_TOKENS / PART_TOKENS);
const uint INVOCATIONS = LANES * PARTS;
const uint PITCH = DEPTH / 8u + 1u, WEIGHT_PITCH = PITCH;  // units from row to row: eight consecutive rows begin in different banks
const uint WEIGHT_UNITS = BUFFERS * PITCH * TILE_ROWS, TOKEN_UNITS = BUFFERS * PITCH * TILE_TOKENS, STAGE_FLOATS = PARTS * 256u;

#include "shaders/include/expert_units.glsl"
#include "shaders/include/half_blocks.glsl"
#include "shaders/include/matrix_tile.glsl"
#include "shaders/interface/product_tile.h"

// What an invocation brings to shared memory per step: pieces of 16 weights, pieces of 8 activations.
const uint ROW_WEIGHTS = DEPTH / 16u, ROW_TOKENS = DEPTH / 8u;  // pieces of a row
const uint WEIGHT_PIECES = TILE_ROWS * ROW_WEIGHTS / INVOCATIONS, TOKEN_PIECES = TILE_TOKENS * ROW_TOKENS / INVOCATIONS;
const uint OUT_ROWS = PAIRED ? TILE_ROWS / 2u : TILE_ROWS;
const uint LANE_SUMS = 256u / LANES;  // of a fragment
const uint FRAGMENT_ROWS = PART_ROWS / kFragment, FRAGMENT_TOKENS = PART_TOKENS / kFragment;

layout(push_constant, scalar) uniform Push { ProductTilePush p; };

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

  // Rows and tokens past the end repeat the last one; their sums are not written.
  uint me = gl_LocalInvocationID.x;
  uint64_t row[WEIGHT_PIECES], x[TOKEN_PIECES];
  [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
    uint r = (me + i * INVOCATIONS) / ROW_WEIGHTS, fragment = r / kFragment;
    bool up = PAIRED && (fragment & 1u) == 1u;  // fragments of gate and up rows take turns
    uint out_row = row_tile * OUT_ROWS + (PAIRED ? fragment / 2u * kFragment + r % kFragment : r);
    row[i] = (up ? p.up : p.weights) + offset + uint64_t(min(out_row, p.rows - 1u)) * uint64_t(p.row_bytes);
  }
  [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
    uint unit = me + i * INVOCATIONS, token = first + min(unit / ROW_TOKENS, count - 1u);
    if (GROUPED && PAIRED) token = token_at(p.sorted, token, p.slots);
    x[i] = p.x + uint64_t(token) * uint64_t(p.columns * 2u) + uint64_t((unit % ROW_TOKENS) * 16u);
  }

  uint part = gl_SubgroupID, part_row = part % ROW_PARTS * PART_ROWS, part_token = part / ROW_PARTS * PART_TOKENS;
  bool wanted = part_token < count;
  Sums sums[FRAGMENT_ROWS * FRAGMENT_TOKENS];
  [[unroll]] for (uint i = 0; i < FRAGMENT_ROWS * FRAGMENT_TOKENS; i++) clear(sums[i]);

  // Round `step` fetches step `step`, multiplies the one before and unpacks what was fetched.
  uint steps = p.columns / DEPTH;
  [[dont_unroll]] for (uint step = 0; step <= steps; step++) {
    uint raw[WEIGHT_PIECES * kPieceWords];
    uvec4 activations[TOKEN_PIECES];
    if (step < steps) {
      [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
        uint piece[kPieceWords], c = (me + i * INVOCATIONS) % ROW_WEIGHTS;
        fetch16(row[i], step * (DEPTH / 32u) + c / 2u, c & 1u, piece);
        [[unroll]] for (uint j = 0; j < kPieceWords; j++) raw[i * kPieceWords + j] = piece[j];
      }
      [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++)
        activations[i] = Uint4s(x[i] + uint64_t(step * DEPTH * 2u)).v[0];
    }
    if (step > 0u && wanted) {
      uint at = (step - 1u) % BUFFERS;
      uint weight_unit = (at * TILE_ROWS + part_row) * PITCH, token_unit = (at * TILE_TOKENS + part_token) * PITCH;
      COLUMN_LOOP for (uint k = 0; k < DEPTH / kFragment; k++) {  // 16 columns each: 2 units
        WeightFragment weights[FRAGMENT_ROWS];
        [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r++)
          load_weights(weights[r], weight_unit + r * kFragment * PITCH + k * 2u);
        [[unroll]] for (uint t = 0; t < FRAGMENT_TOKENS; t++) {
          TokenFragment tokens;
          load_tokens(tokens, token_unit + t * kFragment * PITCH + k * 2u);
          [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r++)
            multiply_add(sums[r * FRAGMENT_TOKENS + t], weights[r], tokens);
        }
      }
    }
    if (BUFFERS == 1u) barrier();
    if (step < steps) {
      uint at = step % BUFFERS;
      [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
        uint place = me + i * INVOCATIONS, c = place % ROW_WEIGHTS, sub = step * (DEPTH / 32u) + c / 2u, piece[kPieceWords];
        [[unroll]] for (uint j = 0; j < kPieceWords; j++) piece[j] = raw[i * kPieceWords + j];
        [[unroll]] for (uint j = 0; j < 2u; j++)
          weight_tile[(at * TILE_ROWS + place / ROW_WEIGHTS) * PITCH + c * 2u + j] =
              uvec4(unpack4(piece, sub, c & 1u, 2u * j), unpack4(piece, sub, c & 1u, 2u * j + 1u));
      }
      [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
        uint place = me + i * INVOCATIONS;
        token_tile[(at * TILE_TOKENS + place / ROW_TOKENS) * PITCH + place % ROW_TOKENS] = activations[i];
      }
    }
    barrier();
  }

  // Fragment by fragment through shared memory, where any lane finds any row and token; gate sums wait in registers for
  // those of up. Parts without tokens go along: drivers that run a subgroup's barrier as one of the workgroup want all
  // subgroups there.
  uint staged = part * 256u;
  [[unroll]] for (uint t = 0; t < FRAGMENT_TOKENS; t++)
    [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r += PAIRED ? 2u : 1u) {
      float v[LANE_SUMS];
      if (wanted) store_sums(sums[r * FRAGMENT_TOKENS + t], staged);
      subgroupBarrier();
      LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++) v[i] = stage[staged + gl_SubgroupInvocationID + i * LANES];
      subgroupBarrier();
      if (PAIRED) {
        if (wanted) store_sums(sums[min(r + 1u, FRAGMENT_ROWS - 1u) * FRAGMENT_TOKENS + t], staged);
        subgroupBarrier();
        LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++)
          v[i] = clamp(v[i] / (1.0 + exp(-v[i])) * stage[staged + gl_SubgroupInvocationID + i * LANES], -65504.0, 65504.0);
        subgroupBarrier();
      }
      uint first_row = row_tile * OUT_ROWS + (part_row + r * kFragment) / (PAIRED ? 2u : 1u);
      uint first_token = part_token + t * kFragment;
      LANE_LOOP for (uint i = 0; i < LANE_SUMS; i++) {
        uint e = gl_SubgroupInvocationID + i * LANES, out_row = first_row + e % kFragment, token = first_token + e / kFragment;
        if (out_row >= p.rows || token >= count) continue;
        if (PAIRED) {
          Halves(p.y + uint64_t(first + token) * uint64_t(p.y_stride) * 2ul).v[out_row] = uint16_t(packHalf2x16(vec2(v[i], 0.0)));
          continue;
        }
        uint target = GROUPED ? Uints(p.sorted).v[first + token] : first + token;
        Floats y = Floats(p.y + uint64_t(target) * uint64_t(p.y_stride) * 4ul);
        y.v[out_row] = v[i] + (p.accumulate == 1u ? y.v[out_row] : 0.0);
      }
    }
}
