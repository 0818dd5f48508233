// The norm of words that are only multiplied with its weights so far (shaders/interface/dot.h).
//
// Needs kBlocks (of the words), NORM_PENDING and the specialisation constant LANES (subgroup size).
#ifndef FOVEA_PENDING_NORM_GLSL
#define FOVEA_PENDING_NORM_GLSL

#include "quantize_rows.glsl"

// A lane's part of the squares, all asked for before any is needed.
const uint kSquares = NORM_PENDING ? (kBlocks + LANES - 1u) / LANES : 1u;
void load_squares(uint64_t words, out vec2 squares[kSquares]) {
  Float2s from = Float2s(words + uint64_t(q8_squares(kBlocks, 0u)) * 4ul);
  [[unroll]] for (uint i = 0; i < kSquares; i++) {
    uint block = i * LANES + gl_SubgroupInvocationID;
    squares[i] = block < kBlocks ? from.v[block] : vec2(0.0);
  }
}
// The norm's 1 / sqrt(mean(x^2) + epsilon).
float pending_scale(vec2 squares[kSquares], float epsilon) {
  vec2 sum = squares[0];
  [[unroll]] for (uint i = 1; i < kSquares; i++) sum += squares[i];
  return inversesqrt(subgroupAdd(sum.x + sum.y) / float(COLUMNS) + epsilon);
}

#endif
