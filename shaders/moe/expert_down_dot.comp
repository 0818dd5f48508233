// Down product over all chosen experts of one token, weighted and added to the residual; activations in 8 bits, weights
// in blocks. Twins: engine/reference/quantize, expert_ffn.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 256;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const bool STAGED = false;
layout(constant_id = 5) const uint SLOTS = 1;
const bool NORM = false;
const uint VECTORS = SLOTS;

#include "shaders/include/dot_rows.glsl"
#include "shaders/include/expert_units.glsl"

layout(push_constant, scalar) uniform Push { DownDotPush p; };

void main() {
  if (STAGED)
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++)
      stage(p.act + uint64_t(slot * p.act_stride) * 4ul, slot, 0ul, 0.0);
  uint unit = SUBGROUP ? gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID : gl_GlobalInvocationID.x;
  uint units = SUBGROUP ? gl_NumWorkGroups.x * gl_NumSubgroups : gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  uint64_t row[ROWS];
  float total[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    row[r] = p.down + uint64_t(min(unit + r * units, p.rows - 1u)) * uint64_t(p.row_bytes);
    total[r] = 0.0;
  }
  uint first = SUBGROUP ? gl_SubgroupInvocationID : 0u, step = SUBGROUP ? gl_SubgroupSize : 1u;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    uint64_t offset = expert_offset(Uints(p.experts).v[slot], p.expert_bytes_low, p.expert_bytes_high);
    uint64_t x = p.act + uint64_t(slot * p.act_stride) * 4ul;
    float sum[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
    [[dont_unroll]] for (uint sub = first; sub < kBlocks; sub += step) {
      Q8Block block = block_of(x, slot, sub);
      [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot32(row[r] + offset, sub, block);
    }
    float weight = Floats(p.weights).v[slot];
    [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] += weight * (SUBGROUP ? subgroupAdd(sum[r]) : sum[r]);
  }
  if (SUBGROUP && !subgroupElect()) return;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint out_row = unit + r * units;
    if (out_row < p.rows) Floats(p.y).v[out_row] += total[r];
  }
}
