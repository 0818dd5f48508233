// Push constants of linear/half_weights.comp.
#ifndef FOVEA_HALF_WEIGHTS_H
#define FOVEA_HALF_WEIGHTS_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

struct HalfWeightsPush {
  address weights;  // stored rows
  address y;        // half (rows, columns)
  uint columns;     // multiple of 32
  uint rows;
  uint row_bytes;
};

FOVEA_PUSH_END
#endif
