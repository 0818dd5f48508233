// Waits for the step before, and counts for the step behind (shaders/interface/chain.h). Called by the whole workgroup.
//
// Variants with CHAINED=1 are compiled for the Vulkan memory model, whose device scope says what caches beside a multiprocessor
// must not keep: they begin with `#pragma use_vulkan_memory_model`. In others nothing waits and nothing counts.
#ifndef FOVEA_CHAIN_GLSL
#define FOVEA_CHAIN_GLSL

#include "addresses.glsl"

#if CHAINED
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/interface/chain.h"

layout(buffer_reference, scalar, buffer_reference_align = 4) volatile coherent buffer LinkCounts { uint v[]; };

const uint kMostPolls = 1u << 17;  // some tenth of a second

void meet_in_chain() {
  controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, FOVEA_ACQUIRE_RELEASE);
}
uint64_t link_slot(uint64_t link) { return (link & 0xFFFFFFFFFFFFul) * uint64_t(kLinkBytes); }

// Behind it everything is seen that the step before and those before it have written.
void await_step(uint64_t link) {
  uint expected = uint(link >> 48);
  if (expected == 0u) return;
  if (gl_SubgroupID == 0u) {
    LinkCounts before = LinkCounts(link_slot(link) - uint64_t(kLinkBytes));
    uint lane = gl_SubgroupInvocationID, poll = 0u;
    [[dont_unroll]] for (; poll < kMostPolls; poll++) {
      uint seen = lane < kLinkLines ? before.v[lane * kLinkLineWords] : 0u;
      if (subgroupAdd(seen) >= expected) break;
    }
    if (poll == kMostPolls && lane == 0u) {
      uint64_t chain = link_slot(link) & ~uint64_t(kChainBytes - 1u);
      LinkCounts(Addresses(chain).v[0]).v[0] = 1u;
    }
    memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsAcquire | gl_SemanticsMakeVisible);
  }
  meet_in_chain();
}

// Everything that this workgroup has written comes before its count.
void leave_step(uint64_t link) {
  if (link == 0ul) return;
  meet_in_chain();
  if (gl_LocalInvocationIndex == 0u) {
    memoryBarrier(gl_ScopeDevice, gl_StorageSemanticsBuffer, gl_SemanticsRelease | gl_SemanticsMakeAvailable);
    uint line = (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) % kLinkLines;
    atomicAdd(LinkCounts(link_slot(link)).v[line * kLinkLineWords], 1u);
  }
}
#else
void await_step(uint64_t link) {}
void leave_step(uint64_t link) {}
#endif

#endif
