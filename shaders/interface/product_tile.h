// Push constants of linear/product_tile.comp.
#ifndef FOVEA_PRODUCT_TILE_H
#define FOVEA_PRODUCT_TILE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// y[i][row] = W[row] . x[i / x_share]  (+ y[i][row] when accumulate); paired: silu(W[row] . x) * (up[row] . x).
// i: token; grouped: assignment, with W the matrix of its expert.
struct ProductTilePush {
  address weights;     // stored rows, of all experts
  address up;          // paired: rows like those of `weights`
  address x;           // float (.., x_stride)
  address y;           // float (.., y_stride)
  address state;       // StepState: tokens in the batch
  address tiles;       // grouped: ExpertTile
  address sorted;      // grouped: uint, assignments by expert
  uint columns;        // multiple of 32
  uint rows;           // output width
  uint row_bytes;
  uint expert_bytes_low, expert_bytes_high;  // grouped: from one expert's matrix to the next
  uint x_stride;       // floats, multiple of 4
  uint y_stride;       // floats
  uint x_share;        // consecutive i that share a row of x: the slots of a token where every slot reads the token's
  uint accumulate;     // 1: adds to what is there (residual)
};

FOVEA_PUSH_END
#endif
