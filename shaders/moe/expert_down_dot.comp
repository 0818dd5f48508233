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
layout(constant_id = 5) const uint ITEMS = 1;  // SUBGROUP: of a lane, whose loads are issued together
layout(constant_id = 6) const bool ROUNDED = false;  // SUBGROUP: a workgroup has 32 rows, of a multiple of 32
layout(constant_id = 7) const bool VARIES = false;  // the token may leave slots unused
const bool NORM = false, STAGED = false;

#include "shaders/include/dot_rows.glsl"
#include "shaders/include/expert_units.glsl"

layout(push_constant, scalar) uniform Push { DownDotPush p; };

uint used_slots() {
  uint used = SLOTS;
  if (VARIES) [[dont_unroll]] while (used > 0u && Uints(p.experts).v[used - 1u] == kNoExpert) used--;
  return used;
}

uint64_t row_of(uint slot, uint row) {
  return p.down + expert_offset(Uints(p.experts).v[slot], p.expert_bytes_low, p.expert_bytes_high) +
         uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes);
}
uint64_t act_of(uint slot) { return p.act + uint64_t(slot * p.act_stride) * 4ul; }

void multiply_rows() {
  uint unit = gl_GlobalInvocationID.x, units = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  float total[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = 0.0;
  uint used = used_slots();
  [[dont_unroll]] for (uint slot = 0; slot < used; slot++) {
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
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    total[r] = 0.0;
    before[r] = first + r < p.rows ? Floats(p.y).v[first + r] : 0.0;
  }
  uint items = used_slots() * kPortions;  // an item: one portion of one expert
  [[dont_unroll]] for (uint item = lane; item < items; item += ITEMS * gl_SubgroupSize) {
    Portion w[ITEMS * ROWS];
    uint64_t row[ITEMS * ROWS];
    uint slot[ITEMS], portion[ITEMS];
    [[unroll]] for (uint i = 0; i < ITEMS; i++) {
      uint at = min(item + i * gl_SubgroupSize, items - 1u);
      slot[i] = at / kPortions;
      portion[i] = at % kPortions;
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        row[i * ROWS + r] = row_of(slot[i], first + r);
        w[i * ROWS + r] = load_portion(row[i * ROWS + r], portion[i]);
      }
    }
    [[unroll]] for (uint i = 0; i < ITEMS; i++) {
      float weight = item + i * gl_SubgroupSize < items ? Floats(p.weights).v[slot[i]] : 0.0;
      [[unroll]] for (uint part = 0; part < kParts; part++) {
        Q8Block x = block_of(act_of(slot[i]), block_of_part(portion[i], part));
        [[unroll]] for (uint r = 0; r < ROWS; r++)
          total[r] += weight * dot_part(w[i * ROWS + r], row[i * ROWS + r], portion[i], part, x);
      }
    }
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = subgroupAdd(total[r]);
  if (subgroupElect())
    [[unroll]] for (uint r = 0; r < ROWS; r++)
      if (first + r < p.rows) {
        float value = before[r] + total[r];
        Floats(p.y).v[first + r] = value;
        if (ROUNDED) activated[gl_SubgroupID * ROWS + r] = value;
      }
  if (ROUNDED) leave_rounded(p.next, p.rows, p.next_norm, true, first - gl_SubgroupID * ROWS);
}

void main() {
  if (SUBGROUP) multiply_by_subgroups();
  else multiply_rows();
}
