// The chosen experts of one token on a CPU driver, from a residual to a residual, in two parts that subgroups of eight lanes may share:
// either takes every other expert, from the norm to the down product; of an expert without another one half of the hidden rows. Then
// what they have left is added up in the order of the slots. Whole experts give to the bit what the steps apart give: gate_up, expert_down.
// Twin: engine/reference/expert_ffn.
//
// Needs expert_units.glsl, row_products.glsl of the experts' format, COLUMNS, HIDDEN (a multiple of 256, at most COLUMNS), SLOTS, LANES
// and push constants, or a variable, `p`.
#ifndef FOVEA_LAYER_EXPERTS_GLSL
#define FOVEA_LAYER_EXPERTS_GLSL

const uint kDownBytes = kRowBytes / (COLUMNS / 256u) * (HIDDEN / 256u);  // of a row

// Hidden rows [first, first + rows) of an expert.
void hide(uint64_t offset, uint first, uint rows, float scale, Floats act) {
  [[dont_unroll]] for (uint some = first; some < first + rows; some += LANES) {
    float gates = 0.0, ups = 0.0;
    [[dont_unroll]] for (uint r = 0; r < LANES; r++) {
      uint64_t row = offset + uint64_t(some + r) * uint64_t(kRowBytes), ahead = offset + uint64_t(min(some + r + kAhead, HIDDEN - 1u)) * uint64_t(kRowBytes);
      touch(p.gate + ahead);
      touch(p.up + ahead);
      float of_gate = row_product(p.gate + row, 0u), of_up = row_product(p.up + row, 0u);
      gates = r == share_lane() ? of_gate : gates;
      ups = r == share_lane() ? of_up : ups;
    }
    float g = gates * scale;
    act.v[some + share_lane() + of_touches()] = g / (1.0 + exp(-g)) * ups * scale;
  }
}

// What an expert's hidden rows, or this part's half of them, add up to.
#define LEAVE_SUMS(PART)                                                                                      \
  [[dont_unroll]] for (uint some = 0; some < COLUMNS; some += LANES) {                                         \
    float values = 0.0;                                                                                        \
    [[dont_unroll]] for (uint r = 0; r < LANES; r++) {                                                         \
      touch_bytes(matrix + uint64_t(min(some + r + kAhead, COLUMNS - 1u)) * uint64_t(kDownBytes), kDownBytes); \
      uint64_t row = matrix + uint64_t(some + r) * uint64_t(kDownBytes);                                       \
      float product = over_lanes(PART);                                                                        \
      values = r == share_lane() ? product : values;                                                           \
    }                                                                                                          \
    sums.v[some + share_lane() + of_touches()] = values;                                                       \
  }
float whole_row(uint64_t row) {
  float sum = 0.0;
  [[unroll]] for (uint t = 0; t < HIDDEN / 256u; t++) sum += tile_part(row, t, 4u * t);
  return sum;
}
float half_row(uint64_t row, uint part) { return HIDDEN == 256u ? tile_halves(row, 0u, 0u, part, 1u) : tile_part(row, part, 0u); }

void leave_whole(uint64_t matrix, uint64_t act, Floats sums) {
  [[unroll]] for (uint run = 0; run < HIDDEN / 64u; run++) load_run(act, 0ul, false, run / 4u, run % 4u, run);
  LEAVE_SUMS(whole_row(row))
}
void leave_half(uint64_t matrix, uint64_t act, uint part, Floats sums) {
  [[unroll]] for (uint run = 0; run < HIDDEN / 128u; run++) load_run(act, 0ul, false, HIDDEN == 256u ? 0u : part, HIDDEN == 256u ? 2u * part + run : run, run);
  LEAVE_SUMS(half_row(row, part))
}

// Experts that the token uses: they are the first ones.
uint experts_used() {
  uint count = 0u;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) count += Uints(p.experts).v[slot] == kNoExpert ? 0u : 1u;
  return count;
}

// Part `part` of two of the experts, of the residual `x`.
void leave_experts(uint part, uint count, uint64_t x) {
  uint pairs = count / 2u, single = count % 2u;
  squares = 0.0;
  load_x(x, p.feed_norm, 0u);
  float scale = norm_scale(p.epsilon);
  [[dont_unroll]] for (uint n = 0; n < pairs + single; n++) {
    uint slot = n < pairs ? 2u * n + part : count - 1u;
    uint64_t offset = expert_offset(Uints(p.experts).v[slot], p.gate_bytes_low, p.gate_bytes_high);
    hide(offset, n < pairs ? 0u : part * (HIDDEN / 2u), n < pairs ? HIDDEN : HIDDEN / 2u, scale, Floats(p.act + uint64_t(slot * HIDDEN) * 4ul));
  }
  lanes_in_step();
  [[dont_unroll]] for (uint n = 0; n < pairs + single; n++) {
    uint slot = n < pairs ? 2u * n + part : count - 1u;
    uint64_t matrix = p.down + expert_offset(Uints(p.experts).v[slot], p.down_bytes_low, p.down_bytes_high), act = p.act + uint64_t(slot * HIDDEN) * 4ul;
    Floats sums = Floats(p.partial + uint64_t((n < pairs ? slot : slot + part) * COLUMNS) * 4ul);
    if (n < pairs)
      leave_whole(matrix, act, sums);
    else
      leave_half(matrix, act, part, sums);
  }
}

// `to` = `from` + what both parts have left.
void add_experts(uint count, uint64_t from, uint64_t to) {
  [[dont_unroll]] for (uint column = share_lane(); column < COLUMNS; column += LANES) {
    float total = 0.0;
    [[dont_unroll]] for (uint slot = 0; slot < count; slot++) {
      float sum = Floats(p.partial + uint64_t(slot * COLUMNS) * 4ul).v[column];
      if (count % 2u == 1u && slot + 1u == count) sum += Floats(p.partial + uint64_t(count * COLUMNS) * 4ul).v[column];
      total += Floats(p.weights).v[slot] * sum;
    }
    Floats(to).v[column] = Floats(from).v[column] + total;
  }
}

#endif
