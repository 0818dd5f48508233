// The chosen experts of one token on a CPU driver of two cores, from the residual to the residual, in one step: such a driver takes tens
// of microseconds from one step to the next. Two workgroups, of one subgroup each, have a part each
// (shaders/include/layer_experts.glsl); the one that is last adds up.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

#include "shaders/include/expert_units.glsl"
#include "shaders/interface/token_layer.h"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint COLUMNS = 512;  // of the residual: one chunk (row_products.glsl)
layout(constant_id = 2) const uint HIDDEN = 256;   // a multiple of 256, at most COLUMNS
layout(constant_id = 3) const uint SLOTS = 4;

layout(push_constant, scalar) uniform Push { ExpertLayerPush p; };

const uint LANES = 8u, STREAMED = LANES, ROWS = 1u;
const bool NORM = true;
#include "shaders/include/row_products.glsl"
#include "shaders/include/last_workgroup.glsl"
#include "shaders/include/layer_experts.glsl"

void main() {
  uint count = experts_used();
  leave_experts(gl_WorkGroupID.x, count, p.x);
  if (is_last_workgroup(p.arrived)) add_experts(count, p.x, p.x);
}
