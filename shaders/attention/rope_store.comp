// Query/key norm, rotary positions and the write of keys and values to the KV cache.
// One subgroup per head and token, neighbouring heads in a workgroup; grid ((END_HEAD - FIRST_HEAD) / SUBGROUPS, tokens). Heads:
// those of queries, of keys, of values. Twin: engine/reference/rope.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;  // SUBGROUPS of them
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint ROPE_WIDTH = 64;
layout(constant_id = 3) const bool HALVES = true;
layout(constant_id = 4) const uint NORM = 0;
layout(constant_id = 5) const uint SUBGROUPS = 1;  // 1 where a workgroup writes what it has staged (KV_Q8_0)
layout(constant_id = 6) const uint FIRST_HEAD = 0;
layout(constant_id = 7) const uint END_HEAD = 6;

#include "shaders/include/kv_store.glsl"
#include "shaders/include/state.glsl"

layout(push_constant, scalar) uniform Push { RopeStorePush p; };

void main() {
  StepState state = State(p.state).s;
  uint head = FIRST_HEAD + gl_WorkGroupID.x * SUBGROUPS + (SUBGROUPS > 1u ? gl_SubgroupID : 0u), token = gl_WorkGroupID.y;
  if (token >= state.tokens || head >= END_HEAD) return;
  uint position = state.position + token;
  uint64_t row = p.qkv + uint64_t(token * p.qkv_stride) * 4ul;
  if (head < p.query_heads) {
    RopeHead query = rope_head(row, head, p.query_heads, p.query_norm, p.epsilon);
    Floats target = Floats(p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul);
    bool kept = p.last_query != 0ul && token + 1u == state.tokens;
    Floats last = Floats(p.last_query + uint64_t(head * HEAD_WIDTH) * 4ul);
    const uint kPairs = HEAD_WIDTH / 2u, kTogether = 2u;  // whose loads are issued together
    [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < kPairs; i += kTogether * gl_SubgroupSize) {
      RopePair pairs[kTogether];
      [[unroll]] for (uint n = 0; n < kTogether; n++) pairs[n] = rope_pair(query, min(i + n * gl_SubgroupSize, kPairs - 1u), position, p.turns);
      [[unroll]] for (uint n = 0; n < kTogether; n++) {
        if (i + n * gl_SubgroupSize >= kPairs) break;
        target.v[pairs[n].at.x] = pairs[n].x.x;
        target.v[pairs[n].at.y] = pairs[n].x.y;
        if (kept) {
          last.v[pairs[n].at.x] = pairs[n].x.x;
          last.v[pairs[n].at.y] = pairs[n].x.y;
        }
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
