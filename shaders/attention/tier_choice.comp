// Which pages leave the window with this batch, and which of them keep a refinement. Refinements are as many as the share `hot` of
// the pages that are far by then; while one is free a page takes it, else it takes that of the coldest page if its own heat is
// kHysteresis times as large, and that page loses its own for good: what was forgotten does not come back. One workgroup of one
// subgroup per layer. Twin: engine/reference/kv_tiers (choose_refined).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#define KV_TIERED 1
#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD_WIDTH = 64;

layout(push_constant, scalar) uniform Push { TierPush p; };

const float kHysteresis = 1.25;

float heat_of(uint layer, uint page) {
  float heat = 0.0;
  [[dont_unroll]] for (uint head = 0; head < p.kv_heads; head++) heat += Floats(p.heat).v[(layer * p.kv_heads + head) * p.page_count + page];
  return heat;
}
void refine(uint layer, uint page, uint64_t refinement) {
  uint64_t far = Addresses(p.far_pages).v[page - p.sinks] + uint64_t(layer * far_layer_bytes(p.kv_heads, HEAD_WIDTH));
  Addresses(far).v[0] = refinement;
}
void everyone_sees() {
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer, gl_SemanticsAcquireRelease);
}

void main() {
  StepState state = State(p.state).s;
  uint layer = p.first_layer + gl_WorkGroupID.x, lane = gl_SubgroupInvocationID, newest = (state.position + state.tokens) / kPageKeys;
  uint first = Uints(p.tiers).v[kTierSettled], end = max(newest, p.window) - p.window;
  uint count = max(end, first) - first;
  if (layer == 0u && lane == 0u) {
    Uints(p.tiers).v[kTierFirst] = first;
    Uints(p.tiers).v[kTierCount] = count;
  }
  Uints used = Uints(p.slots + uint64_t(layer * (1u + p.most_slots)) * 4ul), owners = Uints(p.slots + uint64_t(layer * (1u + p.most_slots) + 1u) * 4ul);
  uint taken = used.v[0];
  uint64_t layer_refinement = uint64_t(layer * far_code_bytes(p.kv_heads, HEAD_WIDTH));
  [[dont_unroll]] for (uint page = first; page < first + count; page++) {
    uint far_count = page + 1u - p.sinks;
    uint room = min(p.most_slots, uint(uint64_t(far_count) * uint64_t(p.hot) / 1000000ul)), slot = ~0u;
    if (taken < room) {
      slot = taken++;
    } else if (taken > 0u) {
      // The coldest, of several the first.
      float least = 3.0e38;
      uint where = ~0u;
      [[dont_unroll]] for (uint i = lane; i < taken; i += gl_SubgroupSize) {
        float heat = heat_of(layer, owners.v[i]);
        if (heat < least) {
          least = heat;
          where = i;
        }
      }
      float coldest = subgroupMin(least);
      uint at = subgroupMin(least == coldest ? where : ~0u);
      if (at < taken && heat_of(layer, page) > kHysteresis * coldest) {
        slot = at;
        if (lane == 0u) refine(layer, owners.v[at], 0ul);
      }
    }
    everyone_sees();
    if (lane == 0u) {
      refine(layer, page, slot == ~0u ? 0ul : Addresses(p.refinements).v[slot] + layer_refinement);
      if (slot != ~0u) owners.v[slot] = page;
    }
    everyone_sees();
  }
  if (lane == 0u) used.v[0] = taken;
}
