// How steps follow one another without a barrier between them: the workgroups of a step count themselves when they are done, and
// those of the next wait for that count once they have asked for what does not depend on it (shaders/include/chain.glsl).
//
// The counts of a plan's steps lie in a region of kChainBytes, at a multiple of that. A step has a slot of kLinkBytes there:
// kLinkLines counts, each in a line of its own, among which workgroups spread. The first slot is nobody's: it begins with the
// address of a word of the host's that becomes other than 0 when a workgroup has waited in vain. A dispatch is told its link: in
// the low 48 bits its step's slot / kLinkBytes, above them how many workgroups the step in the slot before has, all of which
// count; 0: there is nothing to wait for. A link of 0: the dispatch neither waits nor counts.
#ifndef FOVEA_CHAIN_H
#define FOVEA_CHAIN_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kLinkBytes = 512, kLinkLines = 8, kLinkLineWords = 16;
const uint kLinks = 512, kChainBytes = kLinks * kLinkBytes;
const uint kMostCounted = 0xFFFF;  // workgroups of a step

// gpu/chain_trial.comp: to[i] = from[another of `workgroups` words] + 1, by workgroup i.
struct ChainTrialPush {
  address chain;  // link
  address from;   // uint (workgroups)
  address to;     // uint (workgroups)
  uint stride;    // of the words read: word i * stride % workgroups
};

FOVEA_PUSH_END
#endif
