// Query/key norm, rotary positions (Su et al. 2021) and the write of keys and values to the KV cache.
// One subgroup per head and token; grid (query_heads + 2 kv_heads, tokens). Twin: engine/reference/rope.
//
// The angle of pair i at a position is position * turns[i], kept in 64-bit fixed point, so that its fraction of a turn
// is exact at any position and sine and cosine see arguments within [-pi, pi] only.
//
// A cache of q8_0 takes keys and values by blocks of 32 along the head (ggml's rule): d = max|x| / 127, kept as a half,
// q = round(x / d), halves away from zero.
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

#if KV_F16
void keep(uint64_t target, uint d, float x) { Halves(target).v[d] = uint16_t(packHalf2x16(vec2(x, 0.0))); }
#elif KV_Q8_0
const uint WORDS = (HEAD_WIDTH + kKvPiece - 1) / kKvPiece * kKvPiece / 4;  // of four quants
const uint kBlockWords = kKvBlock / 4u;
shared float staged[WORDS * 4];  // a key or a value, zeros behind it
shared float peaks[WORDS];       // max|x| of each word

void keep(uint64_t target, uint d, float x) { staged[d] = x; }

// The staged key or value as blocks. Called by the whole workgroup.
void write_staged(bool value, uint kv_head, uint position) {
  uint lane = gl_SubgroupInvocationID;
  for (uint d = HEAD_WIDTH + lane; d < WORDS * 4u; d += gl_SubgroupSize) staged[d] = 0.0;
  barrier();
  for (uint w = lane; w < WORDS; w += gl_SubgroupSize)
    peaks[w] = max(max(abs(staged[4u * w]), abs(staged[4u * w + 1u])), max(abs(staged[4u * w + 2u]), abs(staged[4u * w + 3u])));
  barrier();
  uint64_t layer = layer_address(p.pages, p.layer_offset, position);
  uint64_t quants = layer + uint64_t(value ? value_quants(p.kv_heads, kv_head, position, HEAD_WIDTH)
                                           : key_quants(kv_head, position, HEAD_WIDTH));
  uint64_t scales = layer + uint64_t(value ? value_scales(p.kv_heads, kv_head, position, HEAD_WIDTH)
                                           : key_scales(p.kv_heads, kv_head, position, HEAD_WIDTH));
  uint piece_stride = value ? kKvPiece : kKeyPieceStride, scale_stride = value ? 2u : kKeyScaleStride;
  for (uint w = lane; w < WORDS; w += gl_SubgroupSize) {
    uint block = w / kBlockWords, end = min((block + 1u) * kBlockWords, WORDS);
    float peak = 0.0;
    for (uint i = block * kBlockWords; i < end; i++) peak = max(peak, peaks[i]);
    float d = peak / 127.0, inverse = d > 1e-30 ? 1.0 / d : 0.0;  // below, the half is 0 and so is what is read back
    vec4 x = vec4(staged[4u * w], staged[4u * w + 1u], staged[4u * w + 2u], staged[4u * w + 3u]) * inverse;
    ivec4 q = ivec4(clamp(sign(x) * floor(abs(x) + 0.5), -127.0, 127.0)) & 255;
    Uints(quants + uint64_t(w / 4u * piece_stride)).v[w % 4u] = uint(q.x | (q.y << 8) | (q.z << 16) | (q.w << 24));
    if (w % kBlockWords == 0u) Halves(scales + uint64_t(block * scale_stride)).v[0] = uint16_t(packHalf2x16(vec2(d, 0.0)));
  }
}
#endif

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

  uint64_t target = p.query + uint64_t((token * p.query_heads + head) * HEAD_WIDTH) * 4ul;
#if KV_F16
  if (!query)
    target = key_address(p.pages, p.layer_offset, kv_head, position, HEAD_WIDTH) +
             uint64_t(value ? value_offset(p.kv_heads, HEAD_WIDTH) : 0u);
#endif
  if (value) {
    for (uint d = lane; d < HEAD_WIDTH; d += gl_SubgroupSize) keep(target, d, raw.v[d]);
#if KV_Q8_0
    write_staged(true, kv_head, position);
#endif
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
      keep(target, a, ya);
      keep(target, b, yb);
    }
  }
  for (uint d = ROPE_WIDTH + lane; d < HEAD_WIDTH; d += gl_SubgroupSize) {
    float x = raw.v[d] * scale * (NORM != 0u ? Floats(weight).v[d] : 1.0);
    if (query) Floats(target).v[d] = x;
    else keep(target, d, x);
  }
#if KV_Q8_0
  if (!query) write_staged(false, kv_head, position);
#endif
}
