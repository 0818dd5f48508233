// Push constants of linear/half_rows.comp.
#ifndef FOVEA_HALF_ROWS_H
#define FOVEA_HALF_ROWS_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// y[i] = x[i] for token i; with `sorted`: of the token that assignment sorted[i] belongs to.
struct HalfRowsPush {
  address x;        // float (tokens, x_stride)
  address y;        // half (tokens * slots, columns)
  address sorted;   // uint, assignments by expert; 0: none
  address state;    // StepState: tokens in the batch
  uint columns;     // multiple of 8
  uint x_stride;    // floats, multiple of 4
  uint slots;       // assignments of a token; 1 without `sorted`
};

FOVEA_PUSH_END
#endif
