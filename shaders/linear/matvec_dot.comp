// Matrix times one vector with activations in 8 bits, for weights in blocks. Row form: one invocation computes ROWS outputs.
// SUBGROUP form: lanes split the columns of ROWS rows, and a subgroup goes on to further rows, with the next weights under
// way while it multiplies; the first ones are asked for before the activations are there.
// Twins: engine/reference/quantize, rms_norm, matvec.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const bool STAGED = false;
layout(constant_id = 5) const bool NORM = false;
layout(constant_id = 6) const bool AHEAD = true;  // SUBGROUP: the next weights are asked for before these are multiplied
layout(constant_id = 7) const bool ROUNDED = false;  // a workgroup has 32 rows at a time, of a multiple of 32

#include "shaders/include/dot_rows.glsl"

layout(push_constant, scalar) uniform Push { MatvecDotPush p; };

uint64_t row_at(uint row) { return p.weights + uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes); }

void multiply_rows() {
  uint unit = gl_GlobalInvocationID.x, units = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  float sum[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
  [[dont_unroll]] for (uint portion = 0; portion < kPortions; portion++)
    [[unroll]] for (uint part = 0; part < kParts; part++) {
      Q8Block x = block_of(p.x, block_of_part(portion, part));
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        uint64_t row = row_at(unit + r * units);
        sum[r] += dot_part(load_portion(row, portion), row, portion, part, x);
      }
    }
  Floats y = Floats(p.y);
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint row = unit + r * units;
    if (row < p.rows) y.v[row] = sum[r] + (p.accumulate == 1u ? y.v[row] : 0.0);
  }
}

void multiply_by_subgroups() {
  uint lane = gl_SubgroupInvocationID, first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  uint stride = gl_NumWorkGroups.x * gl_NumSubgroups * ROWS;
  Portion w[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) w[r] = load_portion(row_at(first + r), min(lane, kPortions - 1u));
  float scale = STAGED ? stage(p.x, p.norm, p.epsilon) : 1.0;

  Floats y = Floats(p.y);
  [[dont_unroll]] for (; first < p.rows; first += stride) {
    float sum[ROWS], before[ROWS], squares = 0.0;
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      sum[r] = 0.0;
      before[r] = p.accumulate == 1u && first + r < p.rows ? y.v[first + r] : 0.0;
    }
    [[dont_unroll]] for (uint begin = 0; begin < kPortions; begin += gl_SubgroupSize) {
      bool wraps = begin + gl_SubgroupSize >= kPortions;  // then the next portions are those of further rows
      uint next_first = wraps ? first + stride : first;
      uint portion = begin + lane, next_portion = min(wraps ? lane : portion + gl_SubgroupSize, kPortions - 1u);
      Portion next[ROWS];
      if (AHEAD && next_first < p.rows)
        [[unroll]] for (uint r = 0; r < ROWS; r++) next[r] = load_portion(row_at(next_first + r), next_portion);
      if (portion < kPortions)
        [[unroll]] for (uint part = 0; part < kParts; part++) {
          Q8Block x = block_of(p.x, block_of_part(portion, part));
          if (NORM_PENDING) squares += x.squares;
          [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot_part(w[r], row_at(first + r), portion, part, x);
        }
      if (!AHEAD && next_first < p.rows)
        [[unroll]] for (uint r = 0; r < ROWS; r++) next[r] = load_portion(row_at(next_first + r), next_portion);
      [[unroll]] for (uint r = 0; r < ROWS; r++) w[r] = next[r];
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = subgroupAdd(sum[r]);
    if (NORM_PENDING) scale = pending_scale(squares, p.epsilon);
    if (subgroupElect())
      [[unroll]] for (uint r = 0; r < ROWS; r++)
        if (first + r < p.rows) {
          float value = sum[r] * scale + before[r];
          y.v[first + r] = value;
          if (ROUNDED) activated[gl_SubgroupID * ROWS + r] = value;
        }
    if (ROUNDED) leave_rounded(p.next, p.next_norm, true, first - gl_SubgroupID * ROWS);
  }
}

void main() {
  if (SUBGROUP) multiply_by_subgroups();
  else multiply_rows();
}
