// Bits and bytes of stored blocks, for all that unpack them.
#ifndef FOVEA_BLOCK_BITS_GLSL
#define FOVEA_BLOCK_BITS_GLSL

vec4 signed_bytes(uint w) { return vec4(ivec4(int(w << 24), int(w << 16), int(w << 8), int(w)) >> 24); }
vec4 unsigned_bytes(uint w) { return vec4((uvec4(w) >> uvec4(0, 8, 16, 24)) & 255u); }
uint fifth_bits(uint bits) {  // bits 0..3 of `bits` to bit 4 of each byte
  return ((bits & 1u) << 4) | ((bits & 2u) << 11) | ((bits & 4u) << 18) | ((bits & 8u) << 25);
}

#endif
