// Test kernel: reads `vectors` aligned 16-byte vectors and does next to nothing with them: what memory gives at best.
// Every workgroup writes one word, so that nothing can be left out.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require

layout(local_size_x_id = 0) in;

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Vectors { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint v[]; };

layout(push_constant) uniform Push {
  uint64_t data;  // address of `vectors` vectors
  uint64_t sink;  // address of a word per workgroup
  uint vectors;
};

const uint kInFlight = 4;  // loads of an invocation before it needs the first

void main() {
  uint stride = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  Vectors from = Vectors(data);
  uvec4 all = uvec4(0);
  for (uint i = gl_GlobalInvocationID.x; i < vectors; i += stride * kInFlight) {
    uvec4 part[kInFlight];
    [[unroll]] for (uint j = 0; j < kInFlight; j++) part[j] = from.v[min(i + j * stride, vectors - 1u)];
    [[unroll]] for (uint j = 0; j < kInFlight; j++) all ^= part[j];
  }
  if ((all.x ^ all.y ^ all.z ^ all.w) == 0x5EED5EEDu) Words(sink).v[gl_WorkGroupID.x] = all.x;
}
