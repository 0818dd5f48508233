// How the next token is drawn. Names, order and defaults are llama.cpp's.
#pragma once

#include <cstdint>

namespace fovea {

// Order: repeat penalty, top-k, top-p, min-p, temperature, draw.
struct SamplingOptions {
  float temperature = 0.8f;      // <= 0: the most likely token, everything below is then unused but the penalty
  std::int32_t top_k = 40;       // <= 0: whole vocabulary
  float top_p = 0.95f;           // 1 = off
  float min_p = 0.05f;           // 0 = off
  float repeat_penalty = 1.0f;   // 1 = off
  std::int32_t repeat_last_n = 64;  // 0 = off, -1 = whole context
  std::int64_t seed = -1;        // -1 = random; the seed used is reported
};

}  // namespace fovea
