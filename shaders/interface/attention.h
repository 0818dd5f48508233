// Push constants of the attention kernels.
#ifndef FOVEA_ATTENTION_H
#define FOVEA_ATTENTION_H
#include "shaders/interface/kv_page.h"
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// Norm of queries and keys, rotary positions, and the write of keys and values into their pages.
struct RopeStorePush {
  address qkv;           // float (tokens, qkv_stride): query heads, then key heads, then value heads
  address query;         // float (tokens, query_heads * head_width): normed and rotated queries
  address pages;         // page table: uint64 addresses
  address query_norm;    // float weights, or 0
  address key_norm;
  address turns;         // uint64 (rope_width / 2): turns per position in units of 2^-64
  address state;
  address last_query;    // float (query_heads * head_width): those of the last token once more, or 0
  uint qkv_stride;
  uint layer_offset;     // bytes from the page's start to this layer's keys
  uint query_heads;
  uint kv_heads;
  float epsilon;
};

// What a row of attention leaves beside its output where it is asked to: its largest score at 0 and the sum of exponentials
// relative to it at kRowSum. Tiles write fragments of 16 equal numbers, so each has that much room.
const uint kRowSums = 32, kRowSum = 16;

// Attention of one layer. Splits: parts of the key range handled by different workgroups in decode
// (shaders/include/splits.glsl). Over lists of pages (sparse_attention.h) `pages` are those of the slots, one after another,
// and the keys in them are told; the last query sees all of them, those before it one less each (shaders/include/key_table.glsl).
struct AttentionPush {
  address query;         // float (tokens, query_heads * head_width)
  address pages;
  address listed_keys;   // uint (slots), or 0: all keys
  address y;             // prefill: float (tokens, y_stride), or half; decode: partial sums (query_heads, splits, head_width)
  address partial;       // decode: (query_heads, splits, 2): maximum score and sum of exponentials
  address state;
  address sums;          // float (tokens, query_heads, kRowSums), or 0; of decode where one split holds all keys
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  uint y_stride;
  float scale;           // 1 / sqrt(head_width)
  uint table_stride;     // entries from one slot's pages to the next
};

// Both of one token, in one step.
struct RopeAttentionPush {
  address chain;         // shaders/interface/chain.h
  address qkv;           // float: query heads, then key heads, then value heads
  address query;         // float (query_heads * head_width): where rotated queries are left, or 0
  address pages;
  address query_norm;    // float weights, or 0
  address key_norm;
  address turns;
  address y;             // float (query_heads * head_width); ROUNDED: words
  address values;        // float (query_heads, splits, head_width rounded up to 8): unnormalised sums of the splits
  address partial;       // float (query_heads, splits, 2): their maximum score and sum of exponentials
  address arrived;       // uint (query_heads): splits that have left theirs; 0 before and after
  address state;
  address listed_keys;   // as in AttentionPush
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  float epsilon;
  float scale;           // 1 / sqrt(head_width)
  uint table_stride;
};

// Of splits that have keys: the others are not read.
struct CombinePush {
  address sums;          // as in AttentionPush
  address values;        // float (query_heads, splits, head_width)
  address partial;       // float (query_heads, splits, 2)
  address y;             // float (query_heads * head_width)
  address state;
  address listed_keys;   // as in AttentionPush
  uint query_heads;
  uint group;            // query heads per KV head
};

// Exact softmax rows of chosen heads of one layer, for the trace.
struct AttentionRowsPush {
  address query;
  address pages;
  address heads;         // uint (heads of this layer): query head of each recorded slot
  address rows;          // half (slots, tokens_capacity, row_stride), this layer's first slot
  address state;
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  uint row_stride;       // halves; rows longer than this are not recorded
  uint tokens_capacity;
  float scale;
};

FOVEA_PUSH_END
#endif
