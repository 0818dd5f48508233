// Query/key norm, rotary positions (Su et al. 2021) and the write of keys and values to the KV cache.
// One subgroup per head and token; grid (query_heads + 2 kv_heads, tokens). Twin: engine/reference/rope.
//
// The angle of pair i at a position is position * turns[i], kept in 64-bit fixed point, so that its fraction of a turn
// is exact at any position and sine and cosine see arguments within [-pi, pi] only.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint ROPE_WIDTH = 64;
layout(constant_id = 3) const bool HALVES = true;   // pairs (i, i + ROPE_WIDTH / 2); else neighbours (2i, 2i + 1)
layout(constant_id = 4) const uint NORM = 0;        // 0 none, 1 per head, 2 over all heads

layout(push_constant, scalar) uniform Push { RopeStorePush p; };

void main() {
  StepState state = State(p.state).s;
  uint head = gl_WorkGroupID.x, token = gl_WorkGroupID.y;
  if (token >= state.tokens) return;
  uint position = state.position + token;
  bool query = head < p.query_heads, value = head >= p.query_heads + p.kv_heads;
  uint kv_head = query ? 0u : (head - p.query_heads) % p.kv_heads;
  uint64_t row = p.qkv + uint64_t(token * p.qkv_stride) * 4ul;
  Floats raw = Floats(row + uint64_t(head * HEAD_WIDTH) * 4ul);
  uint lane = gl_SubgroupInvocationID;

  uint64_t target = query ? p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul
                          : key_address(p.pages, p.layer_offset, kv_head, position, HEAD_WIDTH) +
                                uint64_t(value ? value_offset(p.kv_heads, HEAD_WIDTH) : 0u);
  if (value) {
    for (uint d = lane; d < HEAD_WIDTH; d += gl_SubgroupSize)
      Halves(target).v[d] = uint16_t(packHalf2x16(vec2(raw.v[d], 0.0)));
    return;
  }

  float scale = 1.0;
  uint64_t weight = 0;
  if (NORM != 0u) {
    bool whole = NORM == 2u;
    uint first_head = query ? 0u : p.query_heads, heads = query ? p.query_heads : p.kv_heads;
    uint first = whole ? first_head * HEAD_WIDTH : head * HEAD_WIDTH, count = whole ? heads * HEAD_WIDTH : HEAD_WIDTH;
    Floats all = Floats(row + uint64_t(first) * 4ul);
    float squares = 0.0;
    for (uint i = lane; i < count; i += gl_SubgroupSize) squares += all.v[i] * all.v[i];
    scale = inversesqrt(subgroupAdd(squares) / float(count) + p.epsilon);
    weight = (query ? p.query_norm : p.key_norm) + (whole ? uint64_t((head - first_head) * HEAD_WIDTH) * 4ul : 0ul);
  }

  uint pairs = ROPE_WIDTH / 2u;
  for (uint i = lane; i < pairs; i += gl_SubgroupSize) {
    uint a = HALVES ? i : 2u * i, b = HALVES ? i + pairs : 2u * i + 1u;
    float xa = raw.v[a] * scale, xb = raw.v[b] * scale;
    if (NORM != 0u) { xa *= Floats(weight).v[a]; xb *= Floats(weight).v[b]; }
    uint64_t phase = Addresses(p.turns).v[i] * uint64_t(position);
    float angle = float(int(uint(phase >> 32))) * (6.283185307179586 / 4294967296.0);
    float c = cos(angle), s = sin(angle);
    float ya = xa * c - xb * s, yb = xa * s + xb * c;
    if (query) {
      Floats(target).v[a] = ya;
      Floats(target).v[b] = yb;
    } else {
      Halves(target).v[a] = uint16_t(packHalf2x16(vec2(ya, 0.0)));
      Halves(target).v[b] = uint16_t(packHalf2x16(vec2(yb, 0.0)));
    }
  }
  for (uint d = ROPE_WIDTH + lane; d < HEAD_WIDTH; d += gl_SubgroupSize) {
    float x = raw.v[d] * scale * (NORM != 0u ? Floats(weight).v[d] : 1.0);
    if (query) Floats(target).v[d] = x;
    else Halves(target).v[d] = uint16_t(packHalf2x16(vec2(x, 0.0)));
  }
}
