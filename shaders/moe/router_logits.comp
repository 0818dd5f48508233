// The logits that come in parts, whole, for a choice of experts that is a step of its own: to the bit what the gate and up product
// has where it chooses itself. One workgroup, of that product's size. Twins: engine/reference/rms_norm, matvec.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint EXPERTS = 4;
layout(constant_id = 3) const uint PARTS = 1;
layout(constant_id = 4) const uint LANES = 8;  // subgroup size
const uint kBlocks = COLUMNS / 32u;
const bool NORM_PENDING = true;

#include "shaders/include/logit_parts.glsl"

layout(push_constant, scalar) uniform Push { RouterLogitsPush p; };

void main() {
  sum_logits(p.parts, p.words, p.epsilon);
  [[dont_unroll]] for (uint e = gl_LocalInvocationID.x; e < EXPERTS; e += gl_WorkGroupSize.x) Floats(p.logits).v[e] = logits_here[e];
}
