// Push constants of linear/embed.comp.
#ifndef FOVEA_EMBED_H
#define FOVEA_EMBED_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// x[t] = row history[position + t] of the embedding
struct EmbedPush {
  address table;     // stored rows
  address history;   // uint (context): token ids by position
  address x;         // float (tokens, stride)
  address state;
  uint width;
  uint row_bytes;
  uint stride;
  uint vocabulary;
};

FOVEA_PUSH_END
#endif
