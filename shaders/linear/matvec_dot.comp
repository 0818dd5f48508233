// Matrix times one vector with activations in 8 bits, for weights in blocks. Row form: one invocation computes ROWS outputs.
// SUBGROUP form: lanes split the columns of ROWS rows, and a subgroup goes on to further rows, with the next weights under
// way while it multiplies; the first ones are asked for before the activations are there.
// Twins: engine/reference/quantize, rms_norm, matvec.
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
layout(constant_id = 6) const bool AHEAD = true;  // SUBGROUP: the next weights are asked for before these are multiplied
layout(constant_id = 7) const bool ROUNDED = false;  // a workgroup has 16 or 32 rows at a time, of a multiple of 32

layout(constant_id = 8) const uint HELD = 0;  // SUBGROUP: of a row, in portions of a lane, when it keeps its activations in registers
layout(constant_id = 9) const bool STREAMED = false;  // SUBGROUP, Q6_K: weights come through shared memory
layout(constant_id = 10) const uint LANES = 8;        // subgroup size
layout(constant_id = 11) const uint EXPERTS = 0;      // ROUNDED: of the router behind the same norm; 0: none

#include "shaders/include/chain.glsl"
#include "shaders/include/dot_rows.glsl"
#if FORMAT_Q6_K
#include "shaders/include/streamed_words.glsl"
#endif

layout(push_constant, scalar) uniform Push { MatvecDotPush p; };

uint64_t row_at(uint row) { return p.weights + uint64_t(min(row, p.rows - 1u)) * uint64_t(p.row_bytes); }

void multiply_rows() {
  uint unit = gl_GlobalInvocationID.x, units = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  float sum[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
  [[dont_unroll]] for (uint portion = 0; portion < kPortions; portion++)
    [[unroll]] for (uint part = 0; part < kParts; part++) {
      Q8Block x = block_of(p.x, block_of_part(portion, part));
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        uint64_t row = row_at(unit + r * units);
        sum[r] += dot_part(load_portion(row, portion), row, portion, part, x);
      }
    }
  Floats y = Floats(p.y);
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    uint row = unit + r * units;
    if (row < p.rows) y.v[row] = sum[r] + (p.accumulate == 1u ? y.v[row] : 0.0);
  }
}

vec4 next_weights;  // ROUNDED: of the norm behind, for this workgroup's rows

// A router's logits are sums over the rows of this output: the workgroup adds up what its own rows are of all of them. An
// invocation has pieces of four columns of the router, which wait for nothing.
const uint kGroupRows = gl_WorkGroupSize.x / LANES * ROWS, kQuads = kGroupRows / 4u;
const uint kPieces = EXPERTS * kQuads, kOwnPieces = EXPERTS > 0u ? (kPieces + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x : 1u;
vec4 router_weights[kOwnPieces];
void read_router(uint row) {
  [[unroll]] for (uint i = 0; i < kOwnPieces; i++) {
    uint piece = min(i * gl_WorkGroupSize.x + gl_LocalInvocationID.x, kPieces - 1u), at = row / 4u + piece % kQuads;
    router_weights[i] = Float4s(p.router + uint64_t(piece / kQuads * p.rows) * 4ul).v[at] * Float4s(p.next_norm).v[at];
  }
}
void leave_logits(uint row) {
  [[unroll]] for (uint i = 0; i < kOwnPieces; i++) {
    uint piece = i * gl_WorkGroupSize.x + gl_LocalInvocationID.x, quad = piece % kQuads;
    float part = dot(router_weights[i], vec4(activated[4u * quad], activated[4u * quad + 1u], activated[4u * quad + 2u], activated[4u * quad + 3u]));
    part = kQuads == 8u ? subgroupClusteredAdd(part, 8) : subgroupClusteredAdd(part, 4);
    if (quad == 0u && piece < kPieces) Floats(p.parts).v[row / kGroupRows * EXPERTS + piece / kQuads] = part;
  }
}

// Outputs of the subgroup, `first` on: what they are added to, and their end.
void write_rows(uint first, float sum[ROWS], float before[ROWS], float scale) {
  [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = subgroupAdd(sum[r]);
  if (subgroupElect())
    [[unroll]] for (uint r = 0; r < ROWS; r++)
      if (first + r < p.rows) {
        float value = sum[r] * scale + before[r];
        Floats(p.y).v[first + r] = value;
        if (ROUNDED) activated[gl_SubgroupID * ROWS + r] = value;
      }
  if (EXPERTS > 0u) {
    barrier();
    leave_logits(first - gl_SubgroupID * ROWS);
  }
  if (ROUNDED) leave_rounded(p.next, p.rows, next_weights, true, first - gl_SubgroupID * ROWS, kGroupRows);
}
void read_rows(uint first, out float before[ROWS]) {
  [[unroll]] for (uint r = 0; r < ROWS; r++) before[r] = p.accumulate == 1u && first + r < p.rows ? Floats(p.y).v[first + r] : 0.0;
}
// What the ends of rows from `first` on need, and waits for nothing.
void read_ends(uint first) {
  if (ROUNDED) next_weights = norm_weights(p.next_norm, first - gl_SubgroupID * ROWS, kGroupRows);
  if (EXPERTS > 0u) read_router(first - gl_SubgroupID * ROWS);
}

void multiply_by_subgroups() {
  uint lane = gl_SubgroupInvocationID, first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  uint stride = gl_NumWorkGroups.x * gl_NumSubgroups * ROWS;
  Portion w[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) w[r] = load_portion(row_at(first + r), min(lane, kPortions - 1u));
  read_ends(first);
  await_step(p.chain);
  float scale = STAGED ? stage(p.x, p.norm, p.epsilon) : 1.0;
  vec2 squares[kSquares];
  if (NORM_PENDING) load_squares(p.x, squares);

  [[dont_unroll]] for (; first < p.rows; first += stride) {
    float sum[ROWS], before[ROWS];
    read_rows(first, before);
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
    [[dont_unroll]] for (uint begin = 0; begin < kPortions; begin += gl_SubgroupSize) {
      bool wraps = begin + gl_SubgroupSize >= kPortions;  // then the next portions are those of further rows
      uint next_first = wraps ? first + stride : first;
      uint portion = begin + lane, next_portion = min(wraps ? lane : portion + gl_SubgroupSize, kPortions - 1u);
      Portion next[ROWS];
      if (AHEAD && next_first < p.rows)
        [[unroll]] for (uint r = 0; r < ROWS; r++) next[r] = load_portion(row_at(next_first + r), next_portion);
      if (portion < kPortions)
        [[unroll]] for (uint part = 0; part < kParts; part++) {
          Q8Block x = block_of(p.x, block_of_part(portion, part));
          [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] += dot_part(w[r], row_at(first + r), portion, part, x);
        }
      if (!AHEAD && next_first < p.rows)
        [[unroll]] for (uint r = 0; r < ROWS; r++) next[r] = load_portion(row_at(next_first + r), next_portion);
      [[unroll]] for (uint r = 0; r < ROWS; r++) w[r] = next[r];
    }
    if (NORM_PENDING) scale = pending_scale(squares, p.epsilon);
    write_rows(first, sum, before, scale);
    if ((ROUNDED || EXPERTS > 0u) && first + stride < p.rows) read_ends(first + stride);
  }
}

// This lane's activations, zeros where it has none.
const uint kHeld = HELD > 0u ? HELD * kParts : 1u;
void hold(out Q8Block x[kHeld]) {
  [[unroll]] for (uint turn = 0; turn < HELD; turn++)
    [[unroll]] for (uint part = 0; part < kParts; part++) {
      uint portion = turn * LANES + gl_SubgroupInvocationID, at = turn * kParts + part;
      x[at] = block_of(p.x, block_of_part(min(portion, kPortions - 1u), part));
      if (portion >= kPortions) x[at].d = vec2(0.0);
    }
}

// A lane keeps its activations, and asks for the weights of further rows one by one as it has used up these.
void multiply_held() {
  uint lane = gl_SubgroupInvocationID, stride = gl_NumWorkGroups.x * gl_NumSubgroups * ROWS;
  uint first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  Portion w[kHeld * ROWS];
  [[unroll]] for (uint turn = 0; turn < HELD; turn++)
    [[unroll]] for (uint r = 0; r < ROWS; r++) w[turn * ROWS + r] = load_portion(row_at(first + r), min(turn * LANES + lane, kPortions - 1u));
  read_ends(first);
  await_step(p.chain);
  float scale = STAGED ? stage(p.x, p.norm, p.epsilon) : 1.0;
  vec2 squares[kSquares];
  if (NORM_PENDING) load_squares(p.x, squares);
  Q8Block x[kHeld];
  hold(x);
  if (NORM_PENDING) scale = pending_scale(squares, p.epsilon);
  [[dont_unroll]] for (; first < p.rows; first += stride) {
    float sum[ROWS], before[ROWS];
    read_rows(first, before);
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
    [[unroll]] for (uint turn = 0; turn < HELD; turn++) {
      uint portion = min(turn * LANES + lane, kPortions - 1u);
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        [[unroll]] for (uint part = 0; part < kParts; part++)
          sum[r] += dot_part(w[turn * ROWS + r], row_at(first + r), portion, part, x[turn * kParts + part]);
        if (first + stride < p.rows) w[turn * ROWS + r] = load_portion(row_at(first + stride + r), portion);
      }
    }
    write_rows(first, sum, before, scale);
    if ((ROUNDED || EXPERTS > 0u) && first + stride < p.rows) read_ends(first + stride);
  }
}

#if FORMAT_Q6_K
const uint kTurns = (kPortions + LANES - 1u) / LANES, kTurnBytes = kTurnSupers * kSuperBytes;
struct Raw { uint w[kLaneWords]; };

Raw load_raw(uint64_t row, uint turn) {
  uint64_t from = row + uint64_t(turn * kTurnBytes);
  uint last = ((uint(from) & 3u) + p.row_bytes - turn * kTurnBytes - 1u) / 4u;  // the row's last word
  Uints words = Uints(from & ~uint64_t(3));
  Raw raw;
  [[unroll]] for (uint j = 0; j < kLaneWords; j++) {
    uint at = j * LANES + gl_SubgroupInvocationID;
    bool inside = kPortions % LANES == 0u && j + 1u < kLaneWords;
    raw.w[j] = words.v[inside ? at : min(at, last)];
  }
  return raw;
}

// One row's turn: puts its words, asks for those of `next`, and multiplies.
float multiply_turn(inout Raw raw, uint64_t row, uint turn, bool more, uint64_t next_row, uint next_turn, Q8Block x[kParts]) {
  uint lane = gl_SubgroupInvocationID;
  [[unroll]] for (uint j = 0; j < kLaneWords; j++) stream[own_stream() + j * LANES + lane] = raw.w[j];
  subgroupBarrier();
  if (more) raw = load_raw(next_row, next_turn);
  // Lanes that have no portion take another one's weights, times zeros.
  uint own = kPortions % LANES == 0u ? lane : min(lane, kPortions - turn * LANES - 1u);
  StreamedPortion portion = take_portion((uint(row + uint64_t(turn * kTurnBytes)) & 2u) + (own >> 2) * kSuperBytes, own);
  subgroupBarrier();
  return dot_streamed(portion, own, x);
}

void multiply_streamed() {
  uint lane = gl_SubgroupInvocationID, rows = gl_NumSubgroups * ROWS, stride = gl_NumWorkGroups.x * rows;
  uint block = gl_WorkGroupID.x * rows;  // the workgroup's rows
  Raw raw[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; r++) raw[r] = load_raw(row_at(block + gl_SubgroupID * ROWS + r), 0u);
  read_ends(block + gl_SubgroupID * ROWS);
  await_step(p.chain);
  float scale = STAGED ? stage(p.x, p.norm, p.epsilon) : 1.0;
  vec2 squares[kSquares];
  if (NORM_PENDING) load_squares(p.x, squares);
  Q8Block held[kHeld];
  if (HELD > 0u) hold(held);
  if (NORM_PENDING) scale = pending_scale(squares, p.epsilon);
  [[dont_unroll]] for (; block < p.rows; block += stride) {
    uint first = block + gl_SubgroupID * ROWS;
    bool more = block + stride < p.rows;
    float sum[ROWS], before[ROWS];
    read_rows(first, before);
    [[unroll]] for (uint r = 0; r < ROWS; r++) sum[r] = 0.0;
    if (HELD > 0u) {
      [[unroll]] for (uint turn = 0; turn < HELD; turn++) {
        bool wraps = turn + 1u == HELD;
        Q8Block x[kParts];
        [[unroll]] for (uint part = 0; part < kParts; part++) x[part] = held[turn * kParts + part];
        [[unroll]] for (uint r = 0; r < ROWS; r++)
          sum[r] += multiply_turn(raw[r], row_at(first + r), turn, !wraps || more, row_at((wraps ? first + stride : first) + r),
                                  wraps ? 0u : turn + 1u, x);
      }
    } else {
      [[dont_unroll]] for (uint turn = 0; turn < kTurns; turn++) {
        bool wraps = turn + 1u == kTurns;
        uint portion = turn * LANES + lane;
        Q8Block x[kParts];
        [[unroll]] for (uint part = 0; part < kParts; part++) {
          x[part] = block_of(p.x, block_of_part(min(portion, kPortions - 1u), part));
          if (portion >= kPortions) x[part].d = vec2(0.0);
        }
        [[unroll]] for (uint r = 0; r < ROWS; r++)
          sum[r] += multiply_turn(raw[r], row_at(first + r), turn, !wraps || more, row_at((wraps ? first + stride : first) + r),
                                  wraps ? 0u : turn + 1u, x);
      }
    }
    write_rows(first, sum, before, scale);
    if ((ROUNDED || EXPERTS > 0u) && first + stride < p.rows) read_ends(first + stride);
  }
}
#else
void multiply_streamed() {}
#endif

void main() {
  if (!SUBGROUP) {
    multiply_rows();
    return;
  }
  if (STREAMED) multiply_streamed();
  else if (HELD > 0u) multiply_held();
  else multiply_by_subgroups();
  leave_step(p.chain);
}
