// Activations in 8 bits as rows in eights read them (shaders/interface/eight_rows.h), by eight lanes. Needs COLUMNS, a multiple of 32.
#ifndef FOVEA_EIGHT_INPUT_GLSL
#define FOVEA_EIGHT_INPUT_GLSL

#include "addresses.glsl"
#include "eight_lanes.glsl"
#include "shaders/interface/eight_rows.h"

void leave_eight_input(uint64_t from, uint64_t norm, bool normed, float epsilon, uint64_t to) {
  const uint kFours = COLUMNS / 4u, kSums = COLUMNS / 2u, kScales = kSums + COLUMNS / 8u;  // words before
  uint lane = gl_SubgroupInvocationID % 8u;
  float scale = 1.0;
  if (normed) {
    float squares = 0.0;
    [[dont_unroll]] for (uint i = lane; i < kFours; i += 8u) {
      vec4 x = Float4s(from).v[i];
      squares += dot(x, x);
    }
    scale = inversesqrt(over_lanes(squares) / float(COLUMNS) + epsilon);
  }
  // Four neighbouring lanes share a scale, two a sum of words.
  [[dont_unroll]] for (uint i = lane; i < kFours; i += 8u) {
    vec4 x = Float4s(from).v[i];
    if (normed) x *= scale * Float4s(norm).v[i];
    float most = max(max(abs(x.x), abs(x.y)), max(abs(x.z), abs(x.w)));
    most = max(most, subgroupShuffleXor(most, 1u));
    most = max(most, subgroupShuffleXor(most, 2u));
    ivec4 q = ivec4(floor(x * (most > 0.0 ? 127.0 / most : 0.0) + 0.5));
    uint even = uint(q.z + q.x * 65536), odd = uint(q.w + q.y * 65536), sum = even + odd;
    sum += subgroupShuffleXor(sum, 1u);
    Uints words = Uints(to);
    words.v[2u * i] = even;
    words.v[2u * i + 1u] = odd;
    if (lane % 2u == 0u) words.v[kSums + i / 2u] = 32768u - 32u * 65537u * sum;
    if (lane % 4u == 0u) Floats(to).v[kScales + i / 4u] = most / 127.0;
  }
}

#endif
