// Activation rows to 8 bits, with a norm on the way if there is one; one subgroup per row, grid (rows).
// Twins: engine/reference/quantize, rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/quantize_rows.glsl"

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const bool NORM = false;

layout(push_constant, scalar) uniform Push { QuantizePush p; };

void main() {
  uint row = gl_WorkGroupID.x, lane = gl_SubgroupInvocationID;
  Float4s x = Float4s(p.x + uint64_t(row * p.x_stride) * 4ul);
  Uints q8 = Uints(p.q8 + uint64_t(row * p.q8_stride) * 4ul);
  float scale = 1.0;
  if (NORM) {
    float squares = 0.0;
    [[dont_unroll]] for (uint i = lane; i < p.width / 4u; i += gl_SubgroupSize) squares += dot(x.v[i], x.v[i]);
    scale = inversesqrt(subgroupAdd(squares) / float(p.width) + p.epsilon);
  }
  // The width is a multiple of 32, so eight lanes that share a block are all in or all out.
  [[dont_unroll]] for (uint i = lane; i < p.width / 4u; i += gl_SubgroupSize) {
    vec4 v = x.v[i];
    if (NORM) {
      v *= scale * Float4s(p.norm).v[i];
      if (p.y != 0ul) Float4s(p.y + uint64_t(row * p.x_stride) * 4ul).v[i] = v;
    }
    Q8Part part = quantize4(v);
    uint block = (i / 8u) * kQ8Words;
    q8.v[block + i % 8u] = part.q;
    if (i % 8u == 0u) {
      q8.v[block + kQ8Scale] = floatBitsToUint(part.d);
      q8.v[block + kQ8Sums] = part.sums;
    }
  }
}
