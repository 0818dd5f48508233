// Everything the window can ask of the engine: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/api/activation_type.hpp"
#include "engine/api/expert_calibration.hpp"
#include "engine/api/expert_rule.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/policy_scores.hpp"
#include "engine/api/request_id.hpp"
#include "engine/api/sampling.hpp"
#include "engine/api/sparse_attention.hpp"
#include "engine/api/trace.hpp"

namespace fovea {

struct LoadModel {
  std::string path;
  std::int32_t device = -1;   // -1: choose
  std::uint32_t context = 0;  // 0: the trained context, or what a sensible default allows
  std::optional<KvType> kv = KvType::f16;    // nullopt: what suits the device
  std::optional<ActivationType> activations;  // of decoding, for weights in blocks; nullopt: what suits the device
  std::optional<SparseAttention> attention;  // nullopt: dense
  std::optional<ExpertRule> experts;         // as far as it fits the model; nullopt: the model's own choice
  KvTiers kv_tiers;                          // where kv is in tiers
};

// What a file is and what a run of it would take, before anything of it is loaded; the fields are those of LoadModel.
struct InspectModel {
  RequestId id = 0;
  std::string path;
  std::int32_t device = -1;
  std::uint32_t context = 0;
  std::optional<KvType> kv;
  std::optional<SparseAttention> attention;
  KvTiers kv_tiers;
};

struct Generate {
  RequestId id = 0;
  std::string prompt;
  bool chat = false;  // wrap in the model's chat format
  std::string system; // chat only; may be empty
  std::uint32_t max_tokens = 256;
  SamplingOptions sampling;
  TracePlan trace;
};

// Stops a running Generate or a LoadModel in progress; what was produced so far stays.
struct Cancel {};

// Times every kernel of the steps submitted from now on, of this run and later ones, or stops doing so. At once, whatever
// waits before it; steps say whether they were timed.
struct TimeKernels {
  bool on = false;
};

// Attention and experts of the model's runs from now on; its weights stay where they are. Answered as a load is: ModelLoaded, or
// LoadFailed with the model kept as it was.
struct ChoosePolicy {
  std::optional<SparseAttention> attention;  // nullopt: dense
  std::optional<ExpertRule> experts;         // as far as it fits the model; nullopt: the model's own choice
};

// Two policies on the tokens of one text; the model stays as it is, each policy gets one of its own while this goes on.
struct ScorePair {
  RequestId id = 0;
  ScoredText text;
  PolicyText a, b;
};

// The model's own choice of experts, static numbers of them, and other policies, each on the tokens of one text.
struct MeasureFrontier {
  RequestId id = 0;
  ScoredText text;
  PolicyText base;                   // of the static ones all but the experts
  std::vector<PolicyText> policies;  // beside static:k = 1 .. the model's own number
};

// Dense attention and the open model's sparse choice, or the default one, over contexts of several lengths of one text; the model
// stays as it is, each policy gets one of its own in its turn.
struct MeasureLengths {
  RequestId id = 0;
  std::string file;           // the text
  std::uint32_t longest = 0;  // tokens; 0: as many as model, text and memory have room for
};

// The frozen prices that even the load of the open model's experts over a text, found and measured with that model; its policy is as
// before when this ends.
struct CalibrateExperts {
  RequestId id = 0;
  std::string file;       // the text
  std::string bias_file;  // where the prices go
  CalibrationGoal goal;
  std::uint32_t windows = 0;  // of the text, at most; 0: all
};

using Command = std::variant<LoadModel, Generate, Cancel, TimeKernels, ChoosePolicy, ScorePair, MeasureFrontier, MeasureLengths, InspectModel, CalibrateExperts>;

}  // namespace fovea
