// Push constants and buffer layouts of the mixture-of-experts kernels.
//
// An assignment is one (token, slot) pair, numbered token * slots + slot. Grouping sorts the assignments of a batch by
// expert; a tile is up to TOKENS consecutive entries of that order that share an expert.
#ifndef FOVEA_MOE_H
#define FOVEA_MOE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// In place of an expert: the token does not use the slot. Used slots come first; an unused one has the weight 0.
const uint kNoExpert = 0xFFFFFFFFu;

struct ExpertTile {
  uint expert;
  uint first;   // index into the sorted assignments
  uint count;   // 1..TOKENS
};

// Softmax over all experts, the largest `slots` of them (lower index first on ties).
struct RouterPush {
  address logits;    // float (tokens, stride)
  address experts;   // uint (tokens, slots)
  address weights;   // float (tokens, slots)
  address state;
  uint stride;
};

// The router of one token, from its row before the norm to the choice.
struct RouterTokenPush {
  address router;    // float (experts, columns)
  address x;         // float (columns)
  address norm;      // float (columns): weights of the norm of x
  address logits;    // float (experts): written
  address experts;   // uint (slots)
  address weights;   // float (slots)
  address state;
  address memory;    // of a policy: its RouterMemory of the layer
  address facts;     // of a policy, added to
  float epsilon;
};

// Sorted token lists and the exact tile list of a batch.
struct GroupPush {
  address experts;   // uint (tokens, slots)
  address sorted;    // uint (tokens * slots): assignments by expert, ascending within one; kNoExpert behind the last
  address tiles;     // ExpertTile
  address dispatch;  // uint (2, 3): group counts of the gate/up and the down product
  address state;
  uint gate_groups;  // x group counts to put beside the tile count
  uint down_groups;
};

// act[a][row] = silu(gate_e[row] . x) * (up_e[row] . x)   (Shazeer 2020); with a norm, of the normed x
struct GateUpPush {
  address gate, up;  // stored rows of all experts
  address x;         // float (tokens, x_stride)
  address act;       // float (assignments, y_stride); dense: (tokens, y_stride)
  address experts;   // direct: uint (tokens, slots)
  address tiles;     // grouped: ExpertTile; by a policy: its RouterMemory of the layer
  address sorted;    // grouped: uint; by a policy: its facts
  address state;
  address norm;      // float (columns): weights of the norm of x; 0 where x is taken as it is
  address logits;    // routed: float (experts) of the one token
  address weights;   // routed: float (slots), written beside `experts`
  uint rows;
  uint row_bytes;
  uint expert_bytes_low, expert_bytes_high;  // from one expert's matrix to the next
  uint x_stride;
  uint y_stride;
  float epsilon;     // of the norm
};

// grouped: partial[a][row] = down_e[row] . act[a]
// direct:  x[t][row] += sum_slot weight[t][slot] * (down_e[row] . act[t * slots + slot])
struct DownPush {
  address down;
  address act;       // float (assignments, x_stride)
  address y;         // grouped: float (assignments, y_stride); direct: x, float (tokens, y_stride)
  address experts;
  address weights;
  address tiles;
  address sorted;
  address state;
  uint rows;
  uint row_bytes;
  uint expert_bytes_low, expert_bytes_high;
  uint x_stride;
  uint y_stride;
};

// x[t][i] += sum_slot weight[t][slot] * partial[t * slots + slot][i], used slots in order; and, where a norm comes next, its rows
struct ExpertCombinePush {
  address partial;
  address experts;
  address weights;
  address x;
  address state;
  address norm;      // float (width): weights of the norm behind; or unused
  address halves;    // half (tokens, width): the rows behind it, as products in tiles read them
  uint width;
  uint partial_stride;
  uint x_stride;
  float epsilon;
};

FOVEA_PUSH_END
#endif
