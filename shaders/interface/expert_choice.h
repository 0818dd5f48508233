// The choice of experts under a policy (engine/reference/expert_choice): its rules, what a layer's router remembers, and
// what it tells.
//
// Load and controllers move at the end of every block of kRouterBlock positions of the sequence, so that the tokens of a
// block are routed side by side and a prompt's batches may be cut anywhere; the controller of a wished mean number moves less
// often the further the sequence is (number_controller.glsl).
#ifndef FOVEA_EXPERT_CHOICE_H
#define FOVEA_EXPERT_CHOICE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kRouterBlock = 16;
const uint kNumberPeriod = 128;   // the longest that the controller of a wished mean number stands still
const uint kColdTokens = 256;     // a given gamma is 0 before
const uint kControlTokens = 512;  // from one step of gamma's controller to the next

const uint kCountFixed = 0, kCountMass = 1, kCountEntropy = 2;
const uint kLoadOff = 0, kLoadSeed = 1, kLoadHeadroom = 2, kLoadLocality = 3, kLoadBias = 4, kLoadPrice = 5, kLoadFixedPrice = 6;

const uint kPartAll = 0, kPartFind = 1, kPartChoose = 2;  // steps of a choice; the numbers are found between the last two

// Of a batch; or of nothing, where blocks only end (CLOSES).
struct ExpertChoicePush {
  address logits;    // float (tokens, stride); with an escort a row has one number more, the new expert's
  address experts;   // uint (tokens, slots): kNoExpert where unused; of a shadow (tokens, slots + 1)
  address weights;   // float, likewise
  address state;     // StepState
  address memory;    // RouterMemory of this layer; of all layers where blocks only end
  address facts;     // uint (kRouterFactHead + slots + experts + 1), added to
  uint stride;       // where blocks only end: words from one layer's memory to the next
};

// A layer's router: words, of which some are floats; behind them float load (experts), of kLoadBias the bias of log scores,
// of kLoadFixedPrice the prices,
// then uint calls of the open block (experts), then the escort's words. First its rule, which does not change.
const uint kRuleLeast = 0, kRuleMost = 1;  // experts of a token
const uint kRuleThreshold = 2;     // float: mass to reach, below 1; or factor of exp(entropy)
const uint kRuleTarget = 3;        // float: mean number that the threshold's controller holds; 0: none
const uint kRuleGamma = 4;         // float: negative: its controller sets it
const uint kRuleGammaMost = 5, kRuleCv = 6, kRuleRetained = 7;  // float
const uint kRuleTau = 8;           // float
const uint kRuleDecay = 9;         // float: of a load per block
// Addresses of what a semantic router says of the batch (semantic_router.h), two words each, both 0 where none predicts this layer:
// float (tokens), added to the threshold's logit or logarithm; uint (tokens, words of 32 experts), the predicted ones.
const uint kRuleShift = 10, kRulePredicted = 12;
// What it remembers.
const uint kMemoryThreshold = 14;  // float: logit of a mass, logarithm of a factor
const uint kMemoryIntegral = 15;   // float
const uint kMemoryGamma = 16;      // float
const uint kMemorySeen = 17;       // tokens of all blocks that ended
const uint kMemoryWindowMass = 18; // their kept mass since the last step of gamma's controller, in 1 / kMassUnit
const uint kMemoryBlockSlots = 19; // experts called since the threshold's controller moved; a sequence that begins drops what it holds
const uint kMemoryBlockMass = 20;  // kept mass of the open block, likewise
const uint kMemoryHead = 21;
const uint kMassUnit = 4096;

// A new expert's escort, the expert behind the model's own: it is called for a share of the calls until it has had a number of
// them. A call is owed when the credit, which grows by the share with every call, reaches one; it is made for a token whose
// router likes the new expert more than most, or at once when four are owed. kEscortShadow: in a slot of its own with the
// weight 0; kEscortWeight: in place of the token's last expert, with a small weight.
const uint kEscortNone = 0, kEscortShadow = 1, kEscortWeight = 2;
const uint kEscortUnit = 1048576;  // of a credit: one call
const uint kEscortOwed = 4;        // calls that are owed at the beginning, so that the share is never below what was wished
const uint kEscortMostOwed = 64;
// Words behind the open block's calls: the rule, then what is remembered.
const uint kEscortShare = 0;       // credit of a call
const uint kEscortLimit = 1;       // calls, then it is over
const uint kEscortCap = 2;         // float: most weight of a call
const uint kEscortCredit = 3;
const uint kEscortCalls = 4;
const uint kEscortOf = 5;          // calls of all experts until the last escorted one
const uint kEscortTokens = 6;      // likewise
const uint kEscortLevel = 7;       // float: what the new expert's log probability is above in the share of tokens that is needed
const uint kEscortSum = 8;         // float: of that logarithm over these tokens
const uint kEscortCalledSum = 9;   // float: over the tokens that called it
const uint kEscortWords = 10;

// Sums over tokens for the host: of tokens; of the mass kept of the model's own choice, and of the best experts of the same
// number, in 1 / kMassUnit; of experts that are among those; of experts that a semantic router had predicted. Behind them tokens by their number of experts less one
// (slots), then calls (experts), then calls of an escorted expert. Exact for a million tokens.
const uint kRouterFactTokens = 0, kRouterFactMass = 1, kRouterFactMoved = 2, kRouterFactSame = 3, kRouterFactPredicted = 4;
const uint kRouterFactHead = 5;

FOVEA_PUSH_END
#endif
