// Whether steps may follow one another by counts (shaders/interface/chain.h): many more workgroups than run at once, each of which
// needs what one of the step before has left. Ends well only where a device starts dispatches in their order.
#version 460
#if CHAINED
#pragma use_vulkan_memory_model
#endif
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/chain.glsl"

layout(local_size_x_id = 0) in;
layout(push_constant, scalar) uniform Push { ChainTrialPush p; };

void main() {
  await_step(p.chain);
  if (gl_LocalInvocationIndex == 0u) Uints(p.to).v[gl_WorkGroupID.x] = Uints(p.from).v[gl_WorkGroupID.x * p.stride % gl_NumWorkGroups.x] + 1u;
  leave_step(p.chain);
}
