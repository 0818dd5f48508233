// Push constants and sizes of sample/sample_chunks.comp and sample/sample_draw.comp.
#ifndef FOVEA_SAMPLE_H
#define FOVEA_SAMPLE_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kSampleRun = 8u;      // consecutive logits one invocation of sample_chunks reads
const uint kSampleList = 1024u;  // candidates the drawing workgroup keeps in shared memory

struct SamplePush {
  address state;       // StepState; advanced by the draw
  address parameters;  // SampleParameters
  address history;     // uint: token ids by position, with room for one more than there are
  address logits;      // float (vocabulary); penalised in place
  address ring;        // uint (kTokenRing): drawn tokens for the host
  address chunks;      // uint (ceil(vocabulary / chunk)): ordered key of every chunk's highest logit
  uint vocabulary;
  uint chunk_shift;    // log2 of the logits of a chunk: 3 or 6
};

FOVEA_PUSH_END
#endif
