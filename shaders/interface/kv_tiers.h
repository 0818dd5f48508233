// A KV cache in tiers (--kv tiered): the first pages and those of the window stay f16, in the layout of kv_page.h and slots
// that they leave in turn; a page that leaves the window becomes a far page of 4 bits, and the hottest of these keep what 8 bits
// know in addition.
//
// A page table entry with kFarPage set is a far page. It holds, for each layer one after another:
//   refinement    uint64: address of this layer's part of what it knows in addition, 0: nothing; 8 bytes unused
//   key lows      (kv_heads, pieces, 16) halves: the smallest key of the page by channel, zeros behind the head
//   key highs     likewise the largest
//   value peaks   (kv_heads, kPageKeys, blocks) halves: the largest |x| of kKvBlock numbers
//   key codes     (kv_heads, pieces, kPageKeys, 8) bytes: two channels each
//   value codes   (kv_heads, kPageKeys, pieces, 8) bytes
// A refinement holds the same codes once more, of the lower half. Byte i of a word of eight channels has channel i in its lower
// four bits and channel 4 + i in its upper ones.
//
// A number is coded in 8 bits, c = round(255 (x - low) / (high - low)), and a far page keeps c's upper half, its refinement the
// lower one: so a page is made colder by forgetting its refinement alone. Keys take the page's own low and high of their channel
// (per-channel quantisation of keys: KIVI, Liu et al. 2024, arXiv 2402.02750), values -peak and peak of their block. Read is
// low + (high - low) (c + b) / 255, b = 0 with a refinement and, of the upper half times 16, b = 7.5 without: the middle of the 16
// codes that it stands for, so that a key is off by 8 / 255 of its channel's range at most, and never outside of it.
#ifndef FOVEA_KV_TIERS_H
#define FOVEA_KV_TIERS_H
#include "shaders/interface/kv_page.h"
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kFarPage = 1;          // bit of an entry; pages begin at multiples of 16 bytes
const uint kFarHeader = 16;       // bytes before a layer's lows
const uint kFarPieceBytes = 8;    // of kKvPiece channels

// Words of the state of tiers: how many pages from the first on are far or never will be, and what the last choice found to leave.
const uint kTierSettled = 0, kTierFirst = 1, kTierCount = 2, kTierWords = 4;

// What the kernels that move pages between tiers share. Pages counted from the first of the sequence; the `sinks` first stay.
struct TierPush {
  address pages;        // page table
  address fresh;        // slots of f16 pages: (sinks, then ring) pages of fresh_page_bytes
  address far_pages;    // uint64 (far pages): where the far page of each page behind the sinks will be
  address refinements;  // uint64 (slots): where what it knows in addition may be, all layers
  address heat;         // float (layers, kv_heads, pages): attention mass of the page, moving mean
  address slots;        // uint (layers, 1 + most slots): refinements in use, then the page of each
  address tiers;        // uint (kTierWords)
  address state;
  uint kv_heads;
  uint layers;
  uint page_count;      // room of `heat`
  uint sinks;
  uint ring;
  uint window;          // pages behind the newest that stay
  uint most_slots;
  uint hot;             // share of the far pages that keep a refinement, millionths
};

struct PageHeatPush {
  address query;        // float (tokens, query_heads * head_width): rotated
  address pages;
  address scores;       // float scratch (query_heads, page_count)
  address heat;         // this layer's
  address state;
  uint layer_offset;
  uint query_heads;
  uint kv_heads;
  uint page_count;
  float scale;
};

FOVEA_PUSH_END
#endif
