// Norm and rotation of the queries that a workgroup takes, and the write of the newest key and value to the cache.
//
// Needs what kv_store.glsl and key_table.glsl need, GROUP, SUBGROUPS, LANES, push constants `p` (RopeAttentionPush) and
// put_query(g, d, x), which keeps dimension d of the g-th query in shared memory.
#ifndef FOVEA_NEWEST_TOKEN_GLSL
#define FOVEA_NEWEST_TOKEN_GLSL

#ifndef QUERY_KV_HEAD  // whose queries are prepared
#define QUERY_KV_HEAD gl_WorkGroupID.x
#endif
const uint kQueryPairs = HEAD_WIDTH / 2u, kPairsTogether = 2u;  // pairs whose loads are issued together
// Where a lane has so few of a head's pairs, what turns and weighs them is read before the queries are there: read_turns comes
// before prepare_query and prepare.
const bool kTurnsAhead = kQueryPairs <= kPairsTogether * LANES && NORM != kNormAllHeads;
RopeTurn own_turns[kPairsTogether];
vec2 own_weights[kPairsTogether];
void read_turns(uint position) {
  if (!kTurnsAhead) return;
  [[unroll]] for (uint n = 0; n < kPairsTogether; n++) {
    own_turns[n] = rope_turn(min(gl_SubgroupInvocationID + n * LANES, kQueryPairs - 1u), position, p.turns);
    own_weights[n] = rope_weights(p.query_norm, own_turns[n].at);
  }
}

void prepare_query(uint g, uint position, bool publish) {
  uint head = QUERY_KV_HEAD * GROUP + g;
  RopeHead query = rope_head(p.qkv, head, p.query_heads, p.query_norm, p.epsilon);
  [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < kQueryPairs; i += kPairsTogether * LANES) {
    RopePair pairs[kPairsTogether];
    [[unroll]] for (uint n = 0; n < kPairsTogether; n++)
      pairs[n] = kTurnsAhead ? rope_pair(query, own_turns[n], own_weights[n]) : rope_pair(query, min(i + n * LANES, kQueryPairs - 1u), position, p.turns);
    [[unroll]] for (uint n = 0; n < kPairsTogether; n++) {
      if (i + n * LANES >= kQueryPairs) break;
      put_query(g, pairs[n].at.x, pairs[n].x.x);
      put_query(g, pairs[n].at.y, pairs[n].x.y);
      if (publish) {
        Floats target = Floats(p.query + uint64_t(head * HEAD_WIDTH) * 4ul);
        target.v[pairs[n].at.x] = pairs[n].x.x;
        target.v[pairs[n].at.y] = pairs[n].x.y;
      }
    }
  }
}

// Queries into shared memory and the newest key and value into the cache. Ends with a barrier behind which this
// workgroup, and no other, reads them back.
void prepare(KeyTable table, uint kv_head, uint position, bool newest, bool publish) {
  KvSlot slot = KvSlot(layer_address(table.pages, p.layer_offset, table.keys - 1u), p.kv_heads, kv_head, position);
  uint64_t keys = p.qkv + uint64_t(p.query_heads * HEAD_WIDTH) * 4ul;
  [[dont_unroll]] for (uint h = gl_SubgroupID; h < GROUP + (newest ? 2u : 0u); h += SUBGROUPS) {
    if (h < GROUP)
      prepare_query(h, position, publish);
    else if (h == GROUP)
      keep_key(slot, rope_head(keys, kv_head, p.kv_heads, p.key_norm, p.epsilon), p.turns);
    else
      keep_value(slot, keys + uint64_t((p.kv_heads + kv_head) * HEAD_WIDTH) * 4ul);
  }
#if KV_Q8_0
  if (newest) {
    barrier();
    write_kept(slot, true, true);
  }
#endif
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared,
                 FOVEA_ACQUIRE_RELEASE);
}

#endif
