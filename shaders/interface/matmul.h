// Push constants and specialisation constants of linear/matmul.comp.
#ifndef FOVEA_MATMUL_H
#define FOVEA_MATMUL_H

#include "shaders/interface/push.h"

FOVEA_PUSH_BEGIN

// y[t][row] = sum_k W[row][k] x[t][k]  (+ y[t][row] when accumulate); with a norm, of the normed x
struct MatmulPush {
  address weights;     // stored rows
  address x;       // float (tokens, x_stride)
  address y;      // float (tokens, y_stride)
  address state;       // StepState: tokens in the batch
  address norm;        // float (columns): weights of the norm of x; 0 where x is taken as it is
  address keys;        // uint (rows / 8, rounded up): ordered key of every eight rows' highest result, as sampling looks for it; or 0
  uint rows;           // output width
  uint row_bytes;
  uint x_stride;   // floats, multiple of 4
  uint y_stride;  // floats
  uint accumulate;     // 1: adds to what is there (residual)
  uint one_row;        // 1: x has one row whatever the batch
  float epsilon;       // of the norm
};

FOVEA_PUSH_END
#endif
