// Test kernel: data[i] = data[i] * factor + addend + i * step, `repeat` times. Not commutative, so order shows.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require

layout(local_size_x_id = 0) in;

layout(buffer_reference, std430, buffer_reference_align = 4) buffer Words { uint value; };

layout(push_constant) uniform Push {
  uint64_t data;    // address of uint32 elements
  uint64_t count;   // elements
  uint factor, addend, step, repeat;
};

void main() {
  const uint64_t stride = uint64_t(gl_NumWorkGroups.x) * gl_WorkGroupSize.x;
  for (uint64_t i = gl_GlobalInvocationID.x; i < count; i += stride) {
    Words word = Words(data + i * 4ul);
    uint value = word.value;
    for (uint r = 0; r < repeat; ++r) value = value * factor + addend + uint(i) * step;
    word.value = value;
  }
}
