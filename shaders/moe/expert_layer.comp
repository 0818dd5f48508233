// The chosen experts of one token on a CPU driver of two cores, from the residual to the residual, in one step: such a driver takes tens
// of microseconds from one step to the next. Two workgroups, of one subgroup each, take the experts in turn, from the norm to the down
// product; of an expert without another one either takes half of the hidden rows. The workgroup that is last adds up what experts have
// left, in the order of their slots. Whole experts give to the bit what the steps apart give: gate_up, expert_down.
// Twin: engine/reference/expert_ffn.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

#include "shaders/include/expert_units.glsl"
#include "shaders/interface/token_layer.h"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint COLUMNS = 512;  // of the residual: one chunk (row_products.glsl)
layout(constant_id = 2) const uint HIDDEN = 256;   // a multiple of 256, at most COLUMNS
layout(constant_id = 3) const uint SLOTS = 4;

const uint LANES = 8u, STREAMED = LANES, ROWS = 1u;
const bool NORM = true;
#include "shaders/include/row_products.glsl"
#include "shaders/include/last_workgroup.glsl"

layout(push_constant, scalar) uniform Push { ExpertLayerPush p; };

const uint kDownBytes = kRowBytes / (COLUMNS / 256u) * (HIDDEN / 256u);  // of a row

// Hidden rows [first, first + rows) of an expert.
void hide(uint64_t offset, uint first, uint rows, float scale, Floats act) {
  [[dont_unroll]] for (uint some = first; some < first + rows; some += LANES) {
    float gates = 0.0, ups = 0.0;
    [[dont_unroll]] for (uint r = 0; r < LANES; r++) {
      uint64_t row = offset + uint64_t(some + r) * uint64_t(kRowBytes), ahead = offset + uint64_t(min(some + r + kAhead, HIDDEN - 1u)) * uint64_t(kRowBytes);
      touch(p.gate + ahead);
      touch(p.up + ahead);
      float of_gate = row_product(p.gate + row, 0u), of_up = row_product(p.up + row, 0u);
      gates = r == share_lane() ? of_gate : gates;
      ups = r == share_lane() ? of_up : ups;
    }
    float g = gates * scale;
    act.v[some + share_lane() + of_touches()] = g / (1.0 + exp(-g)) * ups * scale;
  }
}

// What an expert's hidden rows, or this workgroup's half of them, add up to.
#define LEAVE_SUMS(PART)                                                                                      \
  [[dont_unroll]] for (uint some = 0; some < COLUMNS; some += LANES) {                                         \
    float values = 0.0;                                                                                        \
    [[dont_unroll]] for (uint r = 0; r < LANES; r++) {                                                         \
      touch_bytes(matrix + uint64_t(min(some + r + kAhead, COLUMNS - 1u)) * uint64_t(kDownBytes), kDownBytes); \
      uint64_t row = matrix + uint64_t(some + r) * uint64_t(kDownBytes);                                       \
      float product = over_lanes(PART);                                                                        \
      values = r == share_lane() ? product : values;                                                           \
    }                                                                                                          \
    sums.v[some + share_lane() + of_touches()] = values;                                                       \
  }
float whole_row(uint64_t row) {
  float sum = 0.0;
  [[unroll]] for (uint t = 0; t < HIDDEN / 256u; t++) sum += tile_part(row, t, 4u * t);
  return sum;
}
float half_row(uint64_t row, uint part) { return HIDDEN == 256u ? tile_halves(row, 0u, 0u, part, 1u) : tile_part(row, part, 0u); }

void leave_whole(uint64_t matrix, uint64_t act, Floats sums) {
  [[unroll]] for (uint run = 0; run < HIDDEN / 64u; run++) load_run(act, 0ul, false, run / 4u, run % 4u, run);
  LEAVE_SUMS(whole_row(row))
}
void leave_half(uint64_t matrix, uint64_t act, uint part, Floats sums) {
  [[unroll]] for (uint run = 0; run < HIDDEN / 128u; run++) load_run(act, 0ul, false, HIDDEN == 256u ? 0u : part, HIDDEN == 256u ? 2u * part + run : run, run);
  LEAVE_SUMS(half_row(row, part))
}

void main() {
  uint own = gl_WorkGroupID.x, count = 0u;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) count += Uints(p.experts).v[slot] == kNoExpert ? 0u : 1u;
  uint pairs = count / 2u, single = count % 2u;
  load_x(p.x, p.norm, 0u);
  float scale = norm_scale(p.epsilon);
  [[dont_unroll]] for (uint n = 0; n < pairs + single; n++) {
    uint slot = n < pairs ? 2u * n + own : count - 1u;
    uint64_t offset = expert_offset(Uints(p.experts).v[slot], p.gate_bytes_low, p.gate_bytes_high);
    hide(offset, n < pairs ? 0u : own * (HIDDEN / 2u), n < pairs ? HIDDEN : HIDDEN / 2u, scale, Floats(p.act + uint64_t(slot * HIDDEN) * 4ul));
  }
  subgroupMemoryBarrierBuffer();
  subgroupBarrier();
  [[dont_unroll]] for (uint n = 0; n < pairs + single; n++) {
    uint slot = n < pairs ? 2u * n + own : count - 1u;
    uint64_t matrix = p.down + expert_offset(Uints(p.experts).v[slot], p.down_bytes_low, p.down_bytes_high), act = p.act + uint64_t(slot * HIDDEN) * 4ul;
    Floats sums = Floats(p.partial + uint64_t((n < pairs ? slot : slot + own) * COLUMNS) * 4ul);
    if (n < pairs)
      leave_whole(matrix, act, sums);
    else
      leave_half(matrix, act, own, sums);
  }
  if (!is_last_workgroup(p.arrived)) return;
  [[dont_unroll]] for (uint column = share_lane(); column < COLUMNS; column += LANES) {
    float total = 0.0;
    [[dont_unroll]] for (uint slot = 0; slot < count; slot++) {
      float sum = Floats(p.partial + uint64_t(slot * COLUMNS) * 4ul).v[column];
      if (single == 1u && slot + 1u == count) sum += Floats(p.partial + uint64_t(count * COLUMNS) * 4ul).v[column];
      total += Floats(p.weights).v[slot] * sum;
    }
    Floats(p.x).v[column] += total;
  }
}
