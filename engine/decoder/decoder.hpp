// A model on a device, one sequence at a time: prompts in batches, then token after token from plans recorded once.
// Engine thread only.
//
// What changes per token lives in a small device buffer (StepState): a plan is recorded the first time its shape is
// needed and replayed ever after. Drawing a token, its embedding and the routing stay on the device, so one submission
// may replay the decode plan several times; the host reads a ring of tokens and may stop between submissions.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/api/kv_type.hpp"
#include "engine/api/sampling.hpp"
#include "engine/api/trace.hpp"
#include "engine/base/result.hpp"
#include "engine/decoder/activations.hpp"
#include "engine/decoder/device_weights.hpp"
#include "engine/decoder/expert_routing.hpp"
#include "engine/decoder/forward_pass.hpp"
#include "engine/decoder/kv_cache.hpp"
#include "engine/decoder/page_capture.hpp"
#include "engine/decoder/page_selection.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

struct DecoderOptions {
  std::uint32_t context = 0;        // positions
  std::uint32_t batch = 0;          // most prompt tokens of one submission; 0: what suits the device
  DType kv = DType::F16;            // type of the KV cache: F16 or Q8_0
  std::optional<KvTiers> tiers;     // the KV cache is in tiers instead; kv is F16
  ActivationType activation_type = ActivationType::f32;  // of decoding, for weights in blocks
  std::optional<SparseAttention> sparse;                 // nullopt: all layers read everything, or top_share of it
  std::optional<double> top_share;                       // of each row's keys those of the largest weights alone; not beside `sparse`
  std::optional<ExpertRule> experts;                     // of mixtures; nullopt: the model's own choice
  bool barrier_everywhere = false;  // debug: a barrier before every dispatch must not change a bit
  ProductForm form = ProductForm::suits_device;  // debug: the steps and products of another kind of device
};

// The most prompt tokens of one submission that suit a device: as many as a GPU needs to be busy and to read every
// expert for enough of them, up to 2048, as long as the activations take no more than a sixteenth of its memory.
[[nodiscard]] std::uint32_t suitable_batch(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t context);

// What decoding multiplies block weights with where nothing is said: 8 bits on a GPU with packed integer dot products, which
// floats would make wait for its arithmetic; floats on a CPU driver.
[[nodiscard]] ActivationType suitable_activations(const gpu::DeviceFacts& facts);

// What a run records beside its tokens.
struct DecoderTrace {
  bool routing = false;            // experts and weights of every layer and token (mixtures)
  std::vector<HeadId> heads;       // exact attention rows
  std::uint32_t row_positions = 0; // rows longer than this are not recorded
  std::uint32_t measure_every = 0; // pages that choices read, and what dense attention puts on them in every Nth row; 0: neither
  std::uint32_t early_layers = 0;  // the residual behind so many layers, and the logits of every router; 0: neither
};

struct PositionRange {
  std::uint32_t first = 0, end = 0;
};

// What a batch is for.
enum class StepKind {
  fill,    // keys and values only: an inner batch of a prompt
  draw,    // draws the next token from the last position
  logits,  // logits of every position to the host
};

// A submitted step, to be finished in order. At most kStepsInFlight decode steps may be unfinished. A decode step of
// several tokens is a group: that many replays of the plan, of which only the end can be waited for.
struct Step {
  StepKind kind = StepKind::draw;
  bool decode = false;
  std::uint32_t slot = 0;
  std::uint32_t first_position = 0, tokens = 0, plan_tokens = 0;
  std::uint64_t ticket = 0, draw_index = 0;
  double prompt_pairs = 0, decode_pairs = 0;  // (token, key) pairs submitted with it and before
  const gpu::CommandPlan* timed = nullptr;  // its plan where that has timestamps
};
inline constexpr std::uint32_t kStepsInFlight = 2;
inline constexpr std::uint32_t kMostGroupTokens = 16;  // of one decode step

// What a finished step left for the host; views stay valid until the next step of the same kind is submitted.
struct StepRecord {
  std::uint32_t first_position = 0, tokens = 0;
  std::vector<std::int32_t> drawn;  // one of a step that draws, one per token of a decode step, else none
  // Routing of layer l, token t, slot s at (l * plan_tokens + t) * experts_used + s; shader::kNoExpert behind the experts
  // that a policy gave the token; empty when not recorded.
  std::span<const std::uint32_t> experts;
  std::span<const float> expert_weights;
  std::uint32_t plan_tokens = 0;
  // Attention row of recorded head i, token t: halves from (i * rows_capacity + t) * row_stride; empty when not recorded.
  std::span<const std::uint16_t> rows;
  std::uint32_t rows_capacity = 0, row_stride = 0;
  PageViews pages;
  // Residual of token t from t * hidden_stride on; logit of expert e in layer l's router at (l * plan_tokens + t) * router_stride + e;
  // empty when not recorded, router_logits also of a dense model.
  std::span<const float> hidden, router_logits;
  std::uint32_t hidden_stride = 0, router_stride = 0;
  std::span<const float> logits;  // (tokens, vocabulary) for StepKind::logits
  std::vector<gpu::TagTime> kernels;  // device time per tag; empty when the step was not timed
};

class Decoder {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Decoder>> create(gpu::Device& device, const ModelConfig& config, DeviceWeights weights,
                                                               const DecoderOptions& options);

  // From the next begin() on, these layers read all pages or those that the rule chooses; as if created with it. Nothing may be
  // in flight. An error leaves everything as it was.
  [[nodiscard]] Result<void> choose_attention(const std::optional<SparseAttention>& sparse);
  // Likewise who chooses a token's experts. Errors: a rule that is none for this model, or that escorts another expert than
  // the weights hold.
  [[nodiscard]] Result<void> choose_experts(const std::optional<ExpertRule>& rule);
  // Starts a sequence: empties the cache, sets sampling and seed, takes the prompt's ids. Nothing may be in flight.
  // `sampling.seed` must be resolved (not negative). The first `kept` tokens of the prompt are in the cache from the sequence
  // before, which began with them, and stay there; most_kept() says whether they can.
  [[nodiscard]] Result<void> begin(std::span<const std::int32_t> prompt, const SamplingOptions& sampling, const DecoderTrace& trace,
                                   std::uint32_t kept = 0);
  // `tokens` where the cache can be cut back to so many, else 0: what has left the window of a cache in tiers stays there.
  [[nodiscard]] std::uint32_t most_kept(std::uint32_t tokens) const { return cache_->can_keep(tokens) ? tokens : 0; }
  // Until the next begin(), choices of pages always read those of these positions too: a chat's template and system prompt. Before
  // the first submission.
  [[nodiscard]] Result<void> always_read(std::span<const PositionRange> positions);
  // Most tokens that a prompt batch of this kind may have now.
  [[nodiscard]] std::uint32_t batch_limit(StepKind kind) const;
  // The next `tokens` of the prompt. The step before must be finished.
  [[nodiscard]] Result<Step> submit_prompt(std::uint32_t tokens, StepKind kind);
  // Most tokens that a decode step may have now: 1 while something is recorded or timed per token, since a replay
  // overwrites what the one before it left for the host; none goes past the position from which on another plan decodes.
  [[nodiscard]] std::uint32_t decode_limit() const;
  // The token drawn last, at the next position, and the `tokens` - 1 drawn on the way; after a step that draws. Tokens
  // that turn out unwanted may be ignored: begin() leaves nothing of them.
  [[nodiscard]] Result<Step> submit_decode(std::uint32_t tokens = 1);
  // The given token at the next position, by the steps of decoding; what it draws is none of the sequence. The step before must be
  // finished, and logits_of_step() tells its logits then.
  [[nodiscard]] Result<Step> submit_given(std::int32_t token);
  // Of the last finished step that drew: float (vocabulary).
  [[nodiscard]] Result<void> logits_of_step(std::span<float> logits) const;
  [[nodiscard]] Result<StepRecord> finish(const Step& step);
  // From the next submission on, steps use plans with timestamps around every tag, or plain ones again. begin() ends it;
  // a device without timestamps ignores it.
  void time_kernels(bool on) { timing_ = on && device_.facts().timestamps; }

  [[nodiscard]] std::uint32_t position() const { return position_; }  // of the next token to be submitted
  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] std::uint32_t context() const { return options_.context; }
  [[nodiscard]] const std::optional<SparseAttention>& sparse_attention() const { return options_.sparse; }
  // What decoding takes once warm_up() was called: f32 also where q8_0 was chosen and no product can take it, since the
  // weights are not in blocks or the device has no packed integer dot product.
  [[nodiscard]] ActivationType activation_type() const { return decode_activations_; }
  // Steps of a decoded token one after another, counted from its plain plan once warm_up() was called.
  [[nodiscard]] std::uint32_t decode_steps() const { return decode_steps_; }
  // What attention did since begin(), tokens included that were drawn past a stop; nothing may be in flight. Dense: no layers.
  [[nodiscard]] Result<AttentionFacts> attention_facts() const;
  // What a cache in tiers holds, hot pages by layer where `pages` (nothing may be in flight then); nothing of another cache.
  [[nodiscard]] Result<std::optional<KvTierFacts>> tier_facts(bool pages) const;
  // Likewise how experts were chosen; nothing where the model chooses for itself.
  [[nodiscard]] Result<RoutingFacts> routing_facts() const;
  // The bias by load that is in force, (layers, experts); nothing where the model chooses for itself.
  [[nodiscard]] Result<std::vector<float>> expert_bias() const;
  // Another frozen bias; nothing may be in flight. Errors: the rule has none, another number of numbers.
  [[nodiscard]] Result<void> choose_bias(std::vector<float> bias);
  // The heads in the order in which StepRecord::rows holds them.
  [[nodiscard]] const std::vector<HeadId>& row_order() const { return row_order_; }

  // Device time per tag of one step at the present position; for measuring, does not advance anything.
  [[nodiscard]] Result<std::vector<gpu::TagTime>> profile(std::uint32_t tokens);
  // Records every plan a run of this trace will use, so that the first token does not pay for it.
  [[nodiscard]] Result<void> warm_up();

 private:
  struct PlanKey {
    bool decode = false;
    std::uint32_t slot = 0, tokens = 1;
    StepKind kind = StepKind::draw;
    bool routing = false, rows = false, pages = false, early = false, timed = false;
    bool deep = false;   // decoding: attention over many keys
    bool dense = false;  // decoding: everything is read although there is a policy of pages
    bool ahead = false;  // decoding: the queries of the token before choose the pages
    bool reuses = false; // likewise: or a token before it has chosen them
    bool ends = false;   // decoding by a policy: the token is the last of a block, and maybe of a page
    bool chained = false;  // decoding: steps may follow one another by counts; filled in by plan()
    auto operator<=>(const PlanKey&) const = default;
  };
  // Host-readable results of one step in flight.
  struct Readback {
    gpu::Buffer experts, expert_weights;  // uint, float (layers, tokens, slots)
    gpu::Buffer rows;                     // half (heads, capacity, stride)
    std::uint32_t rows_capacity = 0;
    gpu::Buffer hidden, router;           // float (tokens, strides.width), (layers, tokens, strides.router)
  };

  Decoder(gpu::Device& device, const ModelConfig& config, DeviceWeights weights, const DecoderOptions& options)
      : device_(device), config_(config), options_(options), escort_(options.experts ? options.experts->escort : std::nullopt), weights_(std::move(weights)) {}
  [[nodiscard]] Result<void> create_buffers();
  [[nodiscard]] Result<Step> submit(PlanKey key, std::uint32_t tokens);
  [[nodiscard]] std::uint32_t choosing_from() const;
  // Whether a token at the next position chooses pages, and by the queries that the one before it left.
  [[nodiscard]] bool chooses_ahead() const;
  // Whether something happens at the ends of blocks of tokens: pages get their bounds, routers remember.
  [[nodiscard]] bool follows_blocks() const { return selection_.has_value() || routing_.has_value(); }
  [[nodiscard]] bool records_routing() const { return trace_.routing && config_.mixture(); }
  [[nodiscard]] bool records_tokens() const { return records_routing() || !row_order_.empty() || page_capture_ || records_early() || timing_; }
  [[nodiscard]] bool records_early() const { return trace_.early_layers > 0; }
  [[nodiscard]] Result<void> prepare_rows();
  [[nodiscard]] Result<void> prepare_early();
  [[nodiscard]] Result<void> prepare_logits();
  [[nodiscard]] Result<const gpu::CommandPlan*> plan(PlanKey key);
  [[nodiscard]] Result<gpu::CommandPlan> record(const PlanKey& key);
  [[nodiscard]] std::uint32_t bucket(std::uint32_t tokens, StepKind kind) const;
  [[nodiscard]] CaptureLayout capture_layout(const PlanKey& key) const;
  [[nodiscard]] const Readback& readback(bool decode, std::uint32_t slot) const { return decode ? decode_readback_[slot] : prompt_readback_; }
  [[nodiscard]] Result<void> write_state(std::uint32_t tokens);

  gpu::Device& device_;
  ModelConfig config_;
  DecoderOptions options_;
  std::optional<ExpertEscort> escort_;  // the expert that the weights hold beside the model's own
  DeviceWeights weights_;
  std::optional<KvCache> cache_;
  std::optional<PageSelection> selection_;
  std::optional<ExpertRouting> routing_;
  Activations activations_;
  gpu::Buffer state_, parameters_, history_, ring_, sample_scratch_, row_heads_, top_scores_, kept_pages_;
  bool keeps_pages_ = false;
  gpu::Buffer all_logits_, logits_readback_;
  std::uint32_t logit_rows_ = 0;
  std::array<Readback, kStepsInFlight> decode_readback_;
  Readback prompt_readback_;
  std::optional<PageCapture> page_capture_;  // where pages are recorded
  std::map<PlanKey, gpu::CommandPlan> plans_;
  ActivationType decode_activations_ = ActivationType::f32;
  std::uint32_t decode_steps_ = 0;

  DecoderTrace trace_;
  std::vector<HeadId> row_order_;  // recorded heads by layer, as the row buffers hold them
  std::uint32_t row_stride_ = 0;
  std::uint32_t prompt_tokens_ = 0, position_ = 0;
  std::optional<std::uint32_t> chosen_;   // of the last token that chose ahead, whose lists are there
  std::optional<std::uint32_t> queried_;  // the position behind the token whose queries are kept to choose by
  std::uint64_t seed_ = 0, drawn_ = 0;
  std::uint64_t dense_tokens_ = 0;              // decoded ones that read everything without a choice
  double prompt_pairs_ = 0, decode_pairs_ = 0;  // (token, key) pairs submitted
  double prompt_top_pairs_ = 0, decode_top_pairs_ = 0;  // of those, what top_share keeps
  bool timing_ = false;
};

}  // namespace fovea
