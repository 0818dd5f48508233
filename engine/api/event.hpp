// Everything the engine tells the window: immutable values, posted from the engine thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/api/command.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/api/trace.hpp"
#include "engine/base/result.hpp"

namespace fovea {

struct LoadProgress {
  std::string doing;    // "Reading the file", "Uploading weights", "Building pipelines" (English; the window translates)
  double fraction = 0;  // 0..1
};

struct ModelLoaded {
  std::shared_ptr<const ModelSummary> model;
};

struct LoadFailed {
  std::string path;
  Error error;  // code cancelled when the person stopped it; the model loaded before stays usable when kept is true
  bool kept = false;
};

struct PromptTokenized {
  RequestId id = 0;
  std::shared_ptr<const std::vector<TokenText>> tokens;
  std::uint64_t seed = 0;  // the seed in use
};

struct PrefillProgress {
  RequestId id = 0;
  std::uint32_t done = 0, total = 0;  // tokens
};

struct TokensGenerated {
  RequestId id = 0;
  std::vector<TokenText> tokens;  // new ones, in order
};

// Latest wins: an undelivered older one is replaced.
struct TraceAdvanced {
  RequestId id = 0;
  std::shared_ptr<const TraceSnapshot> trace;
};

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

struct RunFinished {
  RequestId id = 0;
  StopReason reason = StopReason::length;
  RunTimings timings;
  std::shared_ptr<const TraceSnapshot> trace;  // final
};

struct RunFailed {
  RequestId id = 0;
  Error error;
};

using Event = std::variant<LoadProgress, ModelLoaded, LoadFailed, PromptTokenized, PrefillProgress, TokensGenerated,
                           TraceAdvanced, RunFinished, RunFailed>;

}  // namespace fovea
