// Push constants of the kernels that record for the trace which pages attention read, and how the weights of dense attention
// under the same queries spread over all pages. Twins: the lists themselves; engine/reference/sparse_attention (page_shares).
#ifndef FOVEA_PAGE_TRACE_H
#define FOVEA_PAGE_TRACE_H
#include "shaders/interface/kv_page.h"
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

// Lists of chosen pages (PageChoicePush) as bits.
struct PageMarksPush {
  address list;
  address keys;
  address marks;         // (narrowest tiles, kv_heads, 1 + words): estimated mass as a float, then a bit for every page read
  address state;
  uint kv_heads;
  uint first_slot;       // of the lists
};

// Of every `every`-th row, counted by position: per query head and page the sum of the weights p and that of p ln p.
struct PageSharesPush {
  address query;         // float (tokens, query_heads * head_width): rotated
  address pages;         // page table
  address shares;        // float (rows, query_heads, room, 2): pages up to the row's own
  address state;
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  uint every;
  uint room;             // pages of the context
  float scale;
};

FOVEA_PUSH_END
#endif
