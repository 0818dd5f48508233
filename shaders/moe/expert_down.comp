// Down product over experts. MODE 1: direct, y = token: all slots at once, weighted, added to the residual (decode).
// MODE 2: grouped, y = tile (prefill, indirect): writes each assignment's product for expert_combine.
// Twin: engine/reference/expert_ffn.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/blocks.glsl"
#include "shaders/include/expert_units.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 256;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const uint TOKENS = 1;
layout(constant_id = 4) const bool SUBGROUP = false;
layout(constant_id = 5) const uint MODE = 1;
layout(constant_id = 6) const uint SLOTS = 1;
layout(constant_id = 7) const uint HANDS = 0;  // of the row form, see shared_row.glsl
layout(constant_id = 8) const uint STREAMED = 0;  // one token on a CPU driver, see row_products.glsl

const bool NORM = false;
#include "shaders/include/shared_row.glsl"
#include "shaders/include/row_products.glsl"

layout(push_constant, scalar) uniform Push { DownPush p; };

#if FORMAT_STREAMS
void multiply_streams() {
  float total[ROWS];
  [[unroll]] for (uint i = 0; i < ROWS; i++) total[i] = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    uint expert = Uints(p.experts).v[slot];
    if (expert == kNoExpert) break;
    uint64_t matrix = p.down + expert_offset(expert, p.expert_bytes_low, p.expert_bytes_high);
    float weight = Floats(p.weights).v[slot];
    [[dont_unroll]] for (uint chunk = 0; chunk < kChunks; chunk++) {
      load_x(p.act + uint64_t(slot * p.x_stride) * 4ul, 0ul, chunk);
      [[dont_unroll]] for (uint eight = 0; eight < ROWS; eight++) {
        float values = 0.0;
        [[dont_unroll]] for (uint r = 0; r < 8; r++) {
          touch(matrix + row_at(8u * eight + r + kAhead, p.rows, p.row_bytes));
          float product = row_product(matrix + row_at(8u * eight + r, p.rows, p.row_bytes), chunk);
          values = r == share_lane() ? product : values;
        }
        add_eight(total, eight, weight * values);
      }
    }
  }
  [[unroll]] for (uint i = 0; i < ROWS; i++) {
    uint row = first_row() + 8u * i + share_lane() + of_touches();
    if (row < p.rows) Floats(p.y).v[row] += total[i];
  }
}
#endif

void main() {
#if FORMAT_STREAMS
  if (STREAMED > 0u) {
    multiply_streams();
    return;
  }
#endif
  uint tokens = State(p.state).s.tokens, y = gl_WorkGroupID.y;
  uint first = y * SLOTS, count = 1;
  uint64_t offset = 0;
  if (MODE == 1u) {
    if (y >= tokens) return;
  } else {
    ExpertTile tile = Tiles(p.tiles).v[y];
    first = tile.first;
    count = tile.count;
    offset = expert_offset(tile.expert, p.expert_bytes_low, p.expert_bytes_high);
  }
  uint assignment[TOKENS];
  uint64_t x[TOKENS];
  [[unroll]] for (uint t = 0; t < TOKENS; t++) {
    uint i = first + min(t, count - 1u);
    assignment[t] = MODE == 2u ? Uints(p.sorted).v[i] : i;
    x[t] = p.act + uint64_t(assignment[t] * p.x_stride) * 4ul;
  }

  uint unit = SUBGROUP ? gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID : gl_GlobalInvocationID.x;
  uint units = SUBGROUP ? gl_NumWorkGroups.x * gl_NumSubgroups : gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  uint64_t row[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    row[r] = p.down + offset + uint64_t(min(unit + r * units, p.rows - 1u)) * uint64_t(p.row_bytes);

  float total[ROWS * TOKENS];
  [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) total[i] = 0.0;
  uint start = SUBGROUP ? gl_SubgroupInvocationID : 0u, step = SUBGROUP ? gl_SubgroupSize : 1u;
  [[dont_unroll]] for (uint slot = 0; slot < (MODE == 1u ? SLOTS : 1u); slot++) {
    uint64_t slot_offset = 0;
    if (MODE == 1u) {
      uint expert = Uints(p.experts).v[first + slot];
      if (expert == kNoExpert) break;
      slot_offset = expert_offset(expert, p.expert_bytes_low, p.expert_bytes_high);
      x[0] = p.act + uint64_t((first + slot) * p.x_stride) * 4ul;
    }
    float sum[ROWS * TOKENS];
    [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) sum[i] = 0.0;
    [[dont_unroll]] for (uint sub = start; sub < COLUMNS / 32u; sub += step) {
      vec4 w[ROWS * 8];
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        vec4 one[8];
        load32(row[r] + slot_offset, sub, one);
        [[unroll]] for (uint j = 0; j < 8; j++) w[r * 8 + j] = one[j];
      }
      [[unroll]] for (uint t = 0; t < TOKENS; t++) {
        vec4 xt[8];
        load_shared32(x[t] + uint64_t(sub * 128u), xt);
        [[unroll]] for (uint j = 0; j < 8; j++) {
          vec4 v = xt[j];
          [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r * TOKENS + t] += dot(w[r * 8 + j], v);
        }
      }
    }
#if FORMAT_HAS_TAIL
    [[dont_unroll]] for (uint k = COLUMNS / 32u * 32u + start; k < COLUMNS; k += step)
      [[unroll]] for (uint r = 0; r < ROWS; r++)
        [[unroll]] for (uint t = 0; t < TOKENS; t++)
          sum[r * TOKENS + t] += load1(row[r] + slot_offset, k) * Floats(x[t]).v[k];
#endif
    float weight = MODE == 1u ? Floats(p.weights).v[first + slot] : 1.0;
    [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++)
      total[i] += weight * (SUBGROUP ? subgroupAdd(sum[i]) : sum[i]);
  }

  if (SUBGROUP && !subgroupElect()) return;
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      uint out_row = unit + r * units;
      if (out_row >= p.rows || t >= count) continue;
      Floats target = Floats(p.y + uint64_t((MODE == 1u ? y : assignment[t]) * p.y_stride) * 4ul);
      target.v[out_row] = total[r * TOKENS + t] + (MODE == 1u ? target.v[out_row] : 0.0);
    }
}
