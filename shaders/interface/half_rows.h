// Push constants of linear/half_rows.comp.
#ifndef FOVEA_HALF_ROWS_H
#define FOVEA_HALF_ROWS_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

struct HalfRowsPush {
  address x;        // float (tokens, x_stride)
  address y;        // half (tokens, columns)
  address state;    // StepState: tokens in the batch
  uint columns;     // multiple of 8
  uint x_stride;    // floats, multiple of 4
};

FOVEA_PUSH_END
#endif
