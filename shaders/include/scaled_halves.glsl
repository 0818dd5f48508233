// Weights in bytes to halves, for products in tiles.
#ifndef FOVEA_SCALED_HALVES_GLSL
#define FOVEA_SCALED_HALVES_GLSL

// The bytes of a word, times `scale` plus `offset`, as two pairs of halves.
uvec2 scaled_halves(vec4 bytes, float scale, float offset) {
  vec4 w = fma(bytes, vec4(scale), vec4(offset));
  return uvec2(packHalf2x16(w.xy), packHalf2x16(w.zw));
}

#endif
