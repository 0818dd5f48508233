// Puts the splits of one token's attention together: softmax over the union of the key ranges. Splits in ascending
// order, so the sum is the same every time. One invocation per output dimension; grid (head_width / local size,
// query_heads).
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/attention.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint SPLITS = 4;
layout(constant_id = 3) const uint LEAST_PAGES = 1;  // of a split
layout(constant_id = 4) const uint IN_FLIGHT = 1;    // splits whose loads are issued together

layout(push_constant, scalar) uniform Push { CombinePush p; };

void main() {
  uint d = gl_GlobalInvocationID.x, head = gl_WorkGroupID.y;
  if (d >= HEAD_WIDTH) return;
  uint used = splits_used(State(p.state).s.position + 1u, SPLITS, LEAST_PAGES), last = used - 1u;
  Float2s partial = Float2s(p.partial + uint64_t(head * SPLITS * 2u) * 4ul);  // maximum and sum
  Floats values = Floats(p.values + uint64_t(head * SPLITS * HEAD_WIDTH) * 4ul);
  float maximum = partial.v[0].x;
  [[dont_unroll]] for (uint i = 0; i < used; i += IN_FLIGHT)
    [[unroll]] for (uint j = 0; j < IN_FLIGHT; j++) maximum = max(maximum, partial.v[min(i + j, last)].x);
  float sum = 0.0, y = 0.0;
  [[dont_unroll]] for (uint i = 0; i < used; i += IN_FLIGHT) {
    vec2 part[IN_FLIGHT];
    float value[IN_FLIGHT];
    [[unroll]] for (uint j = 0; j < IN_FLIGHT; j++) {
      uint at = min(i + j, last);
      part[j] = partial.v[at];
      value[j] = values.v[at * HEAD_WIDTH + d];
    }
    [[unroll]] for (uint j = 0; j < IN_FLIGHT; j++) {
      float share = i + j < used ? exp(part[j].x - maximum) : 0.0;
      sum += share * part[j].y;
      y += share * value[j];
    }
  }
  Floats(p.y).v[head * HEAD_WIDTH + d] = y / sum;
}
