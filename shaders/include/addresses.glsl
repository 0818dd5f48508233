// Everything is read and written through buffer device addresses: typed views of an address.
#ifndef FOVEA_ADDRESSES_GLSL
#define FOVEA_ADDRESSES_GLSL

#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_control_flow_attributes : require

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Uints { uint v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Floats { float v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Float2s { vec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer Halves { uint16_t v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Uint2s { uvec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Uint4s { uvec4 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Addresses { uint64_t v[]; };
// Activation rows start at multiples of 16 bytes (engine/decoder/activations pads their strides).
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Float4s { vec4 v[]; };

// What another workgroup of this dispatch writes.
layout(buffer_reference, scalar, buffer_reference_align = 16) coherent buffer OthersVectors { vec4 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) coherent buffer OthersPairs { vec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) coherent buffer OthersCounts { uint v[]; };

#endif
