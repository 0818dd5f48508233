// Gate and up products with SwiGLU for one token, activations in 8 bits, weights in blocks. y = slot. MODE 0: dense.
// MODE 1: direct, expert read from the routing buffer. MODE 3: routed, every workgroup finds its expert in the router's
// logits, and one writes the choice for who comes after. MODE 4: likewise by a policy. ROUNDED: a workgroup has 16 or 32 rows at a time, and rounds them to 8
// bits for the product behind it. Twins: engine/reference/quantize, rms_norm, router, expert_ffn.
#version 460
#if CHAINED
#pragma use_vulkan_memory_model
#endif
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 512;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const bool STAGED = false;
layout(constant_id = 5) const bool NORM = false;
layout(constant_id = 6) const uint MODE = 0;
layout(constant_id = 7) const uint SLOTS = 1;
layout(constant_id = 8) const uint EXPERTS = 1;
layout(constant_id = 9) const bool NORMALIZE = true;
layout(constant_id = 10) const uint LANES = 8;
layout(constant_id = 11) const bool ROUNDED = false;
layout(constant_id = 12) const uint TURNS = 1;     // SUBGROUP: with ROWS each, a workgroup takes a block of rows
layout(constant_id = 13) const bool AHEAD = true;  // SUBGROUP: the next weights are asked for before these are multiplied

layout(constant_id = 15) const uint COUNT = 0;  // MODE 4: the policy's constants
layout(constant_id = 16) const uint LOAD = 0;
layout(constant_id = 17) const bool REMEMBERS = false;
layout(constant_id = 18) const uint PARTS = 0;  // MODE 3 and 4: the logits come in so many parts; 0: whole
layout(constant_id = 14) const uint HELD = 0;  // SUBGROUP: of a row, in portions of a lane, when it keeps its activations in registers

#include "shaders/include/chain.glsl"
#include "shaders/include/dot_rows.glsl"
#include "shaders/include/expert_units.glsl"
#include "shaders/include/logit_parts.glsl"
#define ROUTER_LOGIT(row, e) (PARTS > 0u ? logits_here[e] : Floats(row).v[e])
#include "shaders/include/folded_policy.glsl"

layout(push_constant, scalar) uniform Push { GateUpDotPush p; };

shared uint chosen;

uint64_t row_in(uint64_t expert, uint row) { return expert + uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes); }
float swiglu(float gate, float up) { return gate / (1.0 + exp(-gate)) * up; }

void multiply_rows(uint64_t expert, Floats act) {
  uint unit = gl_GlobalInvocationID.x, units = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  float gate[ROWS], up[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    gate[r] = 0.0;
    up[r] = 0.0;
  }
  [[dont_unroll]] for (uint portion = 0; portion < kPortions; portion++)
    [[unroll]] for (uint part = 0; part < kParts; part++) {
      Q8Block x = block_of(p.x, block_of_part(portion, part));
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        uint64_t g = p.gate + row_in(expert, unit + r * units), u = p.up + row_in(expert, unit + r * units);
        gate[r] += dot_part(load_portion(g, portion), g, portion, part, x);
        up[r] += dot_part(load_portion(u, portion), u, portion, part, x);
      }
    }
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint row = unit + r * units;
    if (row < p.rows) act.v[row] = swiglu(gate[r], up[r]);
  }
}

// As in linear/matvec_dot, over two matrices. A workgroup has blocks of neighbouring rows, each in TURNS.
void multiply_by_subgroups(uint64_t expert, uint slot, Floats act) {
  uint lane = gl_SubgroupInvocationID, own = gl_SubgroupID * ROWS, turn_rows = gl_NumSubgroups * ROWS;
  uint block = gl_WorkGroupID.x * turn_rows * TURNS, stride = gl_NumWorkGroups.x * turn_rows * TURNS, turn = 0;
  Portion g[ROWS], u[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint64_t row = row_in(expert, block + own + r);
    g[r] = load_portion(p.gate + row, min(lane, kPortions - 1u));
    u[r] = load_portion(p.up + row, min(lane, kPortions - 1u));
  }
  float scale = STAGED ? stage(p.x, p.norm, p.epsilon) : 1.0;
  vec2 squares[kSquares];
  if (NORM_PENDING) load_squares(p.x, squares);

  [[dont_unroll]] while (block < p.rows) {  // the same for the whole workgroup
    uint first = block + turn * turn_rows + own;
    bool last_turn = turn + 1u == TURNS;
    float gate[ROWS], up[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      gate[r] = 0.0;
      up[r] = 0.0;
    }
    [[dont_unroll]] for (uint begin = 0; begin < kPortions; begin += gl_SubgroupSize) {
      bool wraps = begin + gl_SubgroupSize >= kPortions;  // then the next portions are those of further rows
      uint next_first = !wraps ? first : last_turn ? block + stride + own : first + turn_rows;
      uint portion = begin + lane, next_portion = min(wraps ? lane : portion + gl_SubgroupSize, kPortions - 1u);
      Portion next_g[ROWS], next_u[ROWS];
      if (AHEAD && next_first < p.rows)
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
          uint64_t row = row_in(expert, next_first + r);
          next_g[r] = load_portion(p.gate + row, next_portion);
          next_u[r] = load_portion(p.up + row, next_portion);
        }
      if (portion < kPortions)
        [[unroll]] for (uint part = 0; part < kParts; part++) {
          Q8Block x = block_of(p.x, block_of_part(portion, part));
          [[unroll]] for (uint r = 0; r < ROWS; r++) {
            uint64_t row = row_in(expert, first + r);
            gate[r] += dot_part(g[r], p.gate + row, portion, part, x);
            up[r] += dot_part(u[r], p.up + row, portion, part, x);
          }
        }
      if (!AHEAD && next_first < p.rows)
        [[unroll]] for (uint r = 0; r < ROWS; r++) {
          uint64_t row = row_in(expert, next_first + r);
          next_g[r] = load_portion(p.gate + row, next_portion);
          next_u[r] = load_portion(p.up + row, next_portion);
        }
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        g[r] = next_g[r];
        u[r] = next_u[r];
      }
    }
    if (NORM_PENDING) scale = pending_scale(squares, p.epsilon);
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      gate[r] = subgroupAdd(gate[r]) * scale;
      up[r] = subgroupAdd(up[r]) * scale;
    }
    if (subgroupElect())
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        if (ROUNDED) activated[turn * turn_rows + own + r] = swiglu(gate[r], up[r]);
        else if (first + r < p.rows) act.v[first + r] = swiglu(gate[r], up[r]);
      }
    turn++;
    if (!last_turn) continue;
    if (ROUNDED) leave_rounded(p.act + uint64_t(slot * p.y_stride) * 4ul, p.rows, vec4(1.0), false, block, turn_rows * TURNS);
    turn = 0u;
    block += stride;
  }
}

// As in linear/matvec_dot, with the weights of both matrices.
const uint kHeld = HELD > 0u ? HELD * kParts : 1u;
void multiply_held(uint64_t expert, uint slot, Floats act) {
  uint lane = gl_SubgroupInvocationID, own = gl_SubgroupID * ROWS, turn_rows = gl_NumSubgroups * ROWS;
  uint block = gl_WorkGroupID.x * turn_rows * TURNS, stride = gl_NumWorkGroups.x * turn_rows * TURNS, turn = 0;
  Portion g[kHeld * ROWS], u[kHeld * ROWS];
  [[unroll]] for (uint h = 0; h < HELD; h++)
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      uint64_t row = row_in(expert, block + own + r);
      uint portion = min(h * LANES + lane, kPortions - 1u);
      g[h * ROWS + r] = load_portion(p.gate + row, portion);
      u[h * ROWS + r] = load_portion(p.up + row, portion);
    }
  float scale = STAGED ? stage(p.x, p.norm, p.epsilon) : 1.0;
  vec2 squares[kSquares];
  if (NORM_PENDING) load_squares(p.x, squares);
  Q8Block x[kHeld];
  [[unroll]] for (uint h = 0; h < HELD; h++)
    [[unroll]] for (uint part = 0; part < kParts; part++) {
      uint portion = h * LANES + lane, at = h * kParts + part;
      x[at] = block_of(p.x, block_of_part(min(portion, kPortions - 1u), part));
      if (portion >= kPortions) x[at].d = vec2(0.0);
    }
  if (NORM_PENDING) scale = pending_scale(squares, p.epsilon);

  [[dont_unroll]] while (block < p.rows) {  // the same for the whole workgroup
    uint first = block + turn * turn_rows + own;
    bool last_turn = turn + 1u == TURNS;
    uint next_first = last_turn ? block + stride + own : first + turn_rows;
    float gate[ROWS], up[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      gate[r] = 0.0;
      up[r] = 0.0;
    }
    [[unroll]] for (uint h = 0; h < HELD; h++) {
      uint portion = min(h * LANES + lane, kPortions - 1u);
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        uint64_t row = row_in(expert, first + r), next_row = row_in(expert, next_first + r);
        [[unroll]] for (uint part = 0; part < kParts; part++)
          gate[r] += dot_part(g[h * ROWS + r], p.gate + row, portion, part, x[h * kParts + part]);
        if (next_first < p.rows) g[h * ROWS + r] = load_portion(p.gate + next_row, portion);
        [[unroll]] for (uint part = 0; part < kParts; part++)
          up[r] += dot_part(u[h * ROWS + r], p.up + row, portion, part, x[h * kParts + part]);
        if (next_first < p.rows) u[h * ROWS + r] = load_portion(p.up + next_row, portion);
      }
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      gate[r] = subgroupAdd(gate[r]) * scale;
      up[r] = subgroupAdd(up[r]) * scale;
    }
    if (subgroupElect())
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        if (ROUNDED) activated[turn * turn_rows + own + r] = swiglu(gate[r], up[r]);
        else if (first + r < p.rows) act.v[first + r] = swiglu(gate[r], up[r]);
      }
    turn++;
    if (!last_turn) continue;
    if (ROUNDED) leave_rounded(p.act + uint64_t(slot * p.y_stride) * 4ul, p.rows, vec4(1.0), false, block, turn_rows * TURNS);
    turn = 0u;
    block += stride;
  }
}

void multiply() {
  uint slot = gl_WorkGroupID.y, expert = 0;
  await_step(p.chain);  // weights are known when experts are chosen
  if (MODE == 1u) {
    expert = Uints(p.experts).v[slot];
    if (expert == kNoExpert) return;
  }
  if (MODE >= 3u) {
    // One subgroup chooses for the workgroup; of one workgroup another one tells those who come after.
    if (PARTS > 0u) sum_logits(p.parts, p.x, p.epsilon);
    bool publish = gl_WorkGroupID.x == 0u && slot == SLOTS - 1u && gl_SubgroupID == gl_NumSubgroups - 1u;
    if (PARTS > 0u && publish)
      [[dont_unroll]] for (uint e = gl_SubgroupInvocationID; e < EXPERTS; e += LANES) Floats(p.logits).v[e] = logits_here[e];
    if (gl_SubgroupID == 0u || publish) {
      uint own = MODE == 3u ? choose_experts(p.logits, slot, publish, p.experts, p.weights)
                            : fold_policy(p.logits, slot, publish, State(p.state).s.position == 0u, p.memory, p.facts, p.experts, p.weights);
      if (gl_SubgroupID == 0u && subgroupElect()) chosen = own;
    }
    barrier();
    expert = chosen;
    if (MODE == 4u && expert == kNoExpert) return;
  }
  uint64_t offset = expert_offset(expert, p.expert_bytes_low, p.expert_bytes_high);
  Floats act = Floats(p.act + uint64_t(slot * p.y_stride) * 4ul);
  if (HELD > 0u) multiply_held(offset, slot, act);
  else if (SUBGROUP) multiply_by_subgroups(offset, slot, act);
  else multiply_rows(offset, act);
}

void main() {
  multiply();
  leave_step(p.chain);
}
