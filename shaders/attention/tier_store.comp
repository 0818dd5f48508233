// Codes the pages that leave the window (tier_choice.comp) into far pages, refinements included, and writes their entries of the page
// table. Behind a prompt's batch it also brings those of its pages that stay f16 from where the batch was staged into their slots.
// One workgroup of one subgroup per KV head, and page and layer. Twin: engine/reference/kv_tiers (round_to_far_keys and _values).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require

#define KV_TIERED 1
#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;
layout(constant_id = 2) const uint MOST = 1;  // pages that leave with a batch
layout(constant_id = 3) const uint KEPT = 0;  // pages of a staged batch that may stay

layout(push_constant, scalar) uniform Push { TierPush p; };

struct Eight { vec4 low, high; };  // channels or dimensions; behind the head zeros
Eight eight_of(uint64_t row, uint first) {
  Eight x;
  [[unroll]] for (uint i = 0; i < 4; i++) {
    vec2 pair = first + 2u * i < HEAD_WIDTH ? unpackHalf2x16(Uints(row).v[first / 2u + i]) : vec2(0.0);  // heads are even
    if (i < 2)
      x.low[2 * i] = pair.x, x.low[2 * i + 1] = pair.y;
    else
      x.high[2 * i - 4] = pair.x, x.high[2 * i - 3] = pair.y;
  }
  return x;
}
uvec4 halves_of(Eight x) {
  return uvec4(packHalf2x16(x.low.xy), packHalf2x16(x.low.zw), packHalf2x16(x.high.xy), packHalf2x16(x.high.zw));
}
// Upper halves of eight codes, and lower ones.
uvec2 words_of(uvec4 low, uvec4 high) {
  uvec2 words = uvec2(0u);
  [[unroll]] for (uint i = 0; i < 4; i++) {
    words.x |= (low[i] >> 4 | (high[i] & 0xF0u)) << (8u * i);
    words.y |= ((low[i] & 15u) | (high[i] & 15u) << 4) << (8u * i);
  }
  return words;
}

uint layer_bytes() { return p.kv_heads * kPageKeys * HEAD_WIDTH * 4u; }
uint64_t slot_of(uint page, uint layer) {
  uint slot = page < p.sinks ? page : p.sinks + (page - p.sinks) % p.ring;
  return p.fresh + uint64_t(slot) * uint64_t(p.layers) * uint64_t(layer_bytes()) + uint64_t(layer * layer_bytes());
}
// A page of the layer as it was attended to.
uint64_t source_of(uint page, uint layer) {
  return p.staged != 0ul ? p.staged + uint64_t(page) * uint64_t(layer_bytes()) : slot_of(page, layer);
}

const uint UNITS = (HEAD_WIDTH + kFarUnit - 1u) / kFarUnit, RANKED = UNITS < kMostUnits ? UNITS : kMostUnits;
shared float ranges[UNITS];  // squared, summed over a unit's channels

// A lane takes a unit of all keys: first its range, then, once it is known which are wide, its codes.
void range_of_keys(TierPage to, uint kv_head, uint64_t from) {
  [[dont_unroll]] for (uint unit = gl_SubgroupInvocationID; unit < far_pieces(HEAD_WIDTH) * 2u; unit += gl_SubgroupSize) {
    Eight low = eight_of(from, unit * 8u), high = low;
    [[dont_unroll]] for (uint key = 1; key < kPageKeys; key++) {
      Eight x = eight_of(from + uint64_t(key * HEAD_WIDTH * 2u), unit * 8u);
      low = Eight(min(low.low, x.low), min(low.high, x.high));
      high = Eight(max(high.low, x.low), max(high.high, x.high));
    }
    Uint4s(to.at + uint64_t(far_bounds(p.kv_heads, kv_head, HEAD_WIDTH, false) + unit * 16u)).v[0] = halves_of(low);
    Uint4s(to.at + uint64_t(far_bounds(p.kv_heads, kv_head, HEAD_WIDTH, true) + unit * 16u)).v[0] = halves_of(high);
    vec4 first = high.low - low.low, second = high.high - low.high;
    if (unit < UNITS) ranges[unit] = dot(first, first) + dot(second, second);
  }
}
// Of equal ones the first.
uint widest() {
  uint bits = 0u;
  [[dont_unroll]] for (uint unit = 0; unit < RANKED; unit++) {
    uint wider = 0u;
    [[dont_unroll]] for (uint other = 0; other < RANKED; other++)
      wider += ranges[other] > ranges[unit] || (ranges[other] == ranges[unit] && other < unit) ? 1u : 0u;
    if (wider < wide_units(HEAD_WIDTH)) bits |= 1u << unit;
  }
  return bits;
}
vec4 inverse_of(FarScale scale) { return mix(vec4(0.0), 1.0 / scale.unit, greaterThan(scale.unit, vec4(0.0))); }
uvec4 coded(vec4 x) { return uvec4(clamp(floor(x), vec4(0.0), vec4(255.0))); }
void code_keys(TierPage to, uint kv_head, uint64_t from, uint wide) {
  [[dont_unroll]] for (uint unit = gl_SubgroupInvocationID; unit < far_pieces(HEAD_WIDTH) * 2u; unit += gl_SubgroupSize) {
    FarScale first = far_scale(to, p.kv_heads, kv_head, HEAD_WIDTH, unit * 8u), second = far_scale(to, p.kv_heads, kv_head, HEAD_WIDTH, unit * 8u + 4u);
    vec4 inverse_first = inverse_of(first), inverse_second = inverse_of(second);
    bool is_wide = unit < RANKED && (wide >> unit & 1u) != 0u;
    uint nth = is_wide ? uint(bitCount(wide & ((1u << unit) - 1u))) : 0u;
    [[dont_unroll]] for (uint key = 0; key < kPageKeys; key++) {
      Eight x = eight_of(from + uint64_t(key * HEAD_WIDTH * 2u), unit * 8u);
      uvec2 words = words_of(coded((x.low - first.low) * inverse_first + 8.5), coded((x.high - second.low) * inverse_second + 8.5));
      Uints(to.codes + uint64_t(far_key(kv_head, key, HEAD_WIDTH, unit))).v[0] = words.x;
      if (is_wide) Uints(to.codes + uint64_t(far_wide_key(p.kv_heads, kv_head, key, HEAD_WIDTH, nth))).v[0] = words.y;
    }
  }
}

// t of y(t), by Newton's method: y is convex above zero and concave below, so steps never part.
vec4 steps_of(vec4 y) {
  vec4 t = y;
  [[unroll]] for (uint i = 0; i < 5; i++)
    t -= (t * (kValueSlope + (1.0 - kValueSlope) * t * t) - y) / (kValueSlope + 3.0 * (1.0 - kValueSlope) * t * t);
  return t;
}
// A lane takes a block of a value.
void code_values(TierPage to, uint kv_head, uint64_t from) {
  const uint blocks = far_blocks(HEAD_WIDTH), units = far_pieces(HEAD_WIDTH) * 2u;
  [[dont_unroll]] for (uint n = gl_SubgroupInvocationID; n < kPageKeys * blocks; n += gl_SubgroupSize) {
    uint key = n / blocks, block = n % blocks, end = min((block + 1u) * kKvBlock / 8u, units);
    uint64_t row = from + uint64_t(key * HEAD_WIDTH * 2u);
    vec4 most = vec4(0.0);
    [[dont_unroll]] for (uint unit = block * kKvBlock / 8u; unit < end; unit++) {
      Eight x = eight_of(row, unit * 8u);
      most = max(most, max(abs(x.low), abs(x.high)));
    }
    float peak = max(max(most.x, most.y), max(most.z, most.w)), inverse = peak > 0.0 ? 1.0 / peak : 0.0;
    Halves(to.at + uint64_t(far_peaks(p.kv_heads, kv_head, key, HEAD_WIDTH) + block * 2u)).v[0] = uint16_t(packHalf2x16(vec2(peak, 0.0)));
    [[dont_unroll]] for (uint unit = block * kKvBlock / 8u; unit < end; unit++) {
      Eight x = eight_of(row, unit * 8u);
      uvec2 words = words_of(coded(steps_of(x.low * inverse) * 127.5 + 128.0), coded(steps_of(x.high * inverse) * 127.5 + 128.0));
      Uints(to.codes + uint64_t(far_value(p.kv_heads, kv_head, key, HEAD_WIDTH) + unit * 4u)).v[0] = words.x;
      if (to.refined != 0ul) Uints(to.refined + uint64_t(far_value_row(kv_head, key, HEAD_WIDTH) + unit * 4u)).v[0] = words.y;
    }
  }
}

void everyone_sees() {
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

void keep(uint page, uint layer, uint kv_head) {
  const uint head_words = kPageKeys * HEAD_WIDTH / 8u;  // of 16 bytes
  uint64_t from = source_of(page, layer), to = slot_of(page, layer);
  [[dont_unroll]] for (uint n = gl_SubgroupInvocationID; n < 2u * head_words; n += gl_SubgroupSize) {
    uint at = (n / head_words * p.kv_heads + kv_head) * head_words + n % head_words;
    Uint4s(to).v[at] = Uint4s(from).v[at];
  }
}

void main() {
  uint kv_head = gl_WorkGroupID.x, layer = p.first_layer + gl_WorkGroupID.y / (MOST + KEPT), index = gl_WorkGroupID.y % (MOST + KEPT);
  uint first = Uints(p.tiers).v[kTierFirst], count = Uints(p.tiers).v[kTierCount];
  if (index >= MOST) {
    StepState state = State(p.state).s;
    uint page = state.position / kPageKeys + index - MOST;
    if (page <= (state.position + state.tokens - 1u) / kPageKeys && (page < p.sinks || page >= first + count)) keep(page, layer, kv_head);
    return;
  }
  bool tells = gl_SubgroupInvocationID == 0u && kv_head == 0u && layer == p.layers - 1u;  // choices of all layers read where it began
  if (tells && index == 0u) Uints(p.tiers).v[kTierSettled] = first + count;
  if (index >= count) return;
  uint page = first + index;
  uint64_t far = Addresses(p.far_pages).v[page - p.sinks] | uint64_t(kFarPage);
  if (tells) Addresses(p.pages).v[page] = far;
  TierPage to = tier_page_of(far, layer * layer_bytes(), p.kv_heads, HEAD_WIDTH);
  uint64_t from = source_of(page, layer) + uint64_t(key_offset(kv_head, 0u, HEAD_WIDTH));
  range_of_keys(to, kv_head, from);
  everyone_sees();
  uint wide = widest();
  if (gl_SubgroupInvocationID == 0u) Uints(to.at + uint64_t(far_wide_bits(p.kv_heads, HEAD_WIDTH) + kv_head * 4u)).v[0] = wide;
  code_keys(to, kv_head, from, wide);
  code_values(to, kv_head, from + uint64_t(value_offset(p.kv_heads, HEAD_WIDTH)));
}
