// Push constants of norm/rms_norm.comp.
#ifndef FOVEA_NORM_H
#define FOVEA_NORM_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// y[t][i] = x[t][i] / sqrt(mean(x[t]^2) + epsilon) * weight[i]   (Zhang & Sennrich 2019)
struct RmsNormPush {
  address weight;   // float (width)
  address x;        // float (tokens, stride)
  address y;        // float (tokens, stride), or 0
  address halves;   // half (tokens, width): the same as products in tiles read it, beyond 65504 as that; or 0
  address state;
  uint width;
  uint stride;      // floats, of x and y
  float epsilon;
  uint last_only;   // 1: only the batch's last token, written to row 0
};

FOVEA_PUSH_END
#endif
