// Matrix products of stored weights with many activation rows, in tiles of shared memory: prefill. Dense, or over
// experts with the sorted assignments and tiles of moe/expert_group.comp; with PAIRED gate and up products and SwiGLU.
//
// A workgroup computes TILE_ROWS x TILE_TOKENS sums, a subgroup PART_ROWS x PART_TOKENS of them in fragments of 16 x 16
// (shaders/include/matrix_tile.glsl). Per 32 columns the tile's weights and activations come to shared memory as
// halves; two buffers and one barrier a step, so that loads, unpacking and multiplying of neighbouring steps overlap.
//
// Precision: weights and activations are rounded to halves (each off by 2^-11 of itself at most), products are exact
// and sums are float. Activations beyond 65504, the largest half, are taken as 65504 of their sign, never as infinity.
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
// To see what a step's time goes to (tests/bench/kernel_bench): 1 leaves out multiplying, 2 fetching and unpacking.
layout(constant_id = 8) const uint LEFT_OUT = 0;

const uint ROW_PARTS = TILE_ROWS / PART_ROWS, PARTS = ROW_PARTS * (TILE_TOKENS / PART_TOKENS);
const uint INVOCATIONS = LANES * PARTS;
const uint WEIGHT_UNITS = 2u * 5u * TILE_ROWS, TOKEN_UNITS = 2u * 5u * TILE_TOKENS, STAGE_FLOATS = PARTS * 256u;

#include "shaders/include/expert_units.glsl"
#include "shaders/include/half_blocks.glsl"
#include "shaders/include/matrix_tile.glsl"
#include "shaders/interface/product_tile.h"

// What an invocation brings to shared memory per step: pieces of 16 weights, pieces of 8 activations.
const uint WEIGHT_PIECES = TILE_ROWS * 2u / INVOCATIONS, TOKEN_PIECES = TILE_TOKENS * 4u / INVOCATIONS;
const uint OUT_ROWS = PAIRED ? TILE_ROWS / 2u : TILE_ROWS;
const uint FRAGMENT_ROWS = PART_ROWS / kFragment, FRAGMENT_TOKENS = PART_TOKENS / kFragment;

layout(push_constant, scalar) uniform Push { ProductTilePush p; };

uvec2 activation_halves(vec4 v) {
  v = clamp(v, vec4(-65504.0), vec4(65504.0));
  return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
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

  // Rows and tokens past the end repeat the last one; their sums are not written.
  uint me = gl_LocalInvocationID.x;
  uint64_t row[WEIGHT_PIECES], x[TOKEN_PIECES];
  [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
    uint r = (me + i * INVOCATIONS) / 2u, fragment = r / kFragment;
    bool up = PAIRED && (fragment & 1u) == 1u;  // fragments of gate and up rows take turns
    uint out_row = row_tile * OUT_ROWS + (PAIRED ? fragment / 2u * kFragment + r % kFragment : r);
    row[i] = (up ? p.up : p.weights) + offset + uint64_t(min(out_row, p.rows - 1u)) * uint64_t(p.row_bytes);
  }
  [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
    uint unit = me + i * INVOCATIONS, token = first + min(unit / 4u, count - 1u);
    uint source = GROUPED ? Uints(p.sorted).v[token] / p.x_share : token;
    x[i] = p.x + uint64_t(source * p.x_stride) * 4ul + uint64_t((unit % 4u) * 32u);
  }

  uint part = gl_SubgroupID, part_row = part % ROW_PARTS * PART_ROWS, part_token = part / ROW_PARTS * PART_TOKENS;
  bool wanted = part_token < count;
  Sums sums[FRAGMENT_ROWS * FRAGMENT_TOKENS];
  [[unroll]] for (uint i = 0; i < FRAGMENT_ROWS * FRAGMENT_TOKENS; i++) clear(sums[i]);

  // Round `step` fetches step `step`, multiplies the one before and unpacks what was fetched.
  uint steps = p.columns / 32u;
  [[dont_unroll]] for (uint step = 0; step <= steps; step++) {
    uint raw[WEIGHT_PIECES * kPieceWords];
    vec4 activations[TOKEN_PIECES * 2u];
    if (step < steps && ((LEFT_OUT & 2u) == 0u || step == 0u)) {
      [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
        uint piece[kPieceWords];
        fetch16(row[i], step, (me + i * INVOCATIONS) & 1u, piece);
        [[unroll]] for (uint j = 0; j < kPieceWords; j++) raw[i * kPieceWords + j] = piece[j];
      }
      [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
        Float4s from = Float4s(x[i] + uint64_t(step * 128u));
        activations[2u * i] = from.v[0];
        activations[2u * i + 1u] = from.v[1];
      }
    }
    if (step > 0u && wanted && ((LEFT_OUT & 1u) == 0u || step == 1u)) {
      uint at = (step - 1u) & 1u;
      uint weight_unit = (at * TILE_ROWS + part_row) * kPitch, token_unit = (at * TILE_TOKENS + part_token) * kPitch;
      COLUMN_LOOP for (uint k = 0; k < 2u; k++) {  // 16 columns each: 2 units
        WeightFragment weights[FRAGMENT_ROWS];
        [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r++)
          load_weights(weights[r], weight_unit + r * kFragment * kPitch + k * 2u);
        [[unroll]] for (uint t = 0; t < FRAGMENT_TOKENS; t++) {
          TokenFragment tokens;
          load_tokens(tokens, token_unit + t * kFragment * kPitch + k * 2u);
          [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r++)
            multiply_add(sums[r * FRAGMENT_TOKENS + t], weights[r], tokens);
        }
      }
    }
    if (step < steps && ((LEFT_OUT & 2u) == 0u || step == 0u)) {
      uint at = step & 1u;
      [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
        uint place = me + i * INVOCATIONS, piece[kPieceWords];
        [[unroll]] for (uint j = 0; j < kPieceWords; j++) piece[j] = raw[i * kPieceWords + j];
        [[unroll]] for (uint j = 0; j < 2u; j++)
          put_weights((at * TILE_ROWS + place / 2u) * kPitch + (place & 1u) * 2u + j,
                      uvec4(unpack4(piece, step, place & 1u, 2u * j), unpack4(piece, step, place & 1u, 2u * j + 1u)));
      }
      [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
        uint place = me + i * INVOCATIONS;
        put_tokens((at * TILE_TOKENS + place / 4u) * kPitch + place % 4u,
                   uvec4(activation_halves(activations[2u * i]), activation_halves(activations[2u * i + 1u])));
      }
    }
    barrier();
  }

  // Fragment by fragment through shared memory, where any lane finds any row and token. Parts without tokens go along:
  // drivers that run a subgroup's barrier as one of the workgroup want all subgroups there.
  uint staged = part * 256u;
  [[unroll]] for (uint t = 0; t < FRAGMENT_TOKENS; t++)
    [[unroll]] for (uint r = 0; r < FRAGMENT_ROWS; r += PAIRED ? 2u : 1u) {
      uint at = r * FRAGMENT_TOKENS + t;
      if (wanted) {
        if (PAIRED) swiglu(sums[at], sums[min(r + 1u, FRAGMENT_ROWS - 1u) * FRAGMENT_TOKENS + t]);
        store_sums(sums[at], staged);
      }
      subgroupBarrier();
      uint first_row = row_tile * OUT_ROWS + (part_row + r * kFragment) / (PAIRED ? 2u : 1u);
      uint first_token = part_token + t * kFragment;
      [[dont_unroll]] for (uint e = gl_SubgroupInvocationID; e < 256u; e += LANES) {
        uint out_row = first_row + e % kFragment, token = first_token + e / kFragment;
        if (out_row >= p.rows || token >= count) continue;
        uint target = GROUPED ? Uints(p.sorted).v[first + token] : first + token;
        Floats y = Floats(p.y + uint64_t(target * p.y_stride) * 4ul);
        y.v[out_row] = stage[staged + e] + (p.accumulate == 1u ? y.v[out_row] : 0.0);
      }
      subgroupBarrier();
    }
}
