// The pages that queries read, by their scores (page_scores). One workgroup per KV head and tile; grid (kv_heads, tiles).
// Twin: engine/reference/sparse_attention (choose_pages).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

layout(local_size_x_id = 0) in;
#define STEPS_APART
#include "shaders/include/page_rule.glsl"
layout(constant_id = 11) const bool IN_SHARED = true;  // of page_choice.glsl
layout(constant_id = 12) const uint EVERY = 1;         // likewise: of one token, whose choice those behind it read up to the next multiple of this position
#include "shaders/include/page_choice.glsl"

void main() {
  uint tile = p.first_tile + gl_WorkGroupID.y;
  PageTile t = page_tile(tile);
  if (t.rows == 0u) return;
  choose_pages(t, gl_WorkGroupID.x, tile * p.kv_heads + gl_WorkGroupID.x);
}
