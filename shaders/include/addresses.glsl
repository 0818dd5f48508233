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

// Kernels that start before the step before them has ended (chain.glsl) see what it writes by the Vulkan memory model, in which
// whatever is not private takes part.
#if CHAINED
#extension GL_KHR_memory_scope_semantics : require
#define FOVEA_SEEN nonprivate
#define FOVEA_ACQUIRE_RELEASE (gl_SemanticsAcquireRelease | gl_SemanticsMakeAvailable | gl_SemanticsMakeVisible)
#else
#define FOVEA_SEEN
#define FOVEA_ACQUIRE_RELEASE gl_SemanticsAcquireRelease
#endif

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Uints { FOVEA_SEEN uint v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Floats { FOVEA_SEEN float v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Float2s { FOVEA_SEEN vec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer Halves { FOVEA_SEEN uint16_t v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Uint2s { FOVEA_SEEN uvec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Uint4s { FOVEA_SEEN uvec4 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) buffer Addresses { FOVEA_SEEN uint64_t v[]; };
// Activation rows start at multiples of 16 bytes (engine/decoder/activations pads their strides).
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Float4s { FOVEA_SEEN vec4 v[]; };

// What another workgroup of this dispatch writes.
layout(buffer_reference, scalar, buffer_reference_align = 16) coherent buffer OthersVectors { vec4 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 8) coherent buffer OthersPairs { vec2 v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) coherent buffer OthersCounts { uint v[]; };

#endif
