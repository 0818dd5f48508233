// The semantic router's network on the device (engine/semantic_router/network.hpp has its formulas and the order of its parameters).
//
// Its answers for a token hang on 29 frames. What each of its convolutions reads of the tokens before, the hidden rows before each
// block, stays in a ring by position, so batches may be cut anywhere.
#ifndef FOVEA_SEMANTIC_ROUTER_H
#define FOVEA_SEMANTIC_ROUTER_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kSemanticBlocks = 3, kSemanticTaps = 5;
const uint kSemanticStages = kSemanticBlocks + 1;  // the first product, then a block each; the heads belong to the last

struct SemanticRouterPush {
  address x;           // float (tokens, stride): the residual
  address state;       // StepState
  address parameters;  // float
  address ring;        // float (blocks, ring, width): row position % ring of each block's input
  address shift;       // float (tokens): weight * (predicted need - mean)
  address masks;       // uint (predicted layers, room, words of 32 experts): a bit for each of the `memory` best predicted experts
  uint stride;
  uint ring_rows;
  uint room;           // tokens that a layer's masks have room for
  float mean, weight;
};

FOVEA_PUSH_END
#endif
