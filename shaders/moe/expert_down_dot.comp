// Down product over all chosen experts of one token, weighted and added to the residual; activations in 8 bits, weights
// in blocks. Row form: one invocation computes ROWS outputs. SUBGROUP form: lanes split what all experts have of ROWS rows.
// Twins: engine/reference/quantize, expert_ffn.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 256;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const uint SLOTS = 1;
const bool NORM = false, STAGED = false;

#include "shaders/include/dot_rows.glsl"
#include "shaders/include/expert_units.glsl"

layout(push_constant, scalar) uniform Push { DownDotPush p; };

const uint kItems = SLOTS * kPortions;  // an item: one portion of one expert

uint64_t row_of(uint slot, uint row) {
  return p.down + expert_offset(Uints(p.experts).v[slot], p.expert_bytes_low, p.expert_bytes_high) +
         uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes);
}
uint64_t act_of(uint slot) { return p.act + uint64_t(slot * p.act_stride) * 4ul; }

void multiply_rows() {
  uint unit = gl_GlobalInvocationID.x, units = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  float total[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    uint64_t x = act_of(slot), row[ROWS];
    float sum[ROWS], weight = Floats(p.weights).v[slot];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      row[r] = row_of(slot, unit + r * units);
      sum[r] = 0.0;
    }
    [[dont_unroll]] for (uint portion = 0; portion < kPortions; portion++)
      [[unroll]] for (uint part = 0; part < kParts; part++) {
        Q8Block block = block_of(x, block_of_part(portion, part));
        [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot_part(load_portion(row[r], portion), row[r], portion, part, block);
      }
    [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] += weight * sum[r];
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    if (unit + r * units < p.rows) Floats(p.y).v[unit + r * units] += total[r];
}

void multiply_by_subgroups() {
  uint lane = gl_SubgroupInvocationID, first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  if (first >= p.rows) return;
  float total[ROWS], before[ROWS];
  Portion w[ROWS];
  uint64_t row[ROWS];
  uint slot = min(lane, kItems - 1u) / kPortions;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    total[r] = 0.0;
    before[r] = first + r < p.rows ? Floats(p.y).v[first + r] : 0.0;
    row[r] = row_of(slot, first + r);
    w[r] = load_portion(row[r], min(lane, kItems - 1u) % kPortions);
  }
  [[dont_unroll]] for (uint item = lane; item < kItems; item += gl_SubgroupSize) {
    uint next_item = min(item + gl_SubgroupSize, kItems - 1u), next_slot = next_item / kPortions, portion = item % kPortions;
    Portion next[ROWS];
    uint64_t next_row[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      next_row[r] = row_of(next_slot, first + r);
      next[r] = load_portion(next_row[r], next_item % kPortions);
    }
    float weight = Floats(p.weights).v[slot];
    [[unroll]] for (uint part = 0; part < kParts; part++) {
      Q8Block x = block_of(act_of(slot), block_of_part(portion, part));
      [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] += weight * dot_part(w[r], row[r], portion, part, x);
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      w[r] = next[r];
      row[r] = next_row[r];
    }
    slot = next_slot;
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = subgroupAdd(total[r]);
  if (subgroupElect())
    [[unroll]] for (uint r = 0; r < ROWS; r++)
      if (first + r < p.rows) Floats(p.y).v[first + r] = before[r] + total[r];
}

void main() {
  if (SUBGROUP) multiply_by_subgroups();
  else multiply_rows();
}
