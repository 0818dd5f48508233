// Scaled dot-product attention of one query head over the keys it may see, or over some pages of them.
#pragma once

#include <cstddef>
#include <span>

namespace fovea::reference {

// Keys and values of one KV head inside rows that hold all KV heads.
struct KeyValueRows {
  std::span<const float> keys, values;  // starting at this head's part of the first position
  std::size_t stride = 0;               // floats from one position to the next
  std::size_t count = 0;                // positions
};

// out, query: [head_width]. weights = softmax(q.k / sqrt(head_width)) over the `count` positions, in double; written
// where `weights` has room for them, left out where it is empty. count > 0.
void attention(std::span<const float> query, const KeyValueRows& rows, std::span<float> out,
               std::span<float> weights = {});

struct RowFacts {
  double log_sum_exp = 0;  // of the scores read
  double largest = 0;      // of them
  double entropy = 0;      // of the softmax over them, nats
};
// `attention` over the keys of `pages` (ascending, none empty) alone. weights, where there is room: by position, zero where
// not read.
RowFacts attention_over_pages(std::span<const float> query, const KeyValueRows& rows, std::span<const std::size_t> pages,
                              std::size_t page, std::span<float> out, std::span<float> weights = {});

// Rounds to the nearest binary16 and back: what a 16-bit cache keeps.
void round_to_half(std::span<float> values);

// Rounds keys or values, whole heads of `head_width` one after another, to q8_0 and back, as ggml's
// quantize_row_q8_0_ref does: blocks of 32 along the head, d = max|x| / 127, q = round(x / d) with halves away from
// zero, read as q times d rounded to binary16. Where head_width is no multiple of 32, the last block of a head is what
// is left.
void round_to_q8_0(std::span<float> values, std::size_t head_width);

}  // namespace fovea::reference
