// What the expert products share: which expert and which assignments a workgroup works on.
#ifndef FOVEA_EXPERT_UNITS_GLSL
#define FOVEA_EXPERT_UNITS_GLSL

#include "state.glsl"
#include "shaders/interface/moe.h"

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Tiles { ExpertTile v[]; };

uint64_t expert_offset(uint expert, uint bytes_low, uint bytes_high) {
  return uint64_t(expert) * (uint64_t(bytes_low) | (uint64_t(bytes_high) << 32));
}

// Whose activations place `place` of the sorted assignments multiplies with gate and up.
uint token_at(uint64_t sorted, uint place, uint slots) { return Uints(sorted).v[place] / slots; }

#endif
