// Gate and up products with SwiGLU for one token, activations in 8 bits, weights in blocks. y = slot. MODE 0: dense.
// MODE 1: direct, expert read from the routing buffer. MODE 3: routed, every subgroup finds its expert in the router's
// logits, and one writes the choice for who comes after. Twins: engine/reference/quantize, rms_norm, router, expert_ffn.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const bool STAGED = false;
layout(constant_id = 5) const bool NORM = false;
layout(constant_id = 6) const uint MODE = 0;
layout(constant_id = 7) const uint SLOTS = 1;
layout(constant_id = 8) const uint EXPERTS = 1;
layout(constant_id = 9) const bool NORMALIZE = true;
layout(constant_id = 10) const uint LANES = 8;
const uint VECTORS = 1u;

#include "shaders/include/dot_rows.glsl"
#include "shaders/include/expert_units.glsl"
#include "shaders/include/router_choice.glsl"

layout(push_constant, scalar) uniform Push { GateUpDotPush p; };

void main() {
  uint slot = gl_WorkGroupID.y, expert = 0;
  if (MODE == 1u) expert = Uints(p.experts).v[slot];
  if (MODE == 3u) {
    bool publish = gl_WorkGroupID.x == 0u && slot == SLOTS - 1u && gl_SubgroupID == 0u;
    expert = choose_experts(p.logits, slot, publish, p.experts, p.weights);
  }
  float scale = 1.0;
  if (STAGED) scale = stage(p.x, 0u, p.norm, p.epsilon);
  uint unit = SUBGROUP ? gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID : gl_GlobalInvocationID.x;
  uint units = SUBGROUP ? gl_NumWorkGroups.x * gl_NumSubgroups : gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  uint64_t offset = expert_offset(expert, p.expert_bytes_low, p.expert_bytes_high);
  uint64_t row[ROWS];
  float gate[ROWS], up[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    row[r] = offset + uint64_t(min(unit + r * units, p.rows - 1u)) * uint64_t(p.row_bytes);
    gate[r] = 0.0;
    up[r] = 0.0;
  }
  uint first = SUBGROUP ? gl_SubgroupInvocationID : 0u, step = SUBGROUP ? gl_SubgroupSize : 1u;
  [[dont_unroll]] for (uint sub = first; sub < kBlocks; sub += step) {
    Q8Block x = block_of(p.x, 0u, sub);
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      gate[r] += dot32(p.gate + row[r], sub, x);
      up[r] += dot32(p.up + row[r], sub, x);
    }
  }
  if (SUBGROUP) [[unroll]] for (uint r = 0; r < ROWS; r++) {
    gate[r] = subgroupAdd(gate[r]);
    up[r] = subgroupAdd(up[r]);
  }
  if (SUBGROUP && !subgroupElect()) return;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint out_row = unit + r * units;
    if (out_row >= p.rows) continue;
    float g = gate[r] * scale;
    Floats(p.act + uint64_t(slot * p.y_stride) * 4ul).v[out_row] = g / (1.0 + exp(-g)) * (up[r] * scale);
  }
}
