// Push constants of gpu/fragment_order.comp.
#ifndef FOVEA_FRAGMENT_ORDER_H
#define FOVEA_FRAGMENT_ORDER_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

struct FragmentOrderPush {
  address matches;  // uint (32): of each lane
};

FOVEA_PUSH_END
#endif
