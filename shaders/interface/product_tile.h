// Push constants of linear/product_tile.comp and linear/product_workgroup.comp.
#ifndef FOVEA_PRODUCT_TILE_H
#define FOVEA_PRODUCT_TILE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// Dense: y[i] = W x[i] for token i, added to what is there where `accumulate` says so. Grouped: i is a place in `sorted`,
// W the matrix of that assignment's expert, and the sums go to row sorted[i] of y.
// Paired: silu(W x) * (U x) as halves, of x[i] or, grouped, of the row of the assignment's token, and always to row i: the down
// product reads them in the same order.
struct ProductTilePush {
  address weights;     // stored rows, of all experts
  address up;          // paired: rows like those of `weights`
  address x;           // half (.., columns)
  address y;           // float (.., y_stride); paired: half
  address state;       // StepState: tokens in the batch
  address tiles;       // grouped: ExpertTile
  address sorted;      // grouped: uint, assignments by expert
  uint columns;        // multiple of 32
  uint rows;           // output width
  uint row_bytes;
  uint expert_bytes_low, expert_bytes_high;  // grouped: from one expert's matrix to the next
  uint y_stride;       // elements of y
  uint slots;          // grouped: assignments of a token
  uint accumulate;     // 1: adds to what is there (residual); neither grouped nor paired
};

FOVEA_PUSH_END
#endif
