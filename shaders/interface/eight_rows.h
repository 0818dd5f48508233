// Eight rows of Q6_K weights side by side, and activations in 8 bits beside them: the product of one token on a CPU driver whose eight
// lanes are a vector of the processor (linear/eight_rows.comp).
//
// Weights (engine/tensor/eight_rows.hpp): for every eight rows, for every 16 columns a block of kEightBytes. First words (4, 8 rows): the
// word of four neighbouring columns of a row has a byte of each, q = weight / scale + 32, 0 to 63, the first one lowest; then the floats
// (8 rows) these are times.
//
// Activations, eight_words(columns) words: of 16 neighbours q = x / scale is a whole number of -127 to 127. Words (columns / 4, 2): of
// columns 4n to 4n + 3 q(4n + 2) + 65536 q(4n), then q(4n + 3) + 65536 q(4n + 1). Words (columns / 8): 32768 - 32 * 65537 times the sum of
// the four words before. Floats (columns / 16): scales.
#ifndef FOVEA_EIGHT_ROWS_H
#define FOVEA_EIGHT_ROWS_H

#include "shaders/interface/push.h"

FOVEA_PUSH_BEGIN

const uint kEightColumns = 16;  // of a block
const uint kEightBytes = 160;   // of a block: 8 rows
const uint kLaneNumbers = 32;   // powers of two, since numbers are taken apart

struct EightInputPush {
  address x;      // float (columns)
  address norm;   // float (columns): weights of the norm of x; unused where x is taken as it is
  address words;  // (eight_words(columns))
  float epsilon;  // of the norm
};

// y = W x
struct EightRowsPush {
  uint same[kLaneNumbers];  // 0, 1, 2, ..
  address weights;          // blocks
  address words;
  address y;                // float (rows)
  address keys;             // uint (rows / 8): ordered key of every eight rows' highest result, as sampling looks for it; unused where none are left
  uint rows;                // a multiple of 8, at least those of a subgroup
};

FOVEA_PUSH_END
#endif
