// Everything the engine tells the window: immutable values, posted from the engine thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/api/command.hpp"
#include "engine/api/length_sweep.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/api/policy_scores.hpp"
#include "engine/api/run_record.hpp"
#include "engine/api/run_timings.hpp"
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

struct ModelInspected {
  RequestId id = 0;
  std::shared_ptr<const ModelSummary> model;  // nothing measured
};
struct InspectFailed {
  RequestId id = 0;
  Error error;
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

struct RunFinished {
  RequestId id = 0;
  StopReason reason = StopReason::length;
  RunTimings timings;
  std::shared_ptr<const TraceSnapshot> trace;  // final
  std::shared_ptr<const RunRecord> record;     // all that is known of the run
};

struct RunFailed {
  RequestId id = 0;
  Error error;
};

// Two policies are being held against each other on one text, or several measured on it.
struct ScoresAdvanced {
  RequestId id = 0;
  std::string doing;    // "Loading the model", "Scoring the text" (English; the window translates)
  double fraction = 0;  // 0..1
};
struct PairScored {
  RequestId id = 0;
  std::shared_ptr<const PairScores> scores;
};
struct FrontierMeasured {
  RequestId id = 0;
  std::shared_ptr<const Frontier> frontier;  // points so far; all of them where `complete`
  bool complete = false;
};
struct LengthsMeasured {
  RequestId id = 0;
  std::shared_ptr<const LengthSweep> sweep;  // points so far; all of them where `complete`
  bool complete = false;
};
struct ExpertsCalibrated {
  RequestId id = 0;
  std::shared_ptr<const ExpertCalibration> calibration;
};
struct ScoresFailed {
  RequestId id = 0;
  Error error;
};

using Event = std::variant<LoadProgress, ModelLoaded, LoadFailed, PromptTokenized, PrefillProgress, TokensGenerated,
                           TraceAdvanced, RunFinished, RunFailed, ScoresAdvanced, PairScored, FrontierMeasured, LengthsMeasured, ScoresFailed, ModelInspected, InspectFailed,
                           ExpertsCalibrated>;

}  // namespace fovea
