// Which experts each token of a batch gets. One subgroup per token. Twin: engine/reference/router.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint EXPERTS = 16;
layout(constant_id = 2) const uint SLOTS = 4;
layout(constant_id = 3) const bool NORMALIZE = true;  // chosen weights sum to one
layout(constant_id = 4) const uint LANES = 8;         // subgroup size

#include "shaders/include/router_choice.glsl"

layout(push_constant, scalar) uniform Push { RouterPush p; };

void main() {
  uint token = gl_WorkGroupID.x;
  if (token >= State(p.state).s.tokens) return;
  uint64_t row = uint64_t(token * SLOTS) * 4ul;
  choose_experts(p.logits + uint64_t(token * p.stride) * 4ul, SLOTS - 1u, true, p.experts + row, p.weights + row);
}
