// Down product over all chosen experts of one token, weighted and added to the residual; activations in 8 bits, weights
// in blocks. Row form: one invocation computes ROWS outputs. SUBGROUP form: lanes split what all experts have of ROWS rows.
// Twins: engine/reference/quantize, expert_ffn.
#version 460
#if CHAINED
#pragma use_vulkan_memory_model
#endif
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COLUMNS = 256;
layout(constant_id = 2) const uint ROWS = 1;
layout(constant_id = 3) const bool SUBGROUP = false;
layout(constant_id = 4) const uint SLOTS = 1;
layout(constant_id = 5) const uint ITEMS = 1;  // SUBGROUP: of a lane, whose loads are issued together
layout(constant_id = 6) const bool ROUNDED = false;  // SUBGROUP: a workgroup has 16 or 32 rows, of a multiple of 32
layout(constant_id = 7) const bool VARIES = false;  // the token may leave slots unused
layout(constant_id = 8) const bool STREAMED = false;  // SUBGROUP, Q6_K: weights come through shared memory
layout(constant_id = 9) const uint LANES = 8;         // subgroup size
const bool NORM = false, STAGED = false;

#include "shaders/include/chain.glsl"
#include "shaders/include/dot_rows.glsl"
#include "shaders/include/expert_units.glsl"
#if FORMAT_Q6_K
#include "shaders/include/streamed_words.glsl"
#endif

layout(push_constant, scalar) uniform Push { DownDotPush p; };

uint used_slots() {
  uint used = SLOTS;
  if (VARIES) [[dont_unroll]] while (used > 0u && Uints(p.experts).v[used - 1u] == kNoExpert) used--;
  return used;
}

uint64_t row_of(uint slot, uint row) {
  return p.down + expert_offset(Uints(p.experts).v[slot], p.expert_bytes_low, p.expert_bytes_high) +
         uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes);
}
uint64_t act_of(uint slot) { return p.act + uint64_t(slot * p.act_stride) * 4ul; }

void multiply_rows() {
  uint unit = gl_GlobalInvocationID.x, units = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  float total[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = 0.0;
  uint used = used_slots();
  [[dont_unroll]] for (uint slot = 0; slot < used; slot++) {
    uint64_t x = act_of(slot), row[ROWS];
    float sum[ROWS], weight = Floats(p.weights).v[slot];
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      row[r] = row_of(slot, unit + r * units);
      sum[r] = 0.0;
    }
    [[dont_unroll]] for (uint portion = 0; portion < kPortions; portion++)
      [[unroll]] for (uint part = 0; part < kParts; part++) {
        Q8Block block = block_of(x, block_of_part(portion, part));
        [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot_part(load_portion(row[r], portion), row[r], portion, part, block);
      }
    [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] += weight * sum[r];
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    if (unit + r * units < p.rows) Floats(p.y).v[unit + r * units] += total[r];
}

// SUBGROUP: the chosen experts, read once for the workgroup.
shared uint64_t chosen_at[SUBGROUP ? SLOTS : 1u];
shared float chosen_weight[SUBGROUP ? SLOTS : 1u];
// How many are used. Ends with a barrier.
uint read_choice() {
  [[dont_unroll]] for (uint slot = gl_LocalInvocationID.x; slot < SLOTS; slot += gl_WorkGroupSize.x) {
    uint expert = Uints(p.experts).v[slot];
    chosen_weight[slot] = Floats(p.weights).v[slot];
    chosen_at[slot] = VARIES && expert == kNoExpert ? 0ul : p.down + expert_offset(expert, p.expert_bytes_low, p.expert_bytes_high);
  }
  barrier();
  uint used = SLOTS;
  if (VARIES) [[dont_unroll]] while (used > 0u && chosen_at[used - 1u] == 0ul) used--;
  return used;
}
uint64_t chosen_row(uint slot, uint row) { return chosen_at[slot] + uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes); }

// Outputs of the subgroup, `first` on.
vec4 next_weights;  // ROUNDED: of the norm behind, for this workgroup's rows
void read_rows(uint first, out float before[ROWS]) {
  [[unroll]] for (uint r = 0; r < ROWS; r++) before[r] = first + r < p.rows ? Floats(p.y).v[first + r] : 0.0;
}
// What the ends of rows from `first` on need, and waits for nothing.
void read_ends(uint first) {
  if (ROUNDED) next_weights = norm_weights(p.next_norm, first - gl_SubgroupID * ROWS, gl_NumSubgroups * ROWS);
}
void write_rows(uint first, float total[ROWS], float before[ROWS]) {
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = subgroupAdd(total[r]);
  if (subgroupElect())
    [[unroll]] for (uint r = 0; r < ROWS; r++)
      if (first + r < p.rows) {
        float value = before[r] + total[r];
        Floats(p.y).v[first + r] = value;
        if (ROUNDED) activated[gl_SubgroupID * ROWS + r] = value;
      }
  if (ROUNDED) leave_rounded(p.next, p.rows, next_weights, true, first - gl_SubgroupID * ROWS, gl_NumSubgroups * ROWS);
}

void multiply_by_subgroups() {
  uint lane = gl_SubgroupInvocationID, first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  float total[ROWS], before[ROWS];
  read_rows(first, before);
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = 0.0;
  uint items = read_choice() * kPortions;  // an item: one portion of one expert
  if (first >= p.rows) return;
  [[dont_unroll]] for (uint item = lane; item < items; item += ITEMS * gl_SubgroupSize) {
    Portion w[ITEMS * ROWS];
    uint64_t row[ITEMS * ROWS];
    uint slot[ITEMS], portion[ITEMS];
    [[unroll]] for (uint i = 0; i < ITEMS; i++) {
      uint at = min(item + i * gl_SubgroupSize, items - 1u);
      slot[i] = at / kPortions;
      portion[i] = at % kPortions;
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        row[i * ROWS + r] = chosen_row(slot[i], first + r);
        w[i * ROWS + r] = load_portion(row[i * ROWS + r], portion[i]);
      }
    }
    [[unroll]] for (uint i = 0; i < ITEMS; i++) {
      float weight = item + i * gl_SubgroupSize < items ? chosen_weight[slot[i]] : 0.0;
      [[unroll]] for (uint part = 0; part < kParts; part++) {
        Q8Block x = block_of(act_of(slot[i]), block_of_part(portion[i], part));
        [[unroll]] for (uint r = 0; r < ROWS; r++)
          total[r] += weight * dot_part(w[i * ROWS + r], row[i * ROWS + r], portion[i], part, x);
      }
    }
  }
  write_rows(first, total, before);
}

#if FORMAT_Q6_K
// The superblocks of all experts in one row of the output follow one another; a turn is kTurnSupers of them.
const uint kSupers = COLUMNS / 256u;
const bool kWhole = kSupers % kTurnSupers == 0u;       // then a turn is of one expert
const uint kSuperWords = 53u;                          // that hold a superblock, wherever it begins
const uint kLoads = (kSuperWords + LANES - 1u) / LANES;  // of a lane for each
struct Raw { uint w[16]; };  // the first kTurnSupers * kLoads

uint64_t super_at(uint row, uint at) { return chosen_row(at / kSupers, row) + uint64_t(at % kSupers * kSuperBytes); }

Raw load_raw(uint row, uint turn, uint supers) {
  uint lane = gl_SubgroupInvocationID, first = turn * kTurnSupers;
  uint64_t even = super_at(row, first) & ~uint64_t(3), odd = (super_at(row, first) + uint64_t(kSuperBytes)) & ~uint64_t(3);
  Raw raw;
  [[unroll]] for (uint s = 0; s < kTurnSupers; s++) {
    uint64_t from = kWhole ? ((s & 1u) == 0u ? even : odd) + uint64_t((s >> 1) * 2u * kSuperBytes)
                           : super_at(row, min(first + s, supers - 1u)) & ~uint64_t(3);
    [[unroll]] for (uint j = 0; j < kLoads; j++)
      raw.w[s * kLoads + j] = Uints(from).v[(j + 1u) * LANES <= kSuperWords ? j * LANES + lane : min(j * LANES + lane, kSuperWords - 1u)];
  }
  return raw;
}

void multiply_streamed() {
  uint lane = gl_SubgroupInvocationID, first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  float total[ROWS], before[ROWS];
  read_rows(first, before);
  [[unroll]] for (uint r = 0; r < ROWS; r++) total[r] = 0.0;
  uint supers = read_choice() * kSupers, turns = (supers + kTurnSupers - 1u) / kTurnSupers;
  Raw raw[ROWS];
  if (turns > 0u)
    [[unroll]] for (uint r = 0; r < ROWS; r++) raw[r] = load_raw(first + r, 0u, supers);
  [[dont_unroll]] for (uint turn = 0; turn < turns; turn++) {
    // Lanes that have no portion take another one's weights, times zero.
    uint at = turn * kTurnSupers + lane / 4u, own = min(at, supers - 1u), slot = own / kSupers, portion = own % kSupers * 4u + lane % 4u;
    float weight = at < supers ? chosen_weight[slot] : 0.0;
    Q8Block x[kParts];
    [[unroll]] for (uint part = 0; part < kParts; part++) x[part] = block_of(act_of(slot), block_of_part(portion, part));
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
      [[unroll]] for (uint w = 0; w < kTurnSupers * kLoads; w++) {
        uint word = w % kLoads * LANES + lane;
        if (word < kSuperWords) stream[own_stream() + w / kLoads * kSuperWords + word] = raw[r].w[w];
      }
      subgroupBarrier();
      if (turn + 1u < turns) raw[r] = load_raw(first + r, turn + 1u, supers);
      StreamedPortion taken = take_portion(lane / 4u * 4u * kSuperWords + (uint(super_at(first + r, own)) & 2u), lane);
      subgroupBarrier();
      total[r] += weight * dot_streamed(taken, lane, x);
    }
  }
  write_rows(first, total, before);
}
#else
void multiply_streamed() {}
#endif

void main() {
  if (!SUBGROUP) {
    multiply_rows();
    return;
  }
  read_ends((gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS);
  await_step(p.chain);
  if (STREAMED) multiply_streamed();
  else multiply_by_subgroups();
  leave_step(p.chain);
}
