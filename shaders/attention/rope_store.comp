// Query/key norm, rotary positions and the write of keys and values to the KV cache.
// One subgroup per head and token; grid (query_heads + 2 kv_heads, tokens). Twin: engine/reference/rope.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint ROPE_WIDTH = 64;
layout(constant_id = 3) const bool HALVES = true;
layout(constant_id = 4) const uint NORM = 0;

#include "shaders/include/kv_store.glsl"
#include "shaders/include/state.glsl"

layout(push_constant, scalar) uniform Push { RopeStorePush p; };

void main() {
  StepState state = State(p.state).s;
  uint head = gl_WorkGroupID.x, token = gl_WorkGroupID.y;
  if (token >= state.tokens) return;
  uint position = state.position + token;
  uint64_t row = p.qkv + uint64_t(token * p.qkv_stride) * 4ul;
  if (head < p.query_heads) {
    RopeHead query = rope_head(row, head, p.query_heads, p.query_norm, p.epsilon);
    Floats target = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
    for (uint i = gl_SubgroupInvocationID; i < HEAD_WIDTH / 2u; i += gl_SubgroupSize) {
      RopePair pair = rope_pair(query, i, position, p.turns);
      target.v[pair.at.x] = pair.x.x;
      target.v[pair.at.y] = pair.x.y;
      if (p.last_query != 0ul && token + 1u == state.tokens) {
        Floats last = Floats(p.last_query + uint64_t(head * HEAD_WIDTH) * 4ul);
        last.v[pair.at.x] = pair.x.x;
        last.v[pair.at.y] = pair.x.y;
      }
    }
    return;
  }
  uint kv_head = (head - p.query_heads) % p.kv_heads;
  bool value = head >= p.query_heads + p.kv_heads;
  KvSlot slot = KvSlot(layer_address(p.pages, p.layer_offset, position), p.kv_heads, kv_head, position);
  if (value) {
    keep_value(slot, row + uint64_t(head * HEAD_WIDTH) * 4ul);
  } else {
    uint64_t keys = row + uint64_t(p.query_heads * HEAD_WIDTH) * 4ul;
    keep_key(slot, rope_head(keys, kv_head, p.kv_heads, p.key_norm, p.epsilon), p.turns);
  }
#if KV_Q8_0
  barrier();
  write_kept(slot, !value, value);
#endif
}
