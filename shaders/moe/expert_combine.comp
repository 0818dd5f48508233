// Adds the weighted expert outputs of a batch to the residual, used slots in order. One invocation per element, or per four of
// them; grid (width / (local size * ELEMENTS), tokens). With SUBGROUPS a workgroup has a row and leaves it, too, behind the norm that
// comes next (norm/rms_norm.comp).
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SLOTS = 4;
layout(constant_id = 2) const uint ELEMENTS = 1;  // of an invocation: 1, or 4 where width and strides are multiples of it
layout(constant_id = 3) const uint SUBGROUPS = 0;  // of a workgroup that has a row; 0: none has
layout(push_constant, scalar) uniform Push { ExpertCombinePush p; };

#include "shaders/include/row_squares.glsl"

const uint kTogether = SLOTS < 8u ? SLOTS : 8u;  // slots whose loads are issued together

void main() {
  uint token = gl_WorkGroupID.y, i = gl_GlobalInvocationID.x;
  bool real = i * ELEMENTS < p.width;
  if (token >= State(p.state).s.tokens || (SUBGROUPS == 0u && !real)) return;
  if (SUBGROUPS > 0u) i = min(i, p.width / ELEMENTS - 1u);
  vec4 sum = vec4(0.0);
  [[dont_unroll]] for (uint some = 0; some < SLOTS; some += kTogether) {
    vec4 partial[kTogether];
    float weight[kTogether];
    bool used[kTogether];
    [[unroll]] for (uint n = 0; n < kTogether; n++) {
      uint a = token * SLOTS + min(some + n, SLOTS - 1u);
      // An unused slot's row is read as well, so that its load waits for no other, and not added.
      uint64_t row = p.partial + uint64_t(a * p.partial_stride) * 4ul;
      used[n] = some + n < SLOTS && Uints(p.experts).v[a] != kNoExpert;
      weight[n] = Floats(p.weights).v[a];
      partial[n] = ELEMENTS == 4u ? Float4s(row).v[i] : vec4(Floats(row).v[i], 0.0, 0.0, 0.0);
    }
    [[unroll]] for (uint n = 0; n < kTogether; n++)
      if (used[n]) sum += weight[n] * partial[n];
  }
  uint64_t x = p.x + uint64_t(token * p.x_stride) * 4ul;
  if (ELEMENTS == 1u) {
    Floats(x).v[i] += sum.x;
    return;
  }
  sum += Float4s(x).v[i];
  if (real) Float4s(x).v[i] = sum;
  if (SUBGROUPS == 0u) return;
  float scale = inversesqrt(over_row(real ? dot(sum, sum) : 0.0) / float(p.width) + p.epsilon);
  if (real) Uint2s(p.halves + uint64_t(token * p.width) * 2ul).v[i] = normed_halves(sum * scale * Float4s(p.norm).v[i]);
}
