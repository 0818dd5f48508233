// Sparse attention by pages: what is kept of a page's keys to choose by, and the push constants of the kernels that keep it
// and choose. Twin: engine/reference/sparse_attention.
//
// What is kept of the keys of all pages of a layer, all called bounds: (kv_heads, page blocks) of (pieces of the head, planes,
// kPageBlock pages, kBoundPiece channels) halves; lanes that take a page each read consecutive pieces. Planes: the mean keys of a
// page's first and second half of keys, the smallest and the largest key of each channel (kScorerQuest), or the mean key alone
// (kScorerMean). Channels behind the head are zeros. Behind the planes of a block, where they are means of halves, kPageBlock
// floats: the spread of each page's keys about these means, squared, mean over keys and channels.
//
// A choice is made per KV head and query tile: `slot` = tile * kv_heads + kv_head; a decoded token is a tile of its own.
#ifndef FOVEA_SPARSE_ATTENTION_H
#define FOVEA_SPARSE_ATTENTION_H
#include "shaders/interface/kv_page.h"
#include "shaders/interface/push.h"
FOVEA_PUSH_BEGIN

const uint kPageBlock = 32;   // pages whose bounds lie side by side
const uint kBoundPiece = 8;   // channels that are loaded at once: 16 bytes
// Queries of a prompt that share a choice. On a text of program code, 4,096 tokens, 64 of them cost 3.0 % perplexity beside
// dense attention, 32 cost 1.4 %, 16 cost 0.9 %. A layer may have 8, 4, 2 or 1 of them (AttentionShape::tile_rows).
const uint kTileRows = 16;
const uint kSampledRows = 4;  // of those, the ones that it is made by

const uint kScorerQuest = 0, kScorerAutomatic = 1, kScorerMean = 2;

struct PageBoundsPush {
  address pages;
  address bounds;        // of the first layer
  address values;        // half (kv_heads, blocks * kPageBlock, head_width): mean values of the pages, of the first layer; or 0
  address state;
  uint layer_offset;     // bytes from the page's start to the first layer's keys
  uint layer_stride;     // and from one layer to the next
  uint kv_heads;
  uint blocks;           // page blocks that the bounds have room for
  uint pages_of_batch;   // pages that a batch fills at most; the grid is (kv_heads, layers * pages_of_batch)
};

// What queries see of the pages that were not read for them: mean values, weighted by what the pages are thought to hold, where
// attention is flat. Grid (query_heads, tokens). Twin: engine/reference/sparse_attention (add_periphery).
const float kPeripheryFrom = 0.35f, kPeripheryFull = 0.6f;  // entropy over ln(keys): from nothing to all of it
struct PagePeripheryPush {
  address query;         // float (tokens, query_heads * head_width): rotated
  address bounds;        // of this layer
  address values;        // as in PageBoundsPush, of this layer
  address list;          // as in PageChoicePush
  address keys;
  address sums;          // float (tokens, query_heads, kRowSums): what attention over the pages read has left
  address y;             // float (tokens, y_stride): its output, which is changed
  address state;
  uint query_heads;
  uint kv_heads;
  uint y_stride;
};

// Scores of pages, and the choice by them. A page list has room for ROOM pages, that is for the whole context.
struct PageChoicePush {
  address query;         // float: rotated queries (tokens, query_heads * head_width); or one token's raw ones
  address query_norm;    // raw ones only, as in RopeStorePush
  address turns;
  address bounds;        // of this layer
  address state;
  address pages;         // page table
  address scores;        // float (slots from first_tile on, queries, blocks, kPageBlock); queries: sampled rows, heads of the
                         // group: exponentials of scores relative to the largest of their block
  address totals;        // likewise float (slots, queries, blocks, 2): largest score of a block's pages, sum of its exponentials
  address best;          // likewise uint64 (slots, queries, blocks, 2): the two best remote pages, ordered score << 32 | page + 1
  address tickets;       // uint (slots): zero before and after
  address list;          // uint (slots, ROOM): pages read, ascending
  address table;         // uint64 (slots, ROOM): their addresses
  address keys;          // uint (slots): keys in them, for the tile's last query; before it float (slots), backwards: estimated mass
  address facts;         // uint (kv_heads, kFactWords): sums that are added to, and what guides the choice
  uint kv_heads;
  float epsilon;
  uint first_tile;       // that these dispatches choose for
  uint tiles;            // and how many at most
};

// Sums over choices, for the host, each in two parts: of what is left of the numbers by kFactSplit, and of how many times
// they hold it. Exact for a million choices.
const uint kFactSplit = 4096;
const uint kFactChoices = 0, kFactWhole = 2;      // made; of those, the ones that had to take everything
const uint kFactSkipped = 4;                      // (query, page) pairs that were not read
const uint kFactScored = 6;                       // (sampled query, page) pairs that were scored, per head
const uint kFactRemote = 8, kFactChosen = 10;     // pages that were to be chosen from, and that were
const uint kFactMass = 12, kFactEntropy = 14;     // estimated mass read, entropy over ln(keys); in units of 2^-20, not of whole ones
// Behind the sums, not theirs: what guides the choices of a KV head. Zeros guide nothing.
const uint kGuideFlat = 16;    // estimated entropy over ln(keys), in units of 2^-20, above which a choice is wider; 0: none is
const uint kGuideWide = 17;    // the share of the remote pages that it then reads, in millionths
const uint kGuideMass = 18;    // mass that an adaptive budget wants, in units of 2^-30; 0: as the rule says
const uint kGuideWeight = 19;  // of the head's budget, in millionths: 1 is its even part; 0: likewise
const uint kGuideShare = 30;   // of the remote pages that the layer reads whatever the rule says, in millionths, and one more; 0: as the rule says
// What page_guide knows from step to step, in a prompt's row.
const uint kGuideRemote = 20, kGuideChosen = 22, kGuideChoices = 24, kGuideEntropySum = 26;  // sums seen so far, each in two words
const uint kGuideEntropy = 28;  // float: entropy over ln(keys), an average; 0: none yet
const uint kGuideLogit = 29;    // float: of the mass, beside the rule's
const uint kFactWords = 32;

// How budgets follow what choices did: once a step, for the next one. Twin: engine/reference/page_guide.
const uint kGuideMemory = 256;        // tokens over which entropies are averaged
const uint kGuideTokens = 64;         // tokens of a step from which on its error counts in full
struct PageGuidePush {
  address facts;         // of a prompt, first layer that chooses: uint (layers, kv_heads, kFactWords)
  address decode_facts;  // likewise of decoded tokens
  address state;
  uint kv_heads;
  uint target;           // wished mean share of the remote pages, in millionths; 0: none
  uint by_entropy;       // heads get by their entropy
  float mass;            // that an adaptive budget begins with
  uint every;            // of a token whose choice those behind it read up to the next multiple of this position; 0: none does
};

FOVEA_PUSH_END
#endif
