// A loaded model on a device, and the runs it can do; synchronous, for one thread. The headless twin calls it directly,
// the workbench through EngineThread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/api/activation_type.hpp"
#include "engine/api/command.hpp"
#include "engine/api/event.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/api/routing_facts.hpp"
#include "engine/base/result.hpp"
#include "engine/text/tokenizer.hpp"

namespace fovea {

struct EngineOptions {
  std::int32_t device = -1;    // -1: choose
  std::uint32_t context = 0;   // 0: the trained context, at most kDefaultContext
  std::optional<KvType> kv = KvType::f16;  // how keys and values are kept; nullopt: what suits the device
  KvTiers kv_tiers;            // where that is in tiers
  std::optional<ActivationType> activations;  // of decoding, for weights in blocks; nullopt: what suits the device
  std::optional<SparseAttention> attention;  // nullopt: dense, or by top_share
  std::optional<double> top_share;  // read this share of each row's keys, the largest weights; not beside `attention`
  std::optional<ExpertRule> experts;  // as far as it fits the model; nullopt: the model's own choice
  // Bytes that the experts of all layers may take, in smaller types where that is less than they have in the file (expert_precision.hpp);
  // 0: as stored; nullopt: as stored where the device's memory has room for it.
  std::optional<std::uint64_t> expert_budget;
  bool barrier_everywhere = false;  // debug: must give identical output
};
inline constexpr std::uint32_t kDefaultContext = 16384;
inline constexpr std::uint32_t kLeastContext = 512;  // allowed whatever the model was trained for

using ProgressSink = std::function<void(const LoadProgress&)>;

// What a run tells while it goes on; called on the calling thread between submissions, so keep it short. Who takes the
// trace gets every token as soon as it is drawn; without it, several may come at once (engine/decoder/decode_loop.hpp).
struct RunObserver {
  std::function<void(const PromptTokenized&)> tokenized;
  std::function<void(const PrefillProgress&)> prefill;
  std::function<void(const TokensGenerated&)> tokens;
  std::function<void(const TraceAdvanced&)> trace;
  std::function<bool()> time_kernels;  // asked before every submission: whether its kernels are to be timed
};

struct RunResult {
  std::vector<TokenText> tokens;  // prompt first
  std::uint32_t prompt_tokens = 0;
  std::string text;               // generated text, whole code points
  std::uint64_t seed = 0;
  StopReason reason = StopReason::length;
  RunTimings timings;
  MemoryBytes memory;             // from the allocator at the end of the run
  std::uint64_t memory_peak = 0;
  std::shared_ptr<const TraceSnapshot> trace;
  AttentionFacts attention;       // what was read; decoding counts tokens that were drawn past a stop
  RoutingFacts routing;           // likewise; nothing where the model chooses for itself
};

// One timed test as llama-bench names it.
struct BenchTest {
  std::uint32_t prompt = 0;    // ppN, or
  std::uint32_t generate = 0;  // tgN
  std::uint32_t depth = 0;     // tokens in the KV cache before
  [[nodiscard]] std::uint64_t positions() const { return std::uint64_t{depth} + prompt + generate; }
};
struct BenchSample {
  double milliseconds = 0;
  // That a decoded token must touch, counted: weights of active experts + KV read and written; the mean over the test's
  // positions.
  double bytes_per_token = 0;
  AttentionFacts attention;       // of the test and of its depth
  RoutingFacts routing;           // likewise; nothing where the model chooses for itself
};

// One position behind the first layers; views last as long as the call that hands them over.
struct EarlyState {
  std::uint32_t position = 0;
  std::span<const float> hidden;         // (width): the residual
  std::span<const float> router_logits;  // (layers, experts) of all layers; empty: dense
};

class Engine {
 public:
  // Errors: every kind of bad file, no device, not enough memory, a context beyond the model's. Stops between tensors.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> load(const std::filesystem::path& model, const EngineOptions& options,
                                                            const ProgressSink& progress = {}, std::stop_token stop = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const ModelSummary& summary() const;
  [[nodiscard]] const Tokenizer& tokenizer() const;
  [[nodiscard]] MemoryBytes memory() const;

  // Attention of the runs from now on; the weights stay where they are. An error leaves the policy as it was.
  [[nodiscard]] Result<void> choose_attention(const std::optional<SparseAttention>& attention);
  // Likewise by which rule a token's experts are chosen; nullopt: as the model chooses.
  [[nodiscard]] Result<void> choose_experts(const std::optional<ExpertRule>& rule);

  // One run from an empty KV cache; cancellation through `stop` is an ordinary end (StopReason::cancelled).
  // Errors: empty or too long prompt, chat without a chat format, lost device.
  [[nodiscard]] Result<RunResult> generate(const Generate& request, const RunObserver& observer = {}, std::stop_token stop = {});

  // Logits of every position of `tokens` from an empty cache: sink(position, vocabulary floats), ascending positions;
  // only positions >= first_scored are delivered (others are computed without the output matrix). `measure_every`: as
  // TracePlan has it; page_trace() tells what was recorded. `decoded`: delivered positions are computed one by one by the steps of
  // decoding, given the tokens, instead of in batches.
  [[nodiscard]] Result<void> logits(std::span<const TokenId> tokens, std::uint32_t first_scored,
                                    const std::function<void(std::uint32_t position, std::span<const float>)>& sink,
                                    std::stop_token stop = {}, std::uint32_t measure_every = 0, bool decoded = false);
  // What every position of `tokens` leaves behind the first `layers` layers (1 to the model's own), and what all routers make of it,
  // from an empty cache, ascending positions. The output matrix is not computed.
  [[nodiscard]] Result<void> early_states(std::span<const TokenId> tokens, std::uint32_t layers, const std::function<void(const EarlyState&)>& sink,
                                          std::stop_token stop = {});
  // Of the last logits(); null: nothing was recorded.
  [[nodiscard]] std::shared_ptr<const PageTrace> page_trace() const;

  // What attention did in the last run, logits() or bench().
  [[nodiscard]] Result<AttentionFacts> attention_facts() const;
  // What a KV cache in tiers holds; nothing of another.
  [[nodiscard]] Result<std::optional<KvTierFacts>> tier_facts() const;
  // Likewise how experts were chosen; nothing where the model chooses for itself.
  [[nodiscard]] Result<RoutingFacts> routing_facts() const;
  // The bias by load that is in force at its end, (layers, experts); nothing where the model chooses for itself.
  [[nodiscard]] Result<std::vector<float>> expert_bias() const;
  // Another bias for a policy with a frozen one, (layers, experts). Errors: another policy, another number of numbers.
  [[nodiscard]] Result<void> choose_bias(std::vector<float> bias);

  // One timed repetition; random tokens, no sampling parameters beyond greedy, as llama-bench does.
  [[nodiscard]] Result<BenchSample> bench(const BenchTest& test, std::stop_token stop = {});
  // GPU time per kernel of one decode step at `depth` and of one prefill batch of `prompt` tokens behind it.
  [[nodiscard]] Result<std::vector<KernelTime>> profile_decode(std::uint32_t depth);
  [[nodiscard]] Result<std::vector<KernelTime>> profile_prefill(std::uint32_t prompt, std::uint32_t depth);

  // Validation-layer messages so far, when the layer is on.
  [[nodiscard]] std::uint64_t validation_messages() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What a file is and what a run of it would take, without reading a weight or opening a device; for `inspect` and the load dialog.
[[nodiscard]] Result<ModelSummary> inspect(const std::filesystem::path& model, std::uint32_t context = 0,
                                           std::optional<KvType> kv = KvType::f16,
                                           const std::optional<SparseAttention>& attention = std::nullopt,
                                           std::optional<ActivationType> activations = std::nullopt, std::optional<double> top_share = std::nullopt, const KvTiers& tiers = {},
                                           std::int32_t device = -1);

}  // namespace fovea
