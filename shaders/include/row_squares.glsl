// Sum over a row that a workgroup of SUBGROUPS subgroups has, of what each invocation has of it: by lanes, then in the order of subgroups.
// One barrier, for all of the workgroup.
#ifndef FOVEA_ROW_SQUARES_GLSL
#define FOVEA_ROW_SQUARES_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

const float kMostHalf = 65504.0;
shared float parts[SUBGROUPS > 0u ? SUBGROUPS : 1u];

float over_row(float squares) {
  squares = subgroupAdd(squares);
  if (SUBGROUPS == 1u) return squares;
  if (subgroupElect()) parts[gl_SubgroupID] = squares;
  barrier();
  float sum = 0.0;
  [[unroll]] for (uint i = 0; i < SUBGROUPS; i++) sum += parts[i];
  return sum;
}
// Beyond the largest half, what is normed is taken as that of its sign.
uvec2 normed_halves(vec4 normed) {
  normed = clamp(normed, vec4(-kMostHalf), vec4(kMostHalf));
  return uvec2(packHalf2x16(normed.xy), packHalf2x16(normed.zw));
}

#endif
