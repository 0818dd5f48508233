// A router's logits from the parts in which the product before left them (linear/matvec_dot.comp, EXPERTS), added up in the
// same order by every workgroup of the same size.
//
// Needs the specialisation constants EXPERTS (a multiple of four), PARTS (0: nothing) and what pending_norm.glsl needs, which it includes.
#ifndef FOVEA_LOGIT_PARTS_GLSL
#define FOVEA_LOGIT_PARTS_GLSL

#include "pending_norm.glsl"

shared float logits_here[PARTS > 0u ? EXPERTS : 1u];

// An invocation has four experts of every kAdders-th part.
const uint kFours = (EXPERTS + 3u) / 4u, kFit = gl_WorkGroupSize.x / kFours, kAdders = kFit < 1u ? 1u : kFit > 16u ? 16u : kFit;
const uint kOwnParts = PARTS > 0u ? (PARTS + kAdders - 1u) / kAdders : 1u;
shared vec4 added[PARTS > 0u ? kAdders * kFours : 1u];

// `parts`: float (PARTS, EXPERTS). `words`: of the norm by which they are still to be divided. Ends with a barrier.
void sum_logits(uint64_t parts, uint64_t words, float epsilon) {
  vec2 squares[kSquares];
  load_squares(words, squares);
  uint own = gl_LocalInvocationID.x;
  if (own < kAdders * kFours) {
    vec4 part[kOwnParts], sum = vec4(0.0);
    [[unroll]] for (uint i = 0; i < kOwnParts; i++) {
      uint at = own / kFours + i * kAdders;
      part[i] = Float4s(parts).v[min(at, PARTS - 1u) * kFours + own % kFours];
      if (at >= PARTS) part[i] = vec4(0.0);
    }
    [[unroll]] for (uint i = 0; i < kOwnParts; i++) sum += part[i];
    added[own] = sum;
  }
  float scale = pending_scale(squares, epsilon);
  barrier();
  [[dont_unroll]] for (uint e = own; e < EXPERTS; e += gl_WorkGroupSize.x) {
    float sum = 0.0;
    [[unroll]] for (uint i = 0; i < kAdders; i++) sum += added[i * kFours + e / 4u][e % 4u];
    precise float logit = sum * scale;
    logits_here[e] = logit;
  }
  barrier();
}

#endif
