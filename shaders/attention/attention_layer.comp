// The attention of a layer for one token on a CPU driver of few cores, and the router behind it, in one step: such a driver takes tens of
// microseconds from one step to the next. A workgroup, of one subgroup, has a KV head (shaders/include/layer_attention.glsl). The
// workgroup that is last adds up what all have left, and routes.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_memory_scope_semantics : require

#define KV_F16 1
#define STEP_ROTATES 1
#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"
#include "shaders/interface/token_layer.h"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // a multiple of 32
layout(constant_id = 2) const uint GROUP = 4;        // query heads per KV head; their widths make whole tiles
layout(constant_id = 3) const uint COLUMNS = 512;    // of the residual and of all query heads; one chunk (row_products.glsl)
layout(constant_id = 4) const uint ROPE_WIDTH = 64;
layout(constant_id = 5) const bool HALVES = true;
layout(constant_id = 6) const uint NORM = 0;         // of queries and keys, none over all heads
layout(constant_id = 7) const uint EXPERTS = 16;
layout(constant_id = 8) const uint SLOTS = 4;
layout(constant_id = 9) const bool NORMALIZE = true;  // chosen weights sum to one
layout(constant_id = 10) const bool POLICY = false;
layout(constant_id = 11) const uint COUNT = 0;  // the policy's constants
layout(constant_id = 12) const uint LOAD = 0;
layout(constant_id = 13) const bool REMEMBERS = false;

layout(push_constant, scalar) uniform Push { AttentionLayerPush p; };

#include "shaders/include/layer_attention.glsl"

void main() {
  attend_and_leave(gl_WorkGroupID.x, p.x);
  if (!is_last_workgroup(p.arrived)) return;
  add_outputs(p.x, p.x);
  lanes_in_step();
  route(p.x);
}
