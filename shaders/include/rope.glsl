// Norm of a query or key head and rotary positions (Su et al. 2021), by one subgroup. Twin: engine/reference/rope.
//
// The angle of pair i at a position is position * turns[i], kept in 64-bit fixed point, so that its fraction of a turn
// is exact at any position and sine and cosine see arguments within [-pi, pi] only. Sums and rotations are `precise`:
// two shaders that include this give the same bits.
//
// Needs the specialisation constants HEAD_WIDTH, ROPE_WIDTH, HALVES (pairs (i, i + ROPE_WIDTH / 2); else neighbours
// (2i, 2i + 1)) and NORM (0 none, 1 per head, 2 over all heads). Widths are even, rows start on 16 bytes.
#ifndef FOVEA_ROPE_GLSL
#define FOVEA_ROPE_GLSL

#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "addresses.glsl"

const uint kNormPerHead = 1, kNormAllHeads = 2;
const uint kSquaresInFlight = NORM == kNormAllHeads ? 16 : 2;  // loads issued together

struct RopeHead {
  uint64_t raw;     // float (HEAD_WIDTH)
  uint64_t weight;  // float (HEAD_WIDTH), of the norm
  float scale;      // 1 / root mean square of what the norm is taken over
};

// Head `head` of the `heads` query (or key) heads that begin at `first`.
RopeHead rope_head(uint64_t first, uint head, uint heads, uint64_t weight, float epsilon) {
  uint64_t offset = uint64_t(head * HEAD_WIDTH) * 4ul;
  RopeHead result = RopeHead(first + offset, weight, 1.0);
  if (NORM == 0u) return result;
  bool all = NORM == kNormAllHeads;
  Float2s x = Float2s(all ? first : result.raw);
  uint count = (all ? heads : 1u) * HEAD_WIDTH / 2u;
  precise float squares = 0.0;
  [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < count; i += kSquaresInFlight * gl_SubgroupSize) {
    vec2 v[kSquaresInFlight];
    [[unroll]] for (uint j = 0; j < kSquaresInFlight; j++) v[j] = x.v[min(i + j * gl_SubgroupSize, count - 1u)];
    [[unroll]] for (uint j = 0; j < kSquaresInFlight; j++)
      squares += i + j * gl_SubgroupSize < count ? v[j].x * v[j].x + v[j].y * v[j].y : 0.0;
  }
  result.scale = inversesqrt(subgroupAdd(squares) / float(2u * count) + epsilon);
  if (all) result.weight += offset;
  return result;
}

struct RopePair {
  uvec2 at;  // dimensions
  vec2 x;
};

// What turns pair i at a position, the same for all heads.
struct RopeTurn {
  uvec2 at;  // dimensions
  vec2 turn;  // cosine and sine; of a pair past ROPE_WIDTH 1 and 0
};
RopeTurn rope_turn(uint i, uint position, uint64_t turns) {
  bool rotated = ROPE_WIDTH == HEAD_WIDTH || i < ROPE_WIDTH / 2u;
  RopeTurn result = RopeTurn(HALVES && rotated ? uvec2(i, i + ROPE_WIDTH / 2u) : uvec2(2u * i, 2u * i + 1u), vec2(1.0, 0.0));
  if (rotated) {
    uint64_t phase = Addresses(turns).v[i] * uint64_t(position);
    float angle = float(int(uint(phase >> 32))) * (6.283185307179586 / 4294967296.0);
    result.turn = vec2(cos(angle), sin(angle));
  }
  return result;
}
vec2 rope_weights(uint64_t weight, uvec2 at) {
  Floats weights = Floats(weight);
  return NORM != 0u ? vec2(weights.v[at.x], weights.v[at.y]) : vec2(1.0);
}

// A pair of the head: rotated, or, past ROPE_WIDTH, as the norm left it.
RopePair rope_pair(RopeHead head, RopeTurn turn, vec2 weights) {
  Floats raw = Floats(head.raw);
  precise vec2 x = vec2(raw.v[turn.at.x], raw.v[turn.at.y]);
  if (NORM != 0u) x = x * head.scale * weights;
  bool rotated = ROPE_WIDTH == HEAD_WIDTH || turn.turn != vec2(1.0, 0.0);
  if (rotated) {
    float c = turn.turn.x, s = turn.turn.y;
    x = vec2(x.x * c - x.y * s, x.x * s + x.y * c);
  }
  return RopePair(turn.at, x);
}
// Pair i of the head's HEAD_WIDTH / 2.
RopePair rope_pair(RopeHead head, uint i, uint position, uint64_t turns) {
  RopeTurn turn = rope_turn(i, position, turns);
  return rope_pair(head, turn, rope_weights(head.weight, turn.at));
}

#endif
