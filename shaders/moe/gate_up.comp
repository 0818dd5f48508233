// Gate and up products with SwiGLU, dense or over experts; gate and up rows are read by the same invocation.
// MODE 0: dense, y = token tile. MODE 1: direct, y = assignment, expert read from the routing buffer (decode).
// MODE 2: grouped, y = tile of assignments that share an expert (prefill, indirect). MODE 3: routed, y = slot of the one
// token; every subgroup finds its expert in the router's logits, and one writes the choice for who comes after. MODE 4:
// likewise by a policy.
// With NORM the rows of x are normed on the way in. Twins: engine/reference/expert_ffn, router, rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require

#include "shaders/include/blocks.glsl"
#include "shaders/include/expert_units.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const uint TOKENS = 1;
layout(constant_id = 4) const bool SUBGROUP = false;
layout(constant_id = 5) const uint MODE = 0;
layout(constant_id = 6) const uint SLOTS = 1;
layout(constant_id = 7) const bool NORM = false;      // x is x / sqrt(mean(x^2) + epsilon) * norm
layout(constant_id = 8) const uint EXPERTS = 1;       // routed: the choice's constants
layout(constant_id = 9) const bool NORMALIZE = true;
layout(constant_id = 10) const uint LANES = 8;

layout(constant_id = 11) const uint COUNT = 0;  // MODE 4: the policy's constants
layout(constant_id = 12) const uint LOAD = 0;
layout(constant_id = 13) const bool REMEMBERS = false;
layout(constant_id = 14) const uint HANDS = 0;  // of the row form, see shared_row.glsl
layout(constant_id = 15) const uint STREAMED = 0;  // one token on a CPU driver, see row_products.glsl

#include "shaders/include/folded_policy.glsl"
#include "shaders/include/shared_row.glsl"
// A CPU driver gives either half of the workgroups to a core: slots that a token leaves unused must not all be in one.
#define ROW_GROUP gl_WorkGroupID.y
#include "shaders/include/row_products.glsl"

layout(push_constant, scalar) uniform Push { GateUpPush p; };

#if FORMAT_STREAMS
void multiply_streams(uint64_t expert, uint64_t x, Floats act) {
  float gate[ROWS], up[ROWS];
  [[unroll]] for (uint i = 0; i < ROWS; i++) gate[i] = up[i] = 0.0;
  [[dont_unroll]] for (uint chunk = 0; chunk < kChunks; chunk++) {
    load_x(x, p.norm, chunk);
    [[dont_unroll]] for (uint eight = 0; eight < ROWS; eight++) {
      float gates = 0.0, ups = 0.0;
      [[dont_unroll]] for (uint r = 0; r < 8; r++) {
        uint64_t row = expert + row_at(8u * eight + r, p.rows, p.row_bytes), ahead = expert + row_at(8u * eight + r + kAhead, p.rows, p.row_bytes);
        touch(p.gate + ahead);
        touch(p.up + ahead);
        float of_gate = row_product(p.gate + row, chunk), of_up = row_product(p.up + row, chunk);
        gates = r == share_lane() ? of_gate : gates;
        ups = r == share_lane() ? of_up : ups;
      }
      add_eight(gate, eight, gates);
      add_eight(up, eight, ups);
    }
  }
  float scale = norm_scale(p.epsilon);
  [[unroll]] for (uint i = 0; i < ROWS; i++) {
    uint row = first_row() + 8u * i + share_lane() + of_touches();
    float g = gate[i] * scale;
    if (row < p.rows) act.v[row] = g / (1.0 + exp(-g)) * up[i] * scale;
  }
}
#endif

void main() {
  uint tokens = State(p.state).s.tokens, y = STREAMED > 0u ? gl_WorkGroupID.x : gl_WorkGroupID.y, group = STREAMED > 0u ? ROW_GROUP : gl_WorkGroupID.x;
  uint expert = 0, first = y * TOKENS, count = 1;
  if (MODE == 0u) {
    if (first >= tokens) return;
    count = min(TOKENS, tokens - first);
  } else if (MODE == 1u) {
    if (y >= tokens * SLOTS) return;
    first = y;
    expert = Uints(p.experts).v[y];
    if (expert == kNoExpert) return;
  } else if (MODE >= 3u) {
    bool publish = group == 0u && y == SLOTS - 1u && gl_SubgroupID == 0u;
    first = y;
    expert = MODE == 3u ? choose_experts(p.logits, y, publish, p.experts, p.weights)
                        : fold_policy(p.logits, y, publish, State(p.state).s.position == 0u, p.tiles, p.sorted, p.experts, p.weights);
    if (MODE == 4u && expert == kNoExpert) return;
  } else {
    ExpertTile tile = Tiles(p.tiles).v[y];
    expert = tile.expert;
    first = tile.first;
    count = tile.count;
  }
  uint assignment[TOKENS];
  uint64_t x[TOKENS];
  [[unroll]] for (uint t = 0; t < TOKENS; t++) {
    uint i = first + min(t, count - 1u);
    assignment[t] = MODE == 2u ? Uints(p.sorted).v[i] : i;
    x[t] = p.x + uint64_t((assignment[t] / SLOTS) * p.x_stride) * 4ul;
  }

  uint unit = SUBGROUP ? gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID : gl_GlobalInvocationID.x;
  uint units = SUBGROUP ? gl_NumWorkGroups.x * gl_NumSubgroups : gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  uint64_t offset = expert_offset(expert, p.expert_bytes_low, p.expert_bytes_high);
#if FORMAT_STREAMS
  if (STREAMED > 0u) {
    multiply_streams(offset, x[0], Floats(p.act + uint64_t(assignment[0] * p.y_stride) * 4ul));
    return;
  }
#endif
  uint64_t row[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    row[r] = offset + uint64_t(min(unit + r * units, p.rows - 1u)) * uint64_t(p.row_bytes);

  float gate[ROWS * TOKENS], up[ROWS * TOKENS];
  [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) { gate[i] = 0.0; up[i] = 0.0; }
  float squares[TOKENS];
  [[unroll]] for (uint t = 0; t < TOKENS; t++) squares[t] = 0.0;
  uint start = SUBGROUP ? gl_SubgroupInvocationID : 0u, step = SUBGROUP ? gl_SubgroupSize : 1u;
  [[dont_unroll]] for (uint sub = start; sub < COLUMNS / 32u; sub += step) {
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      vec4 g[8], u[8];
      load32(p.gate + row[r], sub, g);
      load32(p.up + row[r], sub, u);
      [[unroll]] for (uint t = 0; t < TOKENS; t++) {
        vec4 xt[8];
        load_shared32(x[t] + uint64_t(sub * 128u), xt);
        [[unroll]] for (uint j = 0; j < 8; j++) {
          vec4 v = xt[j];
          if (NORM) {
            if (r == 0u) squares[t] += dot(v, v);
            v *= Float4s(p.norm + uint64_t(sub * 128u)).v[j];
          }
          gate[r * TOKENS + t] += dot(g[j], v);
          up[r * TOKENS + t] += dot(u[j], v);
        }
      }
    }
  }
#if FORMAT_HAS_TAIL
  [[dont_unroll]] for (uint k = COLUMNS / 32u * 32u + start; k < COLUMNS; k += step)
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      float v = Floats(x[t]).v[k];
      if (NORM) {
        squares[t] += v * v;
        v *= Floats(p.norm).v[k];
      }
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        gate[r * TOKENS + t] += load1(p.gate + row[r], k) * v;
        up[r * TOKENS + t] += load1(p.up + row[r], k) * v;
      }
    }
#endif
  if (NORM) [[unroll]] for (uint t = 0; t < TOKENS; t++) {
    float scale = inversesqrt((SUBGROUP ? subgroupAdd(squares[t]) : squares[t]) / float(COLUMNS) + p.epsilon);
    [[unroll]] for (uint r = 0; r < ROWS; r++) { gate[r * TOKENS + t] *= scale; up[r * TOKENS + t] *= scale; }
  }
  if (SUBGROUP) [[unroll]] for (uint i = 0; i < ROWS * TOKENS; i++) {
    gate[i] = subgroupAdd(gate[i]);
    up[i] = subgroupAdd(up[i]);
  }
  if (SUBGROUP && !subgroupElect()) return;
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    [[unroll]] for (uint t = 0; t < TOKENS; t++) {
      uint out_row = unit + r * units;
      if (out_row >= p.rows || t >= count) continue;
      float g = gate[r * TOKENS + t];
      Floats(p.act + uint64_t(assignment[t] * p.y_stride) * 4ul).v[out_row] = g / (1.0 + exp(-g)) * up[r * TOKENS + t];
    }
}
