// Matrix times one vector with activations in 8 bits, for weights in blocks. One invocation (row form) or one subgroup
// (lanes split the columns) computes ROWS outputs. Twins: engine/reference/quantize, rms_norm, matvec.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const bool STAGED = false;
layout(constant_id = 5) const bool NORM = false;
const uint VECTORS = 1u;

#include "shaders/include/dot_rows.glsl"

layout(push_constant, scalar) uniform Push { MatvecDotPush p; };

void main() {
  float scale = 1.0;
  if (STAGED) scale = stage(p.x, 0u, p.norm, p.epsilon);
  uint unit = SUBGROUP ? gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID : gl_GlobalInvocationID.x;
  uint units = SUBGROUP ? gl_NumWorkGroups.x * gl_NumSubgroups : gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  uint64_t row[ROWS];
  float sum[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    row[r] = p.weights + uint64_t(min(unit + r * units, p.rows - 1u)) * uint64_t(p.row_bytes);
    sum[r] = 0.0;
  }
  uint first = SUBGROUP ? gl_SubgroupInvocationID : 0u, step = SUBGROUP ? gl_SubgroupSize : 1u;
  [[dont_unroll]] for (uint sub = first; sub < kBlocks; sub += step) {
    Q8Block x = block_of(p.x, 0u, sub);
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot32(row[r], sub, x);
  }
  if (SUBGROUP) [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = subgroupAdd(sum[r]);
  if (SUBGROUP && !subgroupElect()) return;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint out_row = unit + r * units;
    if (out_row >= p.rows) continue;
    Floats y = Floats(p.y);
    y.v[out_row] = sum[r] * scale + (p.accumulate == 1u ? y.v[out_row] : 0.0);
  }
}
