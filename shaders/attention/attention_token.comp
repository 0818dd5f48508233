// Attention of one query position over f16 pages on a CPU driver of eight lanes (shaders/include/token_attention.glsl): one subgroup per
// KV head and split of the key range. Twins: engine/reference/attention, rope.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_memory_scope_semantics : require

#define KV_F16 1
#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // a multiple of 32
layout(constant_id = 2) const uint GROUP = 4;        // query heads per KV head
layout(constant_id = 3) const bool WHOLE = false;    // one split: writes the finished output, nothing is combined after

const uint kLanes = 8u, WORDS = HEAD_WIDTH / 32u;  // of a row, for a lane: dimensions 32 n + 4 lane + 0..3

#if STEP_ROTATES
layout(constant_id = 4) const uint ROPE_WIDTH = 64;
layout(constant_id = 5) const bool HALVES = true;
layout(constant_id = 6) const uint NORM = 0;
const uint LANES = kLanes, SUBGROUPS = 1u;
#include "shaders/include/kv_store.glsl"
layout(push_constant, scalar) uniform Push { RopeAttentionPush p; };
shared vec4 rotated[GROUP * HEAD_WIDTH / 4u];
void put_query(uint g, uint d, float x) { rotated[(g * HEAD_WIDTH + d) / 4u][d % 4u] = x; }
#include "shaders/include/newest_token.glsl"
#else
layout(push_constant, scalar) uniform Push { AttentionPush p; };
#endif

#define SPLIT_VALUES p.values
#define SPLIT_PARTIAL p.partial
#include "shaders/include/token_attention.glsl"

void main() { attend(gl_WorkGroupID.x, gl_WorkGroupID.y, gl_NumWorkGroups.y); }
