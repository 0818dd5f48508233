// Activations in 8 bits, and the push constants of the products that take them.
//
// 16 activations share a scale, and two such halves are a block of kQ8Words words: 8 words of signed bytes q, either half's
// scale d = max|x| / 127 as float bits, the sums of q over either half as two signed halves of a word, and an unused one. A block
// is three pieces of 16 bytes, of which a vector has the first of all blocks, then the second, then the third, so that lanes
// that take a block each read side by side. Behind them are the sums of the squares of what a norm is still to be taken of, a float
// of every half (only where a product leaves its output for such). x is about d q; halves round up. The sums of q
// serve weights that are stored with an offset. That a half has all of its own lets 16 rows be rounded where they are computed.
#ifndef FOVEA_DOT_H
#define FOVEA_DOT_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kQ8Words = 12;
const uint kQ8Scale = 8;
const uint kQ8Sums = 10;

// q8[row] = x[row] in 8 bits; with a norm, the normed x, which is also written to y where that is not 0.
struct QuantizePush {
  address x;       // float (rows, x_stride)
  address q8;      // words (rows, q8_stride)
  address y;       // float (rows, x_stride) or 0
  address norm;    // float (width) or 0
  uint width;      // a multiple of 32
  uint x_stride;   // floats, a multiple of 4
  uint q8_stride;  // words
  float epsilon;
};

// y[row] = W[row] . x  (+ y[row] when accumulate); x in 8 bits, or in floats that are normed (with a norm) and rounded to
// 8 bits by the workgroup itself (STAGED). Words that are multiplied with a norm's weights and are still to be divided by
// the root mean square are told from others by NORM. ROUNDED: y is also left as such words.
struct MatvecDotPush {
  address chain;         // shaders/interface/chain.h
  address weights;
  address x;       // staged: float (columns); else words
  address y;       // float (rows)
  address norm;    // staged: float (columns) or 0
  address next;       // rounded: words (rows)
  address next_norm;  // rounded: float (rows)
  address router;     // rounded, with EXPERTS: float (experts, rows)
  address parts;      // likewise: float (workgroups, experts): shares of the logits, still to be divided by the root mean square
  uint rows;
  uint row_bytes;
  uint accumulate;
  float epsilon;
};

// logits[e] = sum of parts[i][e], divided by the root mean square of what `words` were
struct RouterLogitsPush {
  address parts;   // float (parts, experts)
  address words;   // as MatvecDotPush leaves them
  address logits;  // float (experts)
  float epsilon;
};

// act[slot][row] = silu(gate_e[row] . x) * (up_e[row] . x)
struct GateUpDotPush {
  address chain;         // shaders/interface/chain.h
  address gate, up;
  address x;         // as above
  address act;       // float (slots, y_stride); ROUNDED: words (slots, y_stride), the row in 8 bits
  address experts;   // direct: uint (slots); routed: written
  address norm;      // as above
  address logits;    // routed: float (experts); written where they come in parts
  address parts;     // routed, with PARTS: float (PARTS, experts), as a product left them
  address weights;   // routed: float (slots), written
  address memory;    // by a policy: its RouterMemory of the layer
  address facts;     // likewise: what it counts
  address state;
  uint rows;
  uint row_bytes;
  uint expert_bytes_low, expert_bytes_high;
  uint y_stride;
  float epsilon;
};

// y[row] += sum_slot weight[slot] * (down_e[row] . act[slot])
struct DownDotPush {
  address chain;         // shaders/interface/chain.h
  address down;
  address act;       // words (slots, act_stride)
  address y;         // float (rows)
  address experts;   // uint (slots)
  address weights;   // float (slots)
  address next;       // rounded: words (rows), as above
  address next_norm;  // rounded: float (rows)
  uint rows;
  uint row_bytes;
  uint expert_bytes_low, expert_bytes_high;
  uint act_stride;
};

FOVEA_PUSH_END
#endif
