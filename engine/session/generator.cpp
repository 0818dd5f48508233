#include "engine/session/generator.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "engine/decoder/decode_loop.hpp"
#include "engine/session/model_facts.hpp"

namespace fovea {
namespace {

constexpr std::chrono::milliseconds kPublishEvery{50};  // snapshots are for eyes

double milliseconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

std::uint64_t resolve_seed(std::int64_t wanted) {
  if (wanted >= 0) return static_cast<std::uint64_t>(wanted);
  std::random_device device;
  return device();  // 32 bits, so that a person can type it again
}

}  // namespace

Generator::Generator(Decoder& decoder, gpu::Device& device, const Tokenizer& tokenizer, const Generate& request,
                     const RunObserver& observer, std::stop_token stop)
    : decoder_(decoder), device_(device), tokenizer_(tokenizer), request_(request), observer_(observer), stop_(std::move(stop)) {}

TokenText Generator::text_of(TokenId token, bool prompt) {
  // The first piece of text loses the blank that SentencePiece puts in front of every text.
  const std::string bytes = text_begun_ ? tokenizer_.bytes(token, prompt) : tokenizer_.decode({&token, 1}, prompt);
  text_begun_ = text_begun_ || !tokenizer_.is_control(token);
  return {.id = token, .text = stream_.push(bytes), .piece = std::string(tokenizer_.piece(token)), .prompt = prompt};
}

DecoderTrace Generator::decoder_trace(std::size_t prompt_tokens) const {
  const ModelConfig& config = decoder_.config();
  DecoderTrace trace{.routing = request_.trace.routing && config.mixture(), .heads = request_.trace.heads, .measure_every = request_.trace.measure_every};
  if (request_.trace.all_heads) {
    trace.heads.clear();
    for (std::uint32_t layer = 0; layer < config.layers; ++layer)
      for (std::uint32_t head = 0; head < config.query_heads; ++head) trace.heads.push_back({layer, head});
  }
  if (trace.heads.empty()) return trace;
  // A run of n tokens keeps heads * n^2 / 2 halves: no row longer than the budget can pay for is computed.
  const double affordable = std::sqrt(static_cast<double>(request_.trace.attention_budget_bytes) / static_cast<double>(trace.heads.size()));
  const double wanted = static_cast<double>(prompt_tokens) + request_.max_tokens;
  trace.row_positions = static_cast<std::uint32_t>(std::max(1.0, std::min(affordable, wanted)));
  return trace;
}

Result<RunResult> Generator::run(std::vector<TokenId> prompt, std::span<const PositionRange> always_read) {
  if (prompt.empty() && tokenizer_.bos() >= 0) prompt.push_back(tokenizer_.bos());
  result_.seed = resolve_seed(request_.sampling.seed);
  SamplingOptions sampling = request_.sampling;
  sampling.seed = static_cast<std::int64_t>(result_.seed);
  FOVEA_TRY(decoder_.begin(prompt, sampling, decoder_trace(prompt.size())));
  FOVEA_TRY(decoder_.always_read(always_read));

  for (const TokenId token : prompt) result_.tokens.push_back(text_of(token, true));
  (void)stream_.finish();  // a prompt cut inside a character must not leak into the answer
  result_.prompt_tokens = static_cast<std::uint32_t>(prompt.size());
  const auto prompt_texts = std::make_shared<const std::vector<TokenText>>(result_.tokens);
  const ModelConfig& config = decoder_.config();
  trace_ = std::make_unique<TraceBuilder>(TraceBuilder::Shape{
      .run = request_.id, .layers = config.layers, .query_heads = config.query_heads, .experts = config.experts,
      .experts_used = config.experts_used, .kv_heads = config.kv_heads, .attention = decoder_.sparse_attention(), .heads = decoder_.row_order(),
      .attention_budget_bytes = request_.trace.attention_budget_bytes});
  trace_->set_prompt(prompt_texts);
  result_.timings.recording = !decoder_.row_order().empty() || request_.trace.measure_every > 0;
  result_.timings.prompt_tokens = result_.prompt_tokens;
  if (observer_.tokenized) observer_.tokenized({request_.id, prompt_texts, result_.seed});

  FOVEA_TRY(prefill());
  FOVEA_TRY(tell_tiers(true));
  if (result_.reason == StopReason::length && result_.timings.generated_tokens > 0) FOVEA_TRY(decode());
  FOVEA_TRY(tell_tiers(true));
  result_.trace = trace_->snapshot();
  FOVEA_ASSIGN(result_.attention, decoder_.attention_facts());
  FOVEA_ASSIGN(result_.routing, decoder_.routing_facts());
  const gpu::MemoryUsage usage = device_.memory();
  result_.memory = {usage.weights, usage.kv, usage.compute, usage.other};
  result_.memory_peak = device_.memory_peak();
  return std::move(result_);
}

Result<void> Generator::tell_tiers(bool pages) {
  FOVEA_ASSIGN(std::optional<KvTierFacts> facts, decoder_.tier_facts(pages));
  if (facts) trace_->set_tiers(std::move(*facts));
  return {};
}

Result<void> Generator::prefill() {
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  while (decoder_.position() < result_.prompt_tokens) {
    if (stop_.stop_requested()) {
      result_.reason = StopReason::cancelled;
      return {};
    }
    const std::uint32_t left = result_.prompt_tokens - decoder_.position();
    const StepKind kind = left <= decoder_.batch_limit(StepKind::draw) && request_.max_tokens > 0 ? StepKind::draw : StepKind::fill;
    choose_timing();
    FOVEA_ASSIGN(const Step step, decoder_.submit_prompt(left, kind));
    FOVEA_ASSIGN(const StepRecord record, decoder_.finish(step));
    const Clock::time_point now = Clock::now();
    result_.timings.prompt_ms = milliseconds_between(start, now);
    if (!record.drawn.empty()) result_.timings.first_token_ms = result_.timings.prompt_ms;
    if (const auto end = take(record, true, milliseconds_between(before, now))) result_.reason = *end;
    before = now;
    if (observer_.prefill) observer_.prefill({request_.id, decoder_.position(), result_.prompt_tokens});
    publish(false);
  }
  return {};
}

Result<void> Generator::decode() {
  // Who watches the trace sees every token's own step.
  const DecodeLoop loop{.tokens = request_.max_tokens - result_.timings.generated_tokens,
                        .group = observer_.trace ? 1u : 0u,
                        .stop = stop_,
                        .before_step = [this] { choose_timing(); }};
  FOVEA_ASSIGN(result_.reason, decode_tokens(decoder_, loop, [this](const StepRecord& record, double milliseconds) {
    const std::optional<StopReason> end = take(record, false, milliseconds);
    publish(false);
    return end;
  }));
  return {};
}

std::optional<StopReason> Generator::take(const StepRecord& record, bool prefill, double milliseconds) {
  std::optional<StopReason> end;
  std::uint32_t taken = 0;
  for (const std::int32_t token : record.drawn) {
    if (taken > 0 && stop_.stop_requested()) end = StopReason::cancelled;
    if (end) break;
    if (!take_token(token)) end = StopReason::end_of_text;
    ++taken;
  }
  const std::uint32_t tokens = prefill ? record.tokens : taken;
  // What was drawn past a stop costs time that belongs to no token.
  milliseconds *= static_cast<double>(tokens) / record.tokens;
  if (!prefill) result_.timings.decode_ms += milliseconds;
  const gpu::MemoryUsage usage = device_.memory();
  const std::vector<KernelTime> kernels = kernel_times(record.kernels);
  result_.timings.timing = result_.timings.timing || !kernels.empty();
  trace_->add_step({.first_position = record.first_position, .tokens = tokens, .experts = record.experts,
                    .expert_weights = record.expert_weights, .routing_stride = record.plan_tokens, .rows = record.rows,
                    .rows_capacity = record.rows_capacity, .row_stride = record.row_stride, .pages = record.pages,
                    .milliseconds = static_cast<float>(milliseconds), .prefill = prefill,
                    .kernels = kernels, .memory = {usage.weights, usage.kv, usage.compute, usage.other}});
  (void)tell_tiers(false);  // counts alone cannot fail
  return end;
}

bool Generator::take_token(TokenId token) {
  if (tokenizer_.ends_generation(token)) return false;
  ++result_.timings.generated_tokens;
  TokenText text = text_of(token, false);
  result_.text += text.text;
  trace_->add_token(text);
  if (observer_.tokens) observer_.tokens({request_.id, {text}});
  result_.tokens.push_back(std::move(text));
  return true;
}

void Generator::choose_timing() {
  if (observer_.time_kernels) decoder_.time_kernels(observer_.time_kernels());
}

void Generator::publish(bool now) {
  if (!observer_.trace) return;
  const Clock::time_point time = Clock::now();
  if (!now && time - published_ < kPublishEvery) return;
  published_ = time;
  observer_.trace({request_.id, trace_->snapshot()});
}

}  // namespace fovea
