// Puts the splits of one token's attention together: softmax over the union of the key ranges. Splits in ascending
// order, so the sum is the same every time. One invocation per output dimension; grid (head_width / local size,
// query_heads).
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/key_table.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/attention.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint SPLITS = 4;

layout(push_constant, scalar) uniform Push { CombinePush p; };

void main() {
  uint d = gl_GlobalInvocationID.x, head = gl_WorkGroupID.y;
  if (d >= HEAD_WIDTH) return;
  KeyTable table = key_table(0ul, p.listed_keys, 0u, head / p.group, State(p.state).s.position + 1u);
  uint used = splits_used(table.keys, SPLITS, 1u);
  Float2s partial = Float2s(p.partial + uint64_t(head * SPLITS * 2u) * 4ul);  // maximum and sum
  Floats values = Floats(p.values + uint64_t(head * SPLITS * HEAD_WIDTH) * 4ul);
  float maximum = partial.v[0].x;
  [[dont_unroll]] for (uint i = 1; i < used; i++) maximum = max(maximum, partial.v[i].x);
  float sum = 0.0, y = 0.0;
  [[dont_unroll]] for (uint i = 0; i < used; i++) {
    float share = exp(partial.v[i].x - maximum);
    sum += share * partial.v[i].y;
    y += share * values.v[i * HEAD_WIDTH + d];
  }
  Floats(p.y).v[head * HEAD_WIDTH + d] = y / sum;
  if (p.sums == 0ul || d > 0u) return;
  Floats(p.sums).v[head * kRowSums] = maximum;
  Floats(p.sums).v[head * kRowSums + kRowSum] = sum;
}
