// The choice of experts under a policy (engine/reference/expert_choice): its rules, what a layer's router remembers, and
// what it tells.
//
// Load and controllers move at the end of every block of kRouterBlock positions of the sequence, so that the tokens of a
// block are routed side by side and a prompt's batches may be cut anywhere.
#ifndef FOVEA_EXPERT_CHOICE_H
#define FOVEA_EXPERT_CHOICE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kRouterBlock = 16;
const uint kColdTokens = 256;     // a given gamma is 0 before
const uint kControlTokens = 512;  // from one step of gamma's controller to the next

const uint kCountFixed = 0, kCountMass = 1, kCountEntropy = 2;
const uint kLoadOff = 0, kLoadSeed = 1, kLoadHeadroom = 2, kLoadLocality = 3, kLoadBias = 4;

struct ExpertChoicePush {
  address logits;    // float (tokens, stride)
  address experts;   // uint (tokens, slots): kNoExpert where unused
  address weights;   // float (tokens, slots)
  address state;     // StepState
  address memory;    // RouterMemory of this layer, where something is remembered
  address bias;      // float (experts), of log scores: kLoadBias
  address facts;     // uint (kRouterFactHead + slots + experts), added to
  uint stride;
  uint least, most;  // experts of a token
  float threshold;   // mass to reach, below 1; or factor of exp(entropy)
  float target;      // mean number that the threshold's controller holds; 0: none
  float gamma;       // negative: its controller sets it
  float gamma_most, cv, retained;
  float tau;
  float decay;       // of a load per block
};

// What a layer's router remembers: words, of which some are floats; behind them float load (experts), then uint calls of
// the open block (experts).
const uint kMemoryThreshold = 0;   // float: logit of a mass, logarithm of a factor
const uint kMemoryIntegral = 1;    // float
const uint kMemoryGamma = 2;       // float
const uint kMemoryGammaGain = 3;   // float
const uint kMemorySeen = 4;        // tokens of all blocks that ended
const uint kMemoryWindowMass = 5;  // their kept mass since the last step of gamma's controller, in 1 / kMassUnit
const uint kMemoryBlockSlots = 6;  // experts called in the open block; a sequence that begins drops what it holds
const uint kMemoryBlockMass = 7;   // its kept mass
const uint kMemoryHead = 8;
const uint kMassUnit = 4096;

// Sums over tokens for the host: of tokens; of the mass kept of the model's own choice, and of the best experts of the same
// number, in 1 / kMassUnit; of experts that are among those. Behind them tokens by their number of experts less one
// (slots), then calls (experts). Exact for a million tokens.
const uint kRouterFactTokens = 0, kRouterFactMass = 1, kRouterFactMoved = 2, kRouterFactSame = 3;
const uint kRouterFactHead = 4;

FOVEA_PUSH_END
#endif
