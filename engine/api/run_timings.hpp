// How a run ended and how long it took, by the engine's own clock.
#pragma once

#include <cstdint>

namespace fovea {

enum class StopReason { length, end_of_text, cancelled, context_full };

struct RunTimings {
  double prompt_ms = 0, decode_ms = 0, first_token_ms = 0;
  std::uint32_t prompt_tokens = 0, generated_tokens = 0;
  bool recording = false;  // speed was measured while attention was recorded
  bool timing = false;     // kernels were timed in some step
  [[nodiscard]] double prompt_tps() const { return prompt_ms > 0 ? prompt_tokens * 1000.0 / prompt_ms : 0; }
  // The first token comes with the prompt; the others are decoded.
  [[nodiscard]] double decode_tps() const { return decode_ms > 0 && generated_tokens > 1 ? (generated_tokens - 1) * 1000.0 / decode_ms : 0; }
};

}  // namespace fovea
