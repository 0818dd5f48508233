// Push constants of the two steps of a layer that decodes one token on a CPU driver of few cores (attention/attention_layer.comp and
// moe/expert_layer.comp).
#ifndef FOVEA_TOKEN_LAYER_H
#define FOVEA_TOKEN_LAYER_H
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// x += output . attention(norm(x)), and the choice of experts for the norm of that.
struct AttentionLayerPush {
  address x;            // float (columns): the residual, read and written
  address norm;         // float (columns): weights of the norm before q, k and v
  address projections;  // rows of q, k and v
  address qkv;          // scratch: float, query heads, then key heads, then value heads
  address query;        // as in RopeAttentionPush, from here on
  address pages;
  address query_norm;
  address key_norm;
  address turns;
  address y;            // scratch: float (query_heads * head_width)
  address state;
  address listed_keys;
  address output_rows;  // of the output projection
  address sums;         // scratch: float (kv_heads, columns, 8): of every lane, what a KV head adds to the residual
  address arrived;      // uint (1): workgroups that have left theirs; 0 before and after
  address feed_norm;    // from here on as in RouterTokenPush, whose norm this is
  address router;
  address logits;
  address experts;
  address weights;
  address memory;
  address facts;
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  float epsilon;
  float scale;          // 1 / sqrt(head_width)
  uint table_stride;
};

// x += sum of the chosen experts of norm(x), by two workgroups.
struct ExpertLayerPush {
  address x;        // float (columns): the residual, read and written
  address feed_norm;  // float (columns): weights of its norm
  address gate, up, down;
  address act;      // scratch: float (slots, hidden)
  address partial;  // scratch: float (slots + 1, columns)
  address experts;  // uint (slots)
  address weights;  // float (slots)
  address arrived;  // uint (1): workgroups that have left theirs; 0 before and after
  uint gate_bytes_low, gate_bytes_high;  // from one expert's matrix to the next
  uint down_bytes_low, down_bytes_high;
  float epsilon;
};

// One layer of token_layers.comp, in a table in device memory: what both steps above are told.
struct TokenLayer {
  address norm, projections, query, pages, query_norm, key_norm, listed_keys, output_rows, sums;
  address qkv;   // scratch: float, query heads, then key heads, then value heads
  address left;  // scratch: of attention, float (kv_heads, 2, group * (head_width + 2))
  address feed_norm, router, memory, facts;
  address gate, up, down;
  address partial;
  address traced_experts, traced_weights;  // where the choice is left for who looks at it
  uint layer_offset, table_stride;
  uint gate_bytes_low, gate_bytes_high, down_bytes_low, down_bytes_high;
  // Filled in by a workgroup: scratch of its own, and what is the same in all layers.
  address y, logits, experts, weights, act, turns, state;
  uint query_heads, kv_heads;
  float epsilon, scale;
};

// All layers of one token.
struct TokenLayersPush {
  address layers;  // TokenLayer (layer_count)
  address x;       // float (columns): the residual before the first layer
  address y;       // float (columns): behind the last; another place than x
  address room;    // scratch of two workgroups, `room_bytes` each
  address marks;   // uint (kMarkHead + layer_count * (kAttentionSteps * kv_heads + kMarksBehind)): 0 before the first token, then left alone
  address turns;   // as in AttentionLayerPush, from here on
  address state;
  address output_norm;   // float (columns): weights of the norm behind the last layer
  address output_words;  // what it makes of y for an output product of rows in eights (eight_rows.h), or 0
  uint room_bytes;
  uint layer_bytes;  // of a TokenLayer
  uint layer_count;
  uint query_heads, kv_heads;
  float epsilon, scale;
};

// Of the marks: tokens that have passed, workgroups that have left, and which are there.
const uint kMarkHead = 4;
// Of a layer: a mark for each KV head in each step of attention, q, k and v, then its parts, then the output product,
const uint kAttentionSteps = 3;
// and behind those: of both parts of the experts, and of who has counted the choice.
const uint kMarksBehind = 3;

FOVEA_PUSH_END
#endif
