// A KV cache in tiers (--kv tiered): the first pages and those of the window stay f16, in the layout of kv_page.h and slots
// that they leave in turn; a page that leaves the window becomes a far page of few bits, and the hottest of these keep what values
// of 8 bits know in addition.
//
// A page table entry with kFarPage set is a far page. It holds, for each layer one after another:
//   refinement    uint64: address of this layer's part of what it knows in addition, 0: nothing; 8 bytes unused
//   key lows      (kv_heads, pieces, 16) halves: the smallest key of the page by channel, zeros behind the head
//   key highs     likewise the largest
//   value peaks   (kv_heads, kPageKeys, blocks) halves: the largest |x| of kKvBlock numbers
//   wide units    (kv_heads, filled up to a multiple of 4) uint: bit u is set where unit u, eight channels, is wide
//   key codes     (kv_heads, pieces, kPageKeys, 8) bytes: the upper four bits of two channels each
//   value codes   (kv_heads, kPageKeys, pieces, 8) bytes, likewise
//   wide codes    (kv_heads, wide units in their order, kPageKeys, 4) bytes: the lower four bits of the wide units of keys
// A refinement holds the lower four bits of the value codes. Byte i of a word of eight channels has channel i in its lower four bits
// and channel 4 + i in its upper ones.
//
// Keys take the page's own low and high of their channel (per-channel quantisation of keys: KIVI, Liu et al. 2024, arXiv
// 2402.02750), c = floor(240 (x - low) / (high - low) + 8.5), and are read as low + (high - low) (c - 8) / 240 where all eight bits
// are known, else, c's upper four bits times 16, as low + (high - low) c / 240: sixteen steps that begin and end with the smallest and
// the largest key, which weigh most. Nearly all of the loss is in the keys, and most of that in channels of wide range (with four bits
// each keys cost twenty times what values do, in divergence on program code): kWideEighths of the units, those with the largest sum of
// squared ranges in the page, keep all their bits (cf. reverse water-filling, Cover & Thomas, Elements of Information Theory, 10.3.3).
//
// Values take c = floor(127.5 t + 128) between -peak and peak of their block and are read as peak y(t), t = (c - 127.5) / 127.5, or,
// where the upper four bits are known alone, (16 of them + 7.5 - 127.5) / 127.5. y(t) = t (kValueSlope + (1 - kValueSlope) t^2) makes
// steps smaller where most numbers of a block are, the density of steps being about that of the numbers to the power of a third
// (Panter & Dite 1951), 2/3 for normal numbers in blocks of 32.
#ifndef FOVEA_KV_TIERS_H
#define FOVEA_KV_TIERS_H
#include "shaders/interface/kv_page.h"
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kFarPage = 1;          // bit of an entry; pages begin at multiples of 16 bytes
const uint kFarHeader = 16;       // bytes before a layer's lows
const uint kFarPieceBytes = 8;    // of kKvPiece channels
const uint kFarUnit = 8;          // channels of a word
const uint kWideEighths = 3;      // of a head's units, rounded
const uint kMostUnits = 32;       // of a head that may be wide: its first
const float kValueSlope = 2.0f / 3.0f;

// Words of the state of tiers: how many pages from the first on are far or never will be, and what the last choice found to leave.
const uint kTierSettled = 0, kTierFirst = 1, kTierCount = 2, kTierWords = 4;

// What the kernels that move pages between tiers share. Pages counted from the first of the sequence; the `sinks` first stay.
struct TierPush {
  address pages;        // page table
  address fresh;        // slots of f16 pages: (sinks, then ring) pages of fresh_page_bytes
  address staged;       // of a prompt's batch: the whole sequence of one layer as f16, page after page; 0: a decoded token
  address far_pages;    // uint64 (far pages): where the far page of each page behind the sinks will be
  address refinements;  // uint64 (slots): where what it knows in addition may be, all layers
  address heat;         // float (layers, kv_heads, pages): attention mass of the page, moving mean
  address slots;        // uint (layers, 1 + most slots): refinements in use, then the page of each
  address tiers;        // uint (kTierWords)
  address state;
  uint kv_heads;
  uint layers;
  uint first_layer;     // of those that this dispatch takes
  uint page_count;      // room of `heat`
  uint sinks;
  uint ring;
  uint window;          // pages behind the newest that stay
  uint most_slots;
  uint hot;             // share of the far pages that keep a refinement, millionths
};

const uint kWholeHeat = 0, kHeatScores = 1, kHeatMasses = 2;  // parts of page_heat
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
