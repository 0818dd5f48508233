// One token's router on a CPU driver, in one step: the norm of its row, the logits, and the choice, the model's own or a policy's.
// One subgroup; the rows of the router are those of row_products.glsl, which leaves their sums where a choice looks for them.
// Twins: engine/reference/rms_norm, matvec, router, expert_choice.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint EXPERTS = 16;
layout(constant_id = 3) const uint SLOTS = 4;
layout(constant_id = 4) const bool NORMALIZE = true;  // chosen weights sum to one
layout(constant_id = 5) const bool POLICY = false;
layout(constant_id = 6) const uint COUNT = 0;  // the policy's constants
layout(constant_id = 7) const uint LOAD = 0;
layout(constant_id = 8) const bool REMEMBERS = false;

const uint LANES = 8u, STREAMED = LANES, ROWS = (EXPERTS + LANES - 1u) / LANES;
const bool NORM = true;
#define FORMAT_F32 1
#include "shaders/include/row_products.glsl"

float logit[ROWS];  // of experts lane + 8 i
#define LANES_MEET lanes_in_step
#define ROUTER_LOGIT(row, e) logit[(e) / LANES]
#include "shaders/include/folded_policy.glsl"

layout(push_constant, scalar) uniform Push { RouterTokenPush p; };

void main() {
  [[unroll]] for (uint i = 0; i < ROWS; i++) logit[i] = 0.0;
  [[dont_unroll]] for (uint chunk = 0; chunk < kChunks; chunk++) {
    load_x(p.x, p.norm, chunk);
    [[dont_unroll]] for (uint eight = 0; eight < ROWS; eight++) {
      float values = 0.0;
      [[dont_unroll]] for (uint r = 0; r < 8; r++) {
        touch(p.router + row_at(8u * eight + r + kAhead, EXPERTS, kRowBytes));
        float product = row_product(p.router + row_at(8u * eight + r, EXPERTS, kRowBytes), chunk);
        values = r == share_lane() ? product : values;
      }
      add_eight(logit, eight, values);
    }
  }
  float scale = norm_scale(p.epsilon);
  [[unroll]] for (uint i = 0; i < ROWS; i++) {
    logit[i] *= scale;
    uint e = share_lane() + i * LANES + of_touches();
    if (e < EXPERTS) Floats(p.logits).v[e] = logit[i];
  }
  if (POLICY)
    fold_policy(0ul, SLOTS - 1u, true, State(p.state).s.position == 0u, p.memory, p.facts, p.experts, p.weights);
  else
    choose_experts(0ul, SLOTS - 1u, true, p.experts, p.weights);
}
