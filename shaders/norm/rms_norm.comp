// Root mean square norm of activation rows; one subgroup per token. Twin: engine/reference/rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/state.glsl"
#include "shaders/interface/norm.h"

layout(local_size_x_id = 0) in;
layout(push_constant, scalar) uniform Push { RmsNormPush p; };

void main() {
  uint tokens = State(p.state).s.tokens;
  uint token = p.last_only == 1u ? tokens - 1u : gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID;
  if (token >= tokens || (p.last_only == 1u && gl_SubgroupID > 0u)) return;
  Floats x = Floats(p.x + uint64_t(token * p.stride) * 4ul);
  Floats y = Floats(p.y + uint64_t((p.last_only == 1u ? 0u : token) * p.stride) * 4ul);
  Floats weight = Floats(p.weight);

  float squares = 0.0;
  for (uint i = gl_SubgroupInvocationID; i < p.width; i += gl_SubgroupSize) squares += x.v[i] * x.v[i];
  float scale = inversesqrt(subgroupAdd(squares) / float(p.width) + p.epsilon);
  for (uint i = gl_SubgroupInvocationID; i < p.width; i += gl_SubgroupSize) y.v[i] = x.v[i] * scale * weight.v[i];
}
