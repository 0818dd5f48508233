// Activation rows to 8 bits, with a norm on the way if there is one; one workgroup per row, grid (rows).
// Twins: engine/reference/quantize, rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/quantize_rows.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool NORM = false;
layout(constant_id = 2) const uint SUBGROUPS = 1;  // of a workgroup: one on a CPU driver, where barriers are dear

layout(push_constant, scalar) uniform Push { QuantizePush p; };

shared float partial_squares[SUBGROUPS];

void main() {
  uint row = gl_WorkGroupID.x, first = gl_LocalInvocationID.x;
  Float4s x = Float4s(p.x + uint64_t(row * p.x_stride) * 4ul);
  uint64_t q8 = p.q8 + uint64_t(row * p.q8_stride) * 4ul;
  float scale = 1.0;
  if (NORM) {
    float squares = 0.0;
    [[dont_unroll]] for (uint i = first; i < p.width / 4u; i += gl_WorkGroupSize.x) squares += dot(x.v[i], x.v[i]);
    squares = subgroupAdd(squares);
    if (SUBGROUPS > 1u) {
      if (subgroupElect()) partial_squares[gl_SubgroupID] = squares;
      barrier();
      squares = 0.0;
      [[unroll]] for (uint n = 0; n < SUBGROUPS; n++) squares += partial_squares[n];
    }
    scale = inversesqrt(squares / float(p.width) + p.epsilon);
  }
  // The width is a multiple of 32, so eight lanes that share a block are all in or all out.
  [[dont_unroll]] for (uint i = first; i < p.width / 4u; i += gl_WorkGroupSize.x) {
    vec4 v = x.v[i];
    if (NORM) {
      v *= scale * Float4s(p.norm).v[i];
      if (p.y != 0ul) Float4s(p.y + uint64_t(row * p.x_stride) * 4ul).v[i] = v;
    }
    write_part(q8, p.width / 32u, i, quantize4(v));
  }
}
