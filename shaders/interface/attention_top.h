// Push constants of attention over the keys of the largest weights of each row. Twin: engine/reference/sparse_attention
// (most_important_keys) and engine/reference/attention.
#ifndef FOVEA_ATTENTION_TOP_H
#define FOVEA_ATTENTION_TOP_H
#include "shaders/interface/kv_page.h"
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

struct AttentionTopPush {
  address query;         // float (tokens, query_heads * head_width): rotated
  address pages;         // page table
  address scores;        // float (rows of this dispatch, query_heads, room)
  address y;             // float (tokens, y_stride)
  address state;
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  uint y_stride;
  uint first_token;      // of this dispatch
  uint room;             // keys of the context
  uint keep;             // share of a row's keys, in millionths
  float scale;           // 1 / sqrt(head_width)
};

FOVEA_PUSH_END
#endif
