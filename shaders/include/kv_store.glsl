// The write of a key, a value or both into their page: every dimension is kept by whoever has it; f16 is in its
// page then, of q8_0 the workgroup writes what was kept, behind a barrier.
//
// A cache of q8_0 takes keys and values by blocks of 32 along the head (ggml's rule): d = max|x| / 127, kept as a half,
// q = round(x / d), halves away from zero. Needs what rope.glsl needs.
#ifndef FOVEA_KV_STORE_GLSL
#define FOVEA_KV_STORE_GLSL

#include "pages.glsl"
#include "rope.glsl"

struct KvSlot {
  uint64_t layer;  // this layer's part of the position's page
  uint kv_heads, kv_head, position;
};

#if KV_F16
void keep(KvSlot slot, bool value, uint d, float x) {
  uint offset = key_offset(slot.kv_head, slot.position, HEAD_WIDTH);
  if (value) offset += value_offset(slot.kv_heads, HEAD_WIDTH);
  Halves(slot.layer + uint64_t(offset)).v[d] = uint16_t(packHalf2x16(vec2(x, 0.0)));
}

#elif KV_Q8_0
const uint WORDS = (HEAD_WIDTH + kKvPiece - 1) / kKvPiece * kKvPiece / 4;  // of four quants
const uint kBlockWords = kKvBlock / 4u;
shared float staged[2 * WORDS * 4];  // a key and a value
shared float peaks[2 * WORDS];       // max|x| of each word

void keep(KvSlot slot, bool value, uint d, float x) { staged[(value ? WORDS * 4u : 0u) + d] = x; }

// Four dimensions of what was kept, zeros behind the head. Words of the key, then of the value.
vec4 kept(uint word) {
  uint d = word % WORDS * 4u, at = word * 4u;
  if (HEAD_WIDTH % kKvPiece == 0u) return vec4(staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u]);
  vec4 x = vec4(0.0);  // heads are even
  if (d < HEAD_WIDTH) x.xy = vec2(staged[at], staged[at + 1u]);
  if (d + 2u < HEAD_WIDTH) x.zw = vec2(staged[at + 2u], staged[at + 3u]);
  return x;
}

// Called by the whole workgroup, behind a barrier.
void write_kept(KvSlot slot, bool key, bool value) {
  uint first = (key ? 0u : WORDS) + gl_LocalInvocationID.x, end = value ? 2u * WORDS : WORDS;
  for (uint word = first; word < end; word += gl_WorkGroupSize.x) {
    vec4 x = abs(kept(word));
    peaks[word] = max(max(x.x, x.y), max(x.z, x.w));
  }
  barrier();
  uint kv_heads = slot.kv_heads, kv_head = slot.kv_head, position = slot.position;
  for (uint word = first; word < end; word += gl_WorkGroupSize.x) {
    bool of_value = word >= WORDS;
    uint w = word % WORDS, block = w / kBlockWords, row = word - w, last = min((block + 1u) * kBlockWords, WORDS);
    float peak = 0.0;
    for (uint i = block * kBlockWords; i < last; i++) peak = max(peak, peaks[row + i]);
    float d = peak / 127.0, inverse = d > 1e-30 ? 1.0 / d : 0.0;  // below, the half is 0 and so is what is read back
    vec4 x = kept(word) * inverse;
    ivec4 q = ivec4(clamp(sign(x) * floor(abs(x) + 0.5), -127.0, 127.0)) & 255;
    uint quants = of_value ? value_quants(kv_heads, kv_head, position, HEAD_WIDTH) + w / 4u * kKvPiece
                           : key_quants(kv_head, position, HEAD_WIDTH) + w / 4u * kKeyPieceStride;
    Uints(slot.layer + uint64_t(quants)).v[w % 4u] = uint(q.x | (q.y << 8) | (q.z << 16) | (q.w << 24));
    if (w % kBlockWords != 0u) continue;
    uint scale = of_value ? value_scales(kv_heads, kv_head, position, HEAD_WIDTH) + block * 2u
                          : key_scales(kv_heads, kv_head, position, HEAD_WIDTH) + block * kKeyScaleStride;
    Halves(slot.layer + uint64_t(scale)).v[0] = uint16_t(packHalf2x16(vec2(d, 0.0)));
  }
}
#endif

// By one subgroup each.
void keep_key(KvSlot slot, RopeHead head, uint64_t turns) {
  const uint kPairs = HEAD_WIDTH / 2u, kTogether = 2u;  // whose loads are issued together
  [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < kPairs; i += kTogether * gl_SubgroupSize) {
    RopePair pairs[kTogether];
    [[unroll]] for (uint n = 0; n < kTogether; n++) pairs[n] = rope_pair(head, min(i + n * gl_SubgroupSize, kPairs - 1u), slot.position, turns);
    [[unroll]] for (uint n = 0; n < kTogether; n++) {
      if (i + n * gl_SubgroupSize >= kPairs) break;
      keep(slot, false, pairs[n].at.x, pairs[n].x.x);
      keep(slot, false, pairs[n].at.y, pairs[n].x.y);
    }
  }
}
void keep_value(KvSlot slot, uint64_t raw) {
  for (uint d = gl_SubgroupInvocationID; d < HEAD_WIDTH; d += gl_SubgroupSize) keep(slot, true, d, Floats(raw).v[d]);
}

#endif
