// Scaled dot-product attention of one query head over the keys it may see.
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

// Rounds to the nearest binary16 and back: what a 16-bit cache keeps.
void round_to_half(std::span<float> values);

}  // namespace fovea::reference
