#include "engine/decoder/decoder.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/kernels/attention.hpp"
#include "engine/kernels/attention_top.hpp"
#include "engine/kernels/sample.hpp"
#include "shaders/interface/expert_choice.h"
#include "shaders/interface/step_state.h"

namespace fovea {
namespace {

constexpr std::array<std::uint32_t, 6> kBuckets{8, 32, 128, 512, 1024, 2048};  // tokens that prompt plans have room for
constexpr std::uint32_t kMostDenseTokens = 1024;  // tiles enough for a large GPU; more help experts alone, who share a batch
constexpr std::uint64_t kRowBufferBytes = 64ull << 20;             // attention rows of one prompt batch
constexpr std::uint64_t kLogitBufferBytes = 64ull << 20;           // logits of one batch

template <class T>
std::span<const T> view(const gpu::Buffer& buffer, std::size_t count) {
  return {reinterpret_cast<const T*>(buffer.mapped().data()), count};
}

}  // namespace

std::uint32_t suitable_batch(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t context) {
  if (facts.cpu) return 128;
  std::uint32_t batch = kBuckets[0];
  for (const std::uint32_t tokens : kBuckets) {
    if (Activations::bytes(facts, config, tokens, 1) > facts.memory_bytes / 16) break;
    if (!config.mixture() && tokens > kMostDenseTokens) break;
    batch = tokens;
    if (tokens >= context) break;
  }
  return batch;
}

ActivationType suitable_activations(const gpu::DeviceFacts& facts) {
  return !facts.cpu && facts.integer_dot ? ActivationType::q8_0 : ActivationType::f32;
}

Result<std::unique_ptr<Decoder>> Decoder::create(gpu::Device& device, const ModelConfig& config, DeviceWeights weights,
                                                 const DecoderOptions& options) {
  std::unique_ptr<Decoder> decoder(new Decoder(device, config, std::move(weights), options));
  if (decoder->options_.batch == 0) decoder->options_.batch = suitable_batch(device.facts(), config, options.context);
  if (options.tiers) decoder->options_.batch = tiered_batch(decoder->options_.batch);
  decoder->options_.batch = std::max(decoder->options_.batch, kBuckets[0]);  // no plan has room for fewer
  FOVEA_TRY(decoder->create_buffers());
  return decoder;
}

Result<void> Decoder::create_buffers() {
  if (options_.top_share && options_.tiers)
    return fail(ErrorCode::unsupported, "--attention entropy with --kv tiered", "attention to the largest weights reads keys and values as f16 or q8_0 alone",
                "use --kv f16 or q8_0, or another attention");
  FOVEA_ASSIGN(cache_, options_.tiers ? KvCache::create_tiered(device_, config_, options_.context, *options_.tiers)
                                      : KvCache::create(device_, config_, options_.context, options_.kv));
  if (options_.sparse) {
    FOVEA_ASSIGN(selection_, PageSelection::create(device_, config_, options_.context, options_.batch, options_.kv, *options_.sparse));
  }
  if (options_.top_share) {
    FOVEA_ASSIGN(top_scores_, device_.create_buffer(attention_top_bytes(config_.query_heads, options_.context, options_.batch), gpu::MemoryUse::compute));
  }
  if (options_.experts) {
    FOVEA_ASSIGN(routing_, ExpertRouting::create(device_, config_, options_.batch, *options_.experts));
  }
  FOVEA_ASSIGN(activations_, Activations::create(device_, config_, options_.batch, 1));
  using gpu::MemoryUse;
  FOVEA_ASSIGN(state_, device_.create_buffer(sizeof(shader::StepState), MemoryUse::upload));
  FOVEA_ASSIGN(parameters_, device_.create_buffer(sizeof(shader::SampleParameters), MemoryUse::upload));
  // Drawing writes one entry past the last position.
  FOVEA_ASSIGN(history_, device_.create_buffer((std::uint64_t{options_.context} + 1) * sizeof(std::uint32_t), MemoryUse::upload));
  FOVEA_ASSIGN(ring_, device_.create_buffer(shader::kTokenRing * sizeof(std::uint32_t), MemoryUse::readback));
  FOVEA_ASSIGN(sample_scratch_, device_.create_buffer(sample_scratch_bytes(config_.vocabulary), MemoryUse::compute));
  if (config_.mixture()) {
    const auto make = [&](Readback& target, std::uint64_t tokens) -> Result<void> {
      const std::uint64_t bytes = std::uint64_t{config_.layers} * tokens * config_.experts_used * sizeof(std::uint32_t);
      FOVEA_ASSIGN(target.experts, device_.create_buffer(bytes, MemoryUse::readback));
      FOVEA_ASSIGN(target.expert_weights, device_.create_buffer(bytes, MemoryUse::readback));
      return {};
    };
    for (Readback& slot : decode_readback_) FOVEA_TRY(make(slot, 1));
    FOVEA_TRY(make(prompt_readback_, options_.batch));
  }
  return {};
}

Result<void> Decoder::choose_attention(const std::optional<SparseAttention>& sparse) {
  std::optional<PageSelection> made;
  if (sparse) {
    FOVEA_ASSIGN(made, PageSelection::create(device_, config_, options_.context, options_.batch, options_.kv, *sparse));
  }
  plans_.clear();  // they read the old selection
  queried_.reset();
  chosen_.reset();
  page_capture_.reset();
  trace_.measure_every = 0;
  selection_ = std::move(made);
  options_.sparse = sparse;
  options_.top_share.reset();
  return {};
}

Result<void> Decoder::choose_experts(const std::optional<ExpertRule>& rule) {
  if ((rule ? rule->escort : std::nullopt) != escort_)
    return fail(ErrorCode::usage, "the policy", "an escorted expert comes and goes with the model's weights", "load the model again with this policy");
  std::optional<ExpertRouting> made;
  if (rule) {
    FOVEA_ASSIGN(made, ExpertRouting::create(device_, config_, options_.batch, *rule));
  }
  plans_.clear();  // they read the old rule
  routing_ = std::move(made);
  options_.experts = rule;
  return {};
}

Result<void> Decoder::begin(std::span<const std::int32_t> prompt, const SamplingOptions& sampling, const DecoderTrace& trace,
                            std::uint32_t kept) {
  if (prompt.empty()) return fail(ErrorCode::usage, "the prompt", "it has no tokens", "write at least one word");
  if (prompt.size() > options_.context)
    return fail(ErrorCode::usage, "the prompt",
                "it has " + std::to_string(prompt.size()) + " tokens and the context has room for " + std::to_string(options_.context),
                "shorten it or load the model with a larger context (-c)");
  prompt_tokens_ = static_cast<std::uint32_t>(prompt.size());
  position_ = kept;
  drawn_ = 0;
  timing_ = false;
  queried_.reset();
  chosen_.reset();
  seed_ = static_cast<std::uint64_t>(sampling.seed);
  FOVEA_TRY(cache_->restart(kept, prompt_tokens_));
  prompt_pairs_ = decode_pairs_ = prompt_top_pairs_ = decode_top_pairs_ = 0;
  dense_tokens_ = 0;
  keeps_pages_ = false;
  if (selection_) FOVEA_TRY(selection_->reset_facts());
  if (routing_) FOVEA_TRY(routing_->begin());
  FOVEA_TRY(device_.upload(history_, 0, std::as_bytes(prompt)));
  const shader::SampleParameters parameters{
      .temperature = sampling.temperature, .top_k = sampling.top_k, .top_p = sampling.top_p, .min_p = sampling.min_p,
      .repeat_penalty = sampling.repeat_penalty,
      .repeat_last_n = sampling.repeat_last_n < 0 ? static_cast<std::int32_t>(options_.context) : sampling.repeat_last_n,
      .vocabulary = config_.vocabulary};
  FOVEA_TRY(device_.upload(parameters_, 0, std::as_bytes(std::span(&parameters, 1))));

  const bool same_rows = trace.heads == trace_.heads && trace.row_positions == trace_.row_positions;
  const bool same_pages = trace.measure_every == trace_.measure_every, same_early = trace.early_layers == trace_.early_layers;
  trace_ = trace;
  trace_.early_layers = std::min(trace_.early_layers, config_.layers);
  if (!same_rows) FOVEA_TRY(prepare_rows());
  if (!same_early) FOVEA_TRY(prepare_early());
  if (same_pages) return {};
  std::erase_if(plans_, [](const auto& entry) { return entry.first.pages; });
  page_capture_.reset();
  if (trace_.measure_every == 0) return {};
  FOVEA_ASSIGN(page_capture_, PageCapture::create(device_, config_, selection_ ? &*selection_ : nullptr, options_.context, options_.batch,
                                                  kStepsInFlight, trace_.measure_every));
  return {};
}

Result<void> Decoder::always_read(std::span<const PositionRange> positions) {
  if (positions.empty() || !selection_) return {};
  const std::uint32_t pages = (options_.context + shader::kPageKeys - 1) / shader::kPageKeys;
  std::vector<std::uint32_t> bits((pages + 31) / 32);
  for (const PositionRange range : positions)
    for (std::uint32_t page = range.first / shader::kPageKeys; page * shader::kPageKeys < std::min(range.end, options_.context); ++page)
      bits[page / 32] |= 1u << (page % 32);
  if (kept_pages_.bytes() == 0) {
    FOVEA_ASSIGN(kept_pages_, device_.create_buffer(bits.size() * sizeof(std::uint32_t), gpu::MemoryUse::upload));
  }
  FOVEA_TRY(device_.upload(kept_pages_, 0, std::as_bytes(std::span(bits))));
  keeps_pages_ = true;
  return {};
}

Result<void> Decoder::prepare_rows() {
  std::erase_if(plans_, [](const auto& entry) { return entry.first.rows; });
  for (Readback& slot : decode_readback_) slot.rows = {};
  prompt_readback_.rows = {};
  row_heads_ = {};
  row_order_ = trace_.heads;
  std::erase_if(row_order_, [this](HeadId id) { return id.layer >= config_.layers || id.head >= config_.query_heads; });
  std::sort(row_order_.begin(), row_order_.end(),
            [](HeadId a, HeadId b) { return std::pair(a.layer, a.head) < std::pair(b.layer, b.head); });
  row_order_.erase(std::unique(row_order_.begin(), row_order_.end()), row_order_.end());
  if (row_order_.empty()) return {};

  row_stride_ = (std::min(trace_.row_positions, options_.context) + 63) / 64 * 64;
  const std::uint64_t row_bytes = row_order_.size() * std::uint64_t{row_stride_} * sizeof(std::uint16_t);
  std::vector<std::uint32_t> heads;
  for (const HeadId id : row_order_) heads.push_back(id.head);
  FOVEA_ASSIGN(row_heads_, device_.create_buffer(heads.size() * sizeof(std::uint32_t), gpu::MemoryUse::upload));
  FOVEA_TRY(device_.upload(row_heads_, 0, std::as_bytes(std::span(heads))));
  for (Readback& slot : decode_readback_) {
    slot.rows_capacity = 1;
    FOVEA_ASSIGN(slot.rows, device_.create_buffer(row_bytes, gpu::MemoryUse::readback));
  }
  prompt_readback_.rows_capacity = kBuckets[0];
  for (const std::uint32_t tokens : kBuckets)
    if (tokens <= options_.batch && tokens * row_bytes <= kRowBufferBytes) prompt_readback_.rows_capacity = tokens;
  FOVEA_ASSIGN(prompt_readback_.rows, device_.create_buffer(prompt_readback_.rows_capacity * row_bytes, gpu::MemoryUse::readback));
  return {};
}

Result<void> Decoder::prepare_early() {
  std::erase_if(plans_, [](const auto& entry) { return entry.first.early; });
  const auto make = [&](Readback& target, std::uint64_t tokens) -> Result<void> {
    target.hidden = {};
    target.router = {};
    if (!records_early()) return {};
    const ActivationStrides& strides = activations_.strides;
    FOVEA_ASSIGN(target.hidden, device_.create_buffer(tokens * strides.width * sizeof(float), gpu::MemoryUse::readback));
    if (!config_.mixture()) return {};
    FOVEA_ASSIGN(target.router, device_.create_buffer(config_.layers * tokens * strides.router * sizeof(float), gpu::MemoryUse::readback));
    return {};
  };
  for (Readback& slot : decode_readback_) FOVEA_TRY(make(slot, 1));
  return make(prompt_readback_, options_.batch);
}

Result<void> Decoder::prepare_logits() {
  if (all_logits_) return {};
  logit_rows_ = batch_limit(StepKind::logits);
  const std::uint64_t bytes = std::uint64_t{logit_rows_} * config_.vocabulary * sizeof(float);
  FOVEA_ASSIGN(all_logits_, device_.create_buffer(bytes, gpu::MemoryUse::compute));
  FOVEA_ASSIGN(logits_readback_, device_.create_buffer(bytes, gpu::MemoryUse::readback));
  return {};
}

std::uint32_t Decoder::batch_limit(StepKind kind) const {
  std::uint32_t limit = kBuckets[0];
  const std::uint64_t logit_bytes = std::uint64_t{config_.vocabulary} * sizeof(float);
  for (const std::uint32_t tokens : kBuckets) {
    if (tokens > options_.batch) break;
    if (kind == StepKind::logits && tokens * logit_bytes > kLogitBufferBytes) break;
    if (!row_order_.empty() && tokens > prompt_readback_.rows_capacity) break;
    limit = tokens;
  }
  return limit;
}

std::uint32_t Decoder::bucket(std::uint32_t tokens, StepKind kind) const {
  for (const std::uint32_t room : kBuckets)
    if (tokens <= room) return std::min(room, batch_limit(kind));
  return batch_limit(kind);
}

Result<void> Decoder::write_state(std::uint32_t tokens) {
  const std::uint64_t kept = keeps_pages_ ? kept_pages_.address() : 0;
  const shader::StepState state{.position = position_, .tokens = tokens, .drawn = static_cast<std::uint32_t>(drawn_),
                                .seed_low = static_cast<std::uint32_t>(seed_), .seed_high = static_cast<std::uint32_t>(seed_ >> 32),
                                .kept_pages_low = static_cast<std::uint32_t>(kept), .kept_pages_high = static_cast<std::uint32_t>(kept >> 32)};
  return device_.upload(state_, 0, std::as_bytes(std::span(&state, 1)));
}

Result<Step> Decoder::submit_prompt(std::uint32_t tokens, StepKind kind) {
  tokens = std::min({tokens, prompt_tokens_ - std::min(position_, prompt_tokens_), batch_limit(kind)});
  if (tokens == 0) return fail(ErrorCode::internal, "the prompt", "all its tokens were submitted", "report this");
  FOVEA_TRY(write_state(tokens));
  // A single token that draws is what the decode plan does, and that plan is the faster one for it.
  if (tokens == 1 && kind == StepKind::draw) return submit_decode();
  return submit({.decode = false, .slot = 0, .tokens = bucket(tokens, kind), .kind = kind}, tokens);
}

// The first position whose token chooses pages. Where pages are recorded every token makes a choice, which below it is of all.
std::uint32_t Decoder::choosing_from() const {
  const std::uint32_t below = selection_ && !page_capture_ ? selection_->decode_dense_below() : 0;
  return below > 0 ? below - 1 : 0;
}

bool Decoder::chooses_ahead() const {
  return selection_ && selection_->chooses_ahead() && position_ >= choosing_from() && queried_ == position_;
}

std::uint32_t Decoder::decode_limit() const {
  // The first token behind none whose queries are kept chooses by its own, those after it ahead.
  if (records_tokens() || (selection_ && selection_->chooses_ahead() && queried_ != position_)) return 1;
  std::uint32_t limit = kMostGroupTokens;
  for (const std::uint32_t border : {kDeepAttention, choosing_from()})  // plans differ on either side
    if (position_ < border) limit = std::min(limit, border - position_);
  return limit;
}

Result<Step> Decoder::submit_decode(std::uint32_t tokens) {
  if (tokens == 0 || tokens > decode_limit())
    return fail(ErrorCode::internal, "decoding", std::to_string(tokens) + " tokens cannot be one step now",
                "report this");
  // Only steps of one token have results in a slot, and those that follow each other differ by one draw.
  const auto slot = static_cast<std::uint32_t>(drawn_ % kStepsInFlight);
  return submit({.decode = true, .slot = slot, .tokens = 1, .kind = StepKind::draw}, tokens);
}

Result<Step> Decoder::submit_given(std::int32_t token) {
  if (position_ >= options_.context)
    return fail(ErrorCode::usage, "a given token", "the context of " + std::to_string(options_.context) + " is full", "load the model with a larger context (-c)");
  FOVEA_TRY(device_.upload(history_, position_ * sizeof(token), std::as_bytes(std::span(&token, 1))));
  FOVEA_TRY(write_state(1));
  return submit_decode();
}

Result<void> Decoder::logits_of_step(std::span<float> logits) const {
  return device_.download(activations_.buffer(), activations_.offset_of(activations_.logits), std::as_writable_bytes(logits.first(config_.vocabulary)));
}

Result<Step> Decoder::submit(PlanKey key, std::uint32_t tokens) {
  key.routing = records_routing();
  key.rows = !row_order_.empty();
  key.pages = page_capture_.has_value();
  key.early = records_early();
  key.timed = timing_;
  key.deep = key.decode && position_ >= kDeepAttention;
  key.dense = key.decode && position_ < choosing_from();
  key.ahead = key.decode && chooses_ahead();
  if (key.dense) dense_tokens_ += tokens;
  FOVEA_TRY(cache_->reserve(position_ + tokens));
  // Plans end with a barrier, which also stands between two replays.
  std::vector<const gpu::CommandPlan*> replays;
  for (std::uint32_t i = 0; i < (key.decode ? tokens : 1); ++i) {
    key.reuses = key.ahead && chosen_ && *chosen_ / selection_->every() == (position_ + i) / selection_->every();
    key.ends = key.decode && follows_blocks() && (position_ + i + 1) % shader::kRouterBlock == 0;
    if (!key.ahead)
      chosen_.reset();
    else if (!key.reuses)
      chosen_ = position_ + i;
    FOVEA_ASSIGN(replays.emplace_back(), plan(key));
  }
  Step step{.kind = key.kind, .decode = key.decode, .slot = key.slot, .first_position = position_, .tokens = tokens,
            .plan_tokens = key.tokens, .draw_index = drawn_,
            .timed = key.timed ? replays.front() : nullptr};
  FOVEA_ASSIGN(step.ticket, device_.submit(replays));
  (key.decode ? decode_pairs_ : prompt_pairs_) += tokens * (position_ + (tokens + 1) / 2.0);
  for (std::uint32_t i = 0; options_.top_share && i < tokens; ++i)
    (key.decode ? decode_top_pairs_ : prompt_top_pairs_) += static_cast<double>(top_keys(position_ + i + 1, *options_.top_share));
  step.prompt_pairs = prompt_pairs_;
  step.decode_pairs = decode_pairs_;
  position_ += tokens;
  queried_ = position_;  // every step leaves them where tokens choose ahead
  if (key.kind == StepKind::draw) drawn_ += replays.size();
  return step;
}

Result<StepRecord> Decoder::finish(const Step& step) {
  FOVEA_TRY(device_.wait(step.ticket));
  const Readback& from = readback(step.decode, step.slot);
  StepRecord record{.first_position = step.first_position, .tokens = step.tokens, .plan_tokens = step.plan_tokens};
  if (step.kind == StepKind::draw) {
    static_assert(kStepsInFlight * kMostGroupTokens <= shader::kTokenRing);
    const auto ring = view<std::uint32_t>(ring_, shader::kTokenRing);
    for (std::uint32_t i = 0; i < (step.decode ? step.tokens : 1); ++i)
      record.drawn.push_back(static_cast<std::int32_t>(ring[(step.draw_index + i) % shader::kTokenRing]));
  }
  if (records_routing()) {
    const std::size_t count = std::size_t{config_.layers} * step.plan_tokens * config_.experts_used;
    record.experts = view<std::uint32_t>(from.experts, count);
    record.expert_weights = view<float>(from.expert_weights, count);
  }
  if (!row_order_.empty()) {
    record.rows_capacity = from.rows_capacity;
    record.row_stride = row_stride_;
    record.rows = view<std::uint16_t>(from.rows, row_order_.size() * std::size_t{from.rows_capacity} * row_stride_);
  }
  if (records_early()) {
    record.hidden_stride = activations_.strides.width;
    record.router_stride = activations_.strides.router;
    record.hidden = view<float>(from.hidden, std::size_t{step.plan_tokens} * record.hidden_stride);
    if (config_.mixture()) record.router_logits = view<float>(from.router, std::size_t{config_.layers} * step.plan_tokens * record.router_stride);
  }
  if (page_capture_) {
    record.pages = page_capture_->views(step.decode, step.slot, step.plan_tokens);
    record.pages.facts.prefill.causal_pairs = step.prompt_pairs;
    record.pages.facts.decode.causal_pairs = step.decode_pairs;
  }
  // Before the plan is replayed: its timestamps are those of the last submission.
  if (step.timed != nullptr) {
    FOVEA_ASSIGN(record.kernels, step.timed->times());
  }
  if (step.kind == StepKind::logits)
    record.logits = view<float>(logits_readback_, std::size_t{step.tokens} * config_.vocabulary);
  return record;
}

Result<AttentionFacts> Decoder::attention_facts() const {
  AttentionFacts facts;
  if (selection_) {
    FOVEA_ASSIGN(facts, selection_->facts());
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {  // choices of everything that were not worth a step
      PageChoices& choices = facts.decode.layers[layer];
      choices.choices += selection_->chooses(layer) ? dense_tokens_ * config_.kv_heads : 0;
      choices.whole += selection_->chooses(layer) ? dense_tokens_ * config_.kv_heads : 0;
    }
  }
  facts.prefill.causal_pairs = prompt_pairs_;
  facts.decode.causal_pairs = decode_pairs_;
  if (options_.top_share) {
    facts.prefill.top_pairs = prompt_top_pairs_;
    facts.decode.top_pairs = decode_top_pairs_;
  }
  return facts;
}

Result<std::optional<KvTierFacts>> Decoder::tier_facts(bool pages) const {
  if (cache_->tiers() == nullptr) return std::nullopt;
  if (!pages) return cache_->tiers()->facts();
  FOVEA_ASSIGN(KvTierFacts facts, cache_->tiers()->full_facts());
  return std::optional(std::move(facts));
}

Result<RoutingFacts> Decoder::routing_facts() const { return routing_ ? routing_->facts() : RoutingFacts{}; }

Result<std::vector<float>> Decoder::expert_bias() const { return routing_ ? routing_->bias() : std::vector<float>{}; }

Result<void> Decoder::choose_bias(std::vector<float> bias) {
  if (!routing_) return fail(ErrorCode::usage, "the bias of experts", "the model chooses for itself", "choose a policy with reset=frozen");
  return routing_->choose_bias(std::move(bias));
}

Result<void> Decoder::warm_up() {
  const bool routing = records_routing(), rows = !row_order_.empty(), pages = page_capture_.has_value(), early = records_early();
  const bool ahead = selection_ && selection_->chooses_ahead();
  for (const std::uint32_t position : {0u, kDeepAttention, choosing_from()})
    for (std::uint32_t slot = 0; slot < kStepsInFlight; ++slot)
      for (const bool own : {true, false})  // those that choose for themselves first: the last plan's steps are counted
        if (const bool dense = position < choosing_from(); position < options_.context && (!own || (ahead && !dense)))
          for (const bool reuses : {true, false})
            for (const bool ends : {true, false})
              if ((!reuses || (ahead && !dense && !own && selection_->every() > 1)) && (!ends || follows_blocks()))
                FOVEA_TRY(plan({.decode = true, .slot = slot, .tokens = 1, .kind = StepKind::draw, .routing = routing, .rows = rows, .pages = pages, .early = early,
                                .deep = position >= kDeepAttention, .dense = dense, .ahead = ahead && !dense && !own, .reuses = reuses, .ends = ends}));
  FOVEA_TRY(plan({.decode = false, .slot = 0, .tokens = bucket(2, StepKind::draw), .kind = StepKind::draw, .routing = routing, .rows = rows, .pages = pages, .early = early}));
  if (routing || rows || pages || early) FOVEA_TRY(plan({.decode = true, .slot = 0, .tokens = 1, .kind = StepKind::draw, .ahead = ahead}));  // whose steps are counted
  if (!device_.facts().cpu || options_.context < 3) return {};
  // A CPU driver generates code at a pipeline's first dispatch, not when the pipeline is made: take every kernel once.
  const std::array<std::int32_t, 2> tokens{0, 0};
  FOVEA_TRY(begin(tokens, {.temperature = 0, .seed = 0}, trace_));
  FOVEA_ASSIGN(const Step prompt, submit_prompt(2, StepKind::draw));
  FOVEA_TRY(finish(prompt));
  FOVEA_ASSIGN(const Step step, submit_decode());
  FOVEA_TRY(finish(step));
  if (routing_) FOVEA_TRY(routing_->forget());
  return {};
}

Result<std::vector<gpu::TagTime>> Decoder::profile(std::uint32_t tokens) {
  const bool decode = tokens == 1;
  tokens = std::min(tokens, batch_limit(StepKind::fill));
  FOVEA_TRY(cache_->reserve(std::min(position_ + tokens, options_.context)));
  // A recording of its own, so that timestamps never slow down the plans that runs replay.
  const StepKind kind = StepKind::draw;
  FOVEA_ASSIGN(const gpu::CommandPlan timed,
               record({.decode = decode, .slot = 0, .tokens = decode ? 1 : bucket(tokens, kind), .kind = kind, .timed = true,
                       .deep = decode && position_ >= kDeepAttention, .dense = decode && position_ < choosing_from(),
                       .ahead = decode && selection_ && selection_->chooses_ahead() && position_ >= choosing_from()}));
  queried_.reset();  // the step leaves queries that are none of the sequence
  chosen_.reset();
  const std::uint32_t before = position_;
  position_ = std::min(position_, options_.context - tokens);
  FOVEA_TRY(write_state(tokens));
  position_ = before;
  FOVEA_ASSIGN(const std::uint64_t ticket, device_.submit(timed));
  FOVEA_TRY(device_.wait(ticket));
  return timed.times();
}

}  // namespace fovea
