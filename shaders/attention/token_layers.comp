// All layers of one token on a CPU driver of two cores in one step, from the embedding to the last residual: such a driver takes tens of
// microseconds from one step to the next, and puts its threads on cores anew each time.
//
// Two workgroups, of one subgroup each, go through the layers side by side. A layer has parts: of every pair of KV heads two of q, k and v,
// two of attention, two of the output product; then two of the experts. A workgroup makes its own, marks them, waits a while for the
// other's, and where those do not come makes them itself. What all parts leave is added up by both, each for itself. So nobody depends on
// the other one running, and a driver of one thread comes to the same end. That a part is made twice does no harm: it has the same bits,
// and stands in a place of its layer's own, which nobody uses again before both have left; what is not in such a place is the workgroup's
// alone. Marks are the number of the token, which goes up when both have left.
// To the bit what attention_layer.comp and expert_layer.comp make, but where heads read lists of unlike lengths.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_KHR_memory_scope_semantics : require

#define KV_F16 1
#define STEP_ROTATES 1
#include "shaders/include/expert_units.glsl"
#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/splits.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/moe.h"
#include "shaders/interface/token_layer.h"

layout(local_size_x_id = 0) in;  // eight: one subgroup
layout(constant_id = 1) const uint HEAD_WIDTH = 64;  // 1 to 13: as in attention_layer.comp
layout(constant_id = 2) const uint GROUP = 4;
layout(constant_id = 3) const uint COLUMNS = 512;
layout(constant_id = 4) const uint ROPE_WIDTH = 64;
layout(constant_id = 5) const bool HALVES = true;
layout(constant_id = 6) const uint NORM = 0;
layout(constant_id = 7) const uint EXPERTS = 16;
layout(constant_id = 8) const uint SLOTS = 4;
layout(constant_id = 9) const bool NORMALIZE = true;
layout(constant_id = 10) const bool POLICY = false;
layout(constant_id = 11) const uint COUNT = 0;
layout(constant_id = 12) const uint LOAD = 0;
layout(constant_id = 13) const bool REMEMBERS = false;
layout(constant_id = 14) const uint HIDDEN = 256;  // a multiple of 256, at most COLUMNS

layout(push_constant, scalar) uniform Push { TokenLayersPush token; };
layout(buffer_reference, scalar, buffer_reference_align = 8) readonly buffer StoredLayer { TokenLayer s; };

TokenLayer p;  // the layer at hand
#define COPY(field) p.field = stored.s.field;
uint own_head = 0u;
bool counts_choice = false;
#define QUERY_KV_HEAD own_head
#define COUNTS_CHOICE counts_choice
#define PARTS_OF_PAIRS 1
#include "shaders/include/layer_attention.glsl"

// Once more, for the rows of experts.
#undef FORMAT_F32
#undef FORMAT_Q8_0
#undef FORMAT_Q4_K
#undef FORMAT_Q5_K
#undef FORMAT_Q6_K
#if EXPERTS_F32
#define FORMAT_F32 1
#elif EXPERTS_Q8_0
#define FORMAT_Q8_0 1
#elif EXPERTS_Q4_K
#define FORMAT_Q4_K 1
#elif EXPERTS_Q5_K
#define FORMAT_Q5_K 1
#else
#define FORMAT_Q6_K 1
#endif
#define pair_column expert_pair_column
#define kPlaces kExpertPlaces
#define load_run load_expert_run
#define load_x load_expert_x
#define kRowBytes kExpertRowBytes
#define kBlockBytes kExpertBlockBytes
#define kSuperWords kExpertSuperWords
#define kFirstNibbles kFirstExpertNibbles
#define touch touch_expert
#define tile_halves expert_tile_halves
#define tile_part expert_tile_part
#define row_product expert_row_product
#define NORM kNormsRow
#include "shaders/include/row_format.glsl"
#undef NORM
#include "shaders/include/layer_experts.glsl"
#include "shaders/include/eight_input.glsl"

// What a workgroup has for itself.
const uint kRoomX = 0u, kRoomY = kRoomX + COLUMNS * 4u, kRoomChoice = kRoomY + COLUMNS * 4u, kRoomLogits = kRoomChoice + (SLOTS + 7u) / 8u * 64u,
           kRoomAct = kRoomLogits + (EXPERTS + 15u) / 16u * 64u;

uint number = 0u;  // the mark

uint mark_at(uint64_t mark) {
  uint found = 0u;
  if (subgroupElect()) {
    found = atomicAdd(OthersCounts(mark).v[0], 0u);
    memoryBarrierBuffer();
  }
  return subgroupBroadcastFirst(found);
}
// What this workgroup has written is to be seen where the mark is. What was there before.
uint set_mark(uint64_t mark) {
  lanes_in_step();
  uint before = 0u;
  if (subgroupElect()) {
    memoryBarrierBuffer();
    before = atomicExchange(OthersCounts(mark).v[0], number);
    memoryBarrierBuffer();
  }
  return subgroupBroadcastFirst(before);
}
bool comes(uint64_t mark, uint patience) {
  bool there = mark_at(mark) == number;
  [[dont_unroll]] for (uint n = 0; !there && n < patience; n++) there = mark_at(mark) == number;
  return there;
}

// Looks at a mark, some 20 ns each: about as long as a part takes, and as long as a thread takes to wake up.
const uint kPatience = 8000u, kPatienceOfKey = 8u, kPatienceAtFirst = 4000u;

uint64_t there;  // the mark of the other workgroup
// How long to wait for one of its parts: not at all where it is not running.
uint patience(uint long_enough, bool at_first) { return comes(there, at_first ? kPatienceAtFirst : 0u) ? long_enough : 0u; }

void main() {
  uint own = gl_WorkGroupID.x, marks_of_layer = kAttentionSteps * token.kv_heads + kMarksBehind;
  number = mark_at(token.marks) + 1u;
  uint64_t here = token.marks + uint64_t(8u + 4u * own);
  there = token.marks + uint64_t(12u - 4u * own);
  uint64_t marks = token.marks + uint64_t(kMarkHead * 4u), room = token.room + uint64_t(own * token.room_bytes), x = token.x;
  uint64_t last_parts = marks + uint64_t((token.layer_count - 1u) * marks_of_layer + kAttentionSteps * token.kv_heads) * 4ul;
  bool made = mark_at(last_parts) == number && mark_at(last_parts + 4ul) == number;  // all of it, by the other one
  set_mark(here);
  uint keys = State(token.state).s.position + 1u;
  [[dont_unroll]] for (uint layer = 0u; layer < token.layer_count && !made; layer++) {
    StoredLayer stored = StoredLayer(token.layers + uint64_t(layer * token.layer_bytes));
    // One by one: a whole struct from a buffer to a variable sends glslang 15 into a loop that takes all memory.
    COPY(norm) COPY(projections) COPY(query) COPY(pages) COPY(query_norm) COPY(key_norm) COPY(listed_keys) COPY(output_rows) COPY(sums) COPY(qkv) COPY(left)
    COPY(feed_norm) COPY(router) COPY(memory) COPY(facts) COPY(gate) COPY(up) COPY(down) COPY(partial) COPY(traced_experts) COPY(traced_weights)
    COPY(layer_offset) COPY(table_stride) COPY(gate_bytes_low) COPY(gate_bytes_high) COPY(down_bytes_low) COPY(down_bytes_high)
    p.turns = token.turns;
    p.state = token.state;
    p.query_heads = token.query_heads;
    p.kv_heads = token.kv_heads;
    p.epsilon = token.epsilon;
    p.scale = token.scale;
    p.y = room + uint64_t(kRoomY);
    p.experts = room + uint64_t(kRoomChoice);
    p.weights = p.experts + uint64_t(SLOTS * 4u);
    p.logits = room + uint64_t(kRoomLogits);
    p.act = room + uint64_t(kRoomAct);
    uint pairs = p.kv_heads / 2u, long_enough = kPatience;
    [[dont_unroll]] for (uint step = 0u; step < kAttentionSteps; step++) {
      [[dont_unroll]] for (uint n = 0u; n < p.kv_heads; n++) {
        bool theirs = n >= pairs;
        uint part = theirs ? 1u - own : own, pair = theirs ? n - pairs : n;
        own_head = 2u * pair + part;
        uint64_t mark = marks + uint64_t(own_head * 4u);
        if (comes(mark, theirs ? patience(long_enough, layer == 0u && step == 0u) : 0u)) continue;
        if (step == 0u) {
          project(own_head, x);
        } else if (step == 1u) {
          attend_part(pair, part);
          own_head = 2u * pair + part;
        } else {
          join_parts(own_head);
          lanes_in_step();
          leave_output(own_head);
        }
        set_mark(mark);
      }
      marks += uint64_t(p.kv_heads * 4u);
      long_enough = kPatience + (step == 0u ? kPatienceOfKey * keys : 0u);
    }
    add_outputs(x, room);
    x = room;
    lanes_in_step();
    counts_choice = POLICY && set_mark(marks + 8ul) != number;
    route(x);
    lanes_in_step();
    [[dont_unroll]] for (uint slot = share_lane(); slot < SLOTS; slot += LANES) {
      Uints(p.traced_experts).v[slot] = Uints(p.experts).v[slot];
      Floats(p.traced_weights).v[slot] = Floats(p.weights).v[slot];
    }
    uint used = experts_used();
    [[dont_unroll]] for (uint n = 0u; n < 2u; n++) {
      uint part = (own + n) % 2u;
      uint64_t mark = marks + uint64_t(part * 4u);
      if (comes(mark, n == 0u ? 0u : patience(kPatience, false))) continue;
      leave_experts(part, used, x);
      set_mark(mark);
    }
    marks += uint64_t(kMarksBehind * 4u);
    add_experts(used, x, room);
    lanes_in_step();
  }
  if (!made) {
    [[dont_unroll]] for (uint column = share_lane(); column < COLUMNS; column += LANES) Floats(token.y).v[column] = Floats(x).v[column];
    if (token.output_words != 0ul) leave_eight_input(x, token.output_norm, true, token.epsilon, token.output_words);
  }
  if (is_last_workgroup(token.marks + 4ul) && subgroupElect()) atomicExchange(OthersCounts(token.marks).v[0], number);
}
