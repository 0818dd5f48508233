// Where the elements of a fragment of matrix A (16 x 16 halves) lie in the lanes of a subgroup of 32: no specification tells, so
// what relies on it (linear/product_lanes.comp) asks first. matches[lane] is 1 where elements 2 i and 2 i + 1 of the lane are row
// lane / 4 + 8 (i / 2), columns 2 (lane % 4) + 8 (i % 2) and the next one, and there are eight.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#include "shaders/include/addresses.glsl"
#include "shaders/interface/fragment_order.h"

layout(local_size_x = 32) in;
layout(push_constant, scalar) uniform Push { FragmentOrderPush p; };
shared float16_t tile[256];

void main() {
  uint lane = gl_SubgroupInvocationID;
  for (uint i = 0; i < 8u; i++) tile[lane * 8u + i] = float16_t(lane * 8u + i);  // 16 row + column
  barrier();
  coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> fragment;
  coopMatLoad(fragment, tile, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
  bool matches = fragment.length() == 8;
  if (matches)
    [[unroll]] for (uint i = 0; i < 8u; i++) {
      uint row = lane / 4u + 8u * (i / 4u), column = 2u * (lane % 4u) + 8u * (i / 2u % 2u) + i % 2u;
      matches = matches && fragment[i] == float16_t(16u * row + column);
    }
  Uints(p.matches).v[lane] = matches ? 1u : 0u;
}
