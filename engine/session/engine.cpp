#include "engine/session/engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "engine/api/throughput.hpp"
#include "engine/decoder/decode_loop.hpp"
#include "engine/decoder/decoder.hpp"
#include "engine/decoder/step_cost.hpp"
#include "engine/session/escort.hpp"
#include "engine/session/expert_precision.hpp"
#include "engine/session/generator.hpp"
#include "engine/session/model_facts.hpp"
#include "engine/text/chat_template.hpp"
#include "engine/trace/page_trace_builder.hpp"

namespace fovea {
namespace {

using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Result<void> check_tokens(std::span<const TokenId> tokens, std::uint32_t vocabulary) {
  for (const TokenId token : tokens)
    if (token < 0 || static_cast<std::uint32_t>(token) >= vocabulary)
      return fail(ErrorCode::usage, fmt::format("the token {}", token), fmt::format("the model knows the ids 0 to {}", vocabulary - 1),
                  "use ids of this model's vocabulary");
  return {};
}

// Whether a policy's semantic router can be this model's: it was chosen for one that was open before.
bool of_shape(const std::optional<ExpertPrior>& prior, const ModelSummary& model) {
  return !prior || (prior->input == model.width && prior->layers == model.layers && prior->experts == model.experts && prior->experts_used == model.experts_used);
}

Error stopped() { return {ErrorCode::cancelled, "the run", "it was stopped", "start it again when wanted"}; }

}  // namespace

struct Engine::State {
  ModelSummary summary;
  ModelConfig config;
  Tokenizer tokenizer;
  ChatFormat chat = ChatFormat::none;
  std::unique_ptr<gpu::Device> device;
  std::unique_ptr<Decoder> decoder;  // after the device, so that it goes first
  std::shared_ptr<const PageTrace> pages;
  std::uint32_t benched = 0;         // leading tokens of the benchmark's that the cache holds
};

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::load(const std::filesystem::path& model, const EngineOptions& options,
                                             const ProgressSink& progress, std::stop_token stop) {
  const Clock::time_point start = Clock::now();
  const auto tell = [&](const char* doing, double fraction) {
    if (progress) progress({doing, fraction});
  };
  tell("Reading the file", 0);
  FOVEA_ASSIGN(const GgufFile file, GgufFile::open(model));
  FOVEA_ASSIGN(ModelConfig config, read_model_config(file));
  FOVEA_ASSIGN(const ModelWeights weights, read_model_weights(file, config));
  FOVEA_ASSIGN(Tokenizer tokenizer, Tokenizer::create(file.gguf()));
  FOVEA_ASSIGN(const std::uint32_t context, choose_context(config, options.context));

  tell("Opening the device", 0.02);
  FOVEA_ASSIGN(std::unique_ptr<gpu::Device> device, gpu::Device::create({.index = options.device}));
  ModelSummary summary = summarize(file, config, context, options.kv, options.activations, options.attention, options.top_share, device->facts(), options.kv_tiers);
  summary.device = summarize(device->facts());
  summary.experts_rule = fitted(options.experts, config.experts_used);
  if (summary.experts_rule && !of_shape(summary.experts_rule->prior, summary)) summary.experts_rule->prior.reset();

  tell("Fitting experts", 0.03);
  FOVEA_ASSIGN(const std::optional<PreciseExperts> precise, chosen_precision(options.expert_budget, weights, config, summary, device->facts(), stop));
  const ModelWeights& kept = precise ? precise->weights : weights;
  if (precise) {
    summary.expert_precision = precise->facts;
    summary.estimate.weights -= precise->facts.stored_bytes - precise->facts.bytes;
    summary.fits.push_back(experts_fit(precise->facts, options.expert_budget.has_value()));
  }
  EscortWeights escort;
  if (options.experts && options.experts->escort) {
    FOVEA_ASSIGN(escort, escort_weights(*options.experts->escort, kept));
  }
  FOVEA_ASSIGN(DeviceWeights uploaded,
               DeviceWeights::upload(*device, config, kept,
                                     [&](double done) { tell("Uploading weights", 0.05 + 0.75 * done); }, stop, escort.layers,
                                     output_eights_bytes(file, config, device->facts(), options.activations) > 0));
  summary.token_bytes = token_bytes(config, uploaded, element_type(summary.kv));
  const std::optional<KvTiers> tiers = summary.kv == KvType::tiered ? std::optional(summary.kv_tiers) : std::nullopt;
  if (tiers) summary.token_bytes->position = position_bytes(config, *tiers);
  tell("Building pipelines", 0.8);
  FOVEA_ASSIGN(std::unique_ptr<Decoder> decoder,
               Decoder::create(*device, options.experts ? with_escort(config, *options.experts) : config, std::move(uploaded),
                               {.context = context, .kv = element_type(summary.kv), .tiers = tiers, .activation_type = options.activations.value_or(suitable_activations(device->facts())),
                                .sparse = summary.attention, .top_share = options.top_share, .experts = summary.experts_rule,
                                .barrier_everywhere = options.barrier_everywhere}));
  FOVEA_TRY(decoder->warm_up());
  FOVEA_TRY(device->release_staging());  // weights need much at a time, nothing later does
  summary.activations = decoder->activation_type();
  summary.token_steps = decoder->decode_steps();
  if (stop.stop_requested()) return tl::unexpected(stopped());
  (void)device->save_pipeline_cache();  // a cache that cannot be written costs time at the next start, nothing else
  tell("Ready", 1);

  auto state = std::unique_ptr<State>(new State{.summary = std::move(summary), .config = std::move(config),
                                                .tokenizer = std::move(tokenizer), .device = std::move(device),
                                                .decoder = std::move(decoder)});
  state->chat = recognise_chat_format(file.gguf().string_value("tokenizer.chat_template").value_or(""));
  std::unique_ptr<Engine> engine(new Engine(std::move(state)));
  engine->state_->summary.measured = engine->memory();
  engine->state_->summary.load_ms = milliseconds_since(start);
  return engine;
}

const ModelSummary& Engine::summary() const { return state_->summary; }
const Tokenizer& Engine::tokenizer() const { return state_->tokenizer; }
std::uint64_t Engine::validation_messages() const { return state_->device->validation_messages(); }

MemoryBytes Engine::memory() const {
  const gpu::MemoryUsage usage = state_->device->memory();
  return {usage.weights, usage.kv, usage.compute, usage.other};
}

Result<void> Engine::choose_attention(const std::optional<SparseAttention>& wanted) {
  ModelSummary& summary = state_->summary;
  const std::optional<SparseAttention> attention = wanted ? std::optional(fitted(*wanted, summary.layers)) : std::nullopt;
  if (attention == summary.attention) return {};
  state_->benched = 0;
  FOVEA_TRY(state_->decoder->choose_attention(attention));
  if (auto warm = state_->decoder->warm_up(); !warm) {
    (void)state_->decoder->choose_attention(summary.attention);
    return warm;
  }
  const auto pages = [&](const std::optional<SparseAttention>& policy) {
    return page_bytes(state_->config, summary.context, policy, state_->device->facts());
  };
  const PageSelection::Bytes before = pages(summary.attention), after = pages(attention);
  const auto follow = [&](MemoryBytes& estimate) {
    estimate.kv += after.bounds - before.bounds;
    estimate.compute += after.scratch - before.scratch;
  };
  follow(summary.estimate);
  for (auto& [kv, estimate] : summary.estimates) follow(estimate);
  summary.attention = attention;
  summary.token_steps = state_->decoder->decode_steps();
  summary.measured = memory();
  return {};
}

Result<void> Engine::choose_experts(const std::optional<ExpertRule>& rule) {
  ModelSummary& summary = state_->summary;
  if (rule == summary.experts_rule) return {};
  state_->benched = 0;
  FOVEA_TRY(state_->decoder->choose_experts(rule));
  if (auto warm = state_->decoder->warm_up(); !warm) {
    (void)state_->decoder->choose_experts(summary.experts_rule);
    return warm;
  }
  summary.experts_rule = rule;
  summary.token_steps = state_->decoder->decode_steps();
  summary.measured = memory();
  return {};
}

namespace {

// Of a chat in its format, where all but the user's own words stand. Tokens that the borders fall into are the template's.
std::vector<PositionRange> template_positions(const Tokenizer& tokenizer, std::string_view chat, std::string_view words, std::size_t tokens) {
  const std::size_t at = chat.rfind(words);
  if (at == std::string_view::npos) return {};
  const auto count = [&](std::string_view text, bool begins) { return static_cast<std::uint32_t>(tokenizer.encode(text, {.add_bos = begins}).size()); };
  const auto all = static_cast<std::uint32_t>(tokens);
  const std::uint32_t before = std::min(count(chat.substr(0, at), true), all), behind = std::min(count(chat.substr(at + words.size()), false), all);
  return {{0, before}, {all - behind, all}};
}

}  // namespace

Result<RunResult> Engine::generate(const Generate& request, const RunObserver& observer, std::stop_token stop) {
  std::string prompt = request.prompt;
  if (request.chat) {
    std::vector<ChatMessage> messages;
    if (!request.system.empty()) messages.push_back({"system", request.system});
    messages.push_back({"user", request.prompt});
    FOVEA_ASSIGN(prompt, format_chat(state_->chat, messages));
  }
  state_->benched = 0;
  Generator generator(*state_->decoder, *state_->device, state_->tokenizer, request, observer, std::move(stop));
  std::vector<TokenId> tokens = state_->tokenizer.encode(prompt);
  std::vector<PositionRange> always_read;
  if (request.chat && state_->summary.attention) always_read = template_positions(state_->tokenizer, prompt, request.prompt, tokens.size());
  return generator.run(std::move(tokens), always_read);
}

Result<void> Engine::logits(std::span<const TokenId> tokens, std::uint32_t first_scored,
                            const std::function<void(std::uint32_t, std::span<const float>)>& sink, std::stop_token stop,
                            std::uint32_t measure_every, bool decoded) {
  FOVEA_TRY(check_tokens(tokens, state_->config.vocabulary));
  Decoder& decoder = *state_->decoder;
  state_->benched = 0;
  FOVEA_TRY(decoder.begin(tokens, {.temperature = 0, .seed = 0}, {.measure_every = measure_every}));
  PageTraceBuilder pages({.policy = decoder.sparse_attention(), .layers = state_->config.layers, .query_heads = state_->config.query_heads,
                          .kv_heads = state_->config.kv_heads});
  std::vector<float> row(decoded ? state_->config.vocabulary : 0);
  while (decoder.position() < tokens.size()) {
    if (stop.stop_requested()) return tl::unexpected(stopped());
    const std::uint32_t at = decoder.position();
    const bool scored = at >= first_scored;
    if (scored && decoded) {
      FOVEA_ASSIGN(const Step step, decoder.submit_given(tokens[at]));
      FOVEA_ASSIGN(const StepRecord record, decoder.finish(step));
      FOVEA_TRY(decoder.logits_of_step(row));
      pages.add(record.pages, record.first_position, record.tokens);
      sink(at, row);
      continue;
    }
    const auto end = scored ? static_cast<std::uint32_t>(tokens.size()) : std::min(first_scored, static_cast<std::uint32_t>(tokens.size()));
    FOVEA_ASSIGN(const Step step, decoder.submit_prompt(end - at, scored ? StepKind::logits : StepKind::fill));
    FOVEA_ASSIGN(const StepRecord record, decoder.finish(step));
    pages.add(record.pages, record.first_position, record.tokens);
    if (!scored) continue;
    for (std::uint32_t t = 0; t < record.tokens; ++t)
      sink(at + t, record.logits.subspan(std::size_t{t} * state_->config.vocabulary, state_->config.vocabulary));
  }
  state_->pages = pages.snapshot();
  return {};
}

Result<void> Engine::early_states(std::span<const TokenId> tokens, std::uint32_t layers, const std::function<void(const EarlyState&)>& sink,
                                  std::stop_token stop) {
  const ModelConfig& config = state_->config;
  FOVEA_TRY(check_tokens(tokens, config.vocabulary));
  if (layers == 0 || layers > config.layers)
    return fail(ErrorCode::usage, "early states", fmt::format("the model has {} layers and those behind {} were asked for", config.layers, layers),
                "name a layer of the model");
  Decoder& decoder = *state_->decoder;
  state_->benched = 0;
  FOVEA_TRY(decoder.begin(tokens, {.temperature = 0, .seed = 0}, {.early_layers = layers}));
  std::vector<float> logits(std::size_t{config.layers} * state_->summary.experts);
  while (decoder.position() < tokens.size()) {
    if (stop.stop_requested()) return tl::unexpected(stopped());
    const std::uint32_t at = decoder.position();
    FOVEA_ASSIGN(const Step step, decoder.submit_prompt(static_cast<std::uint32_t>(tokens.size()) - at, StepKind::fill));
    FOVEA_ASSIGN(const StepRecord record, decoder.finish(step));
    for (std::uint32_t t = 0; t < record.tokens; ++t) {
      if (!record.router_logits.empty())
        for (std::uint32_t layer = 0; layer < config.layers; ++layer)
          std::ranges::copy(record.router_logits.subspan((std::size_t{layer} * record.plan_tokens + t) * record.router_stride, state_->summary.experts),
                            logits.begin() + std::ptrdiff_t{layer} * state_->summary.experts);
      sink({at + t, record.hidden.subspan(std::size_t{t} * record.hidden_stride, config.width), logits});
    }
  }
  return {};
}

std::shared_ptr<const PageTrace> Engine::page_trace() const { return state_->pages; }

Result<std::optional<KvTierFacts>> Engine::tier_facts() const { return state_->decoder->tier_facts(true); }

Result<AttentionFacts> Engine::attention_facts() const { return state_->decoder->attention_facts(); }
Result<RoutingFacts> Engine::routing_facts() const { return state_->decoder->routing_facts(); }
Result<std::vector<float>> Engine::expert_bias() const { return state_->decoder->expert_bias(); }

Result<void> Engine::choose_bias(std::vector<float> bias) {
  FOVEA_TRY(state_->decoder->choose_bias(bias));
  state_->summary.experts_rule->bias = std::move(bias);
  return {};
}

Result<BenchSample> Engine::bench(const BenchTest& test, std::stop_token stop) {
  Decoder& decoder = *state_->decoder;
  if (test.positions() > state_->summary.context)
    return fail(ErrorCode::usage, "the benchmark",
                fmt::format("it needs {} positions and the context has {}", test.positions(), state_->summary.context),
                "load the model with a larger context (-c) or test less");
  // Generation needs a token to begin with: the last of the depth, or one of its own, which then counts as a step.
  const bool own_token = test.generate > 0 && test.depth == 0;
  const std::uint32_t prompt = test.generate > 0 ? std::max(test.depth, 1u) : test.depth + test.prompt;
  std::mt19937 random(42);
  std::vector<TokenId> tokens(prompt);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % state_->config.vocabulary);
  // What was there of the depth stays; generation begins with what its last token draws.
  const std::uint32_t kept = std::min(std::exchange(state_->benched, 0), test.generate > 0 ? std::max(test.depth, 1u) - 1 : test.depth);
  FOVEA_TRY(decoder.begin(tokens, {.temperature = 0, .seed = 0}, {}, decoder.most_kept(kept)));
  // A policy of experts remembers the tokens before, so it needs the depth each time.
  const std::uint32_t kept_next = state_->summary.experts_rule ? 0 : test.depth;

  const auto fill_until = [&](std::uint32_t end, bool draw_last) -> Result<void> {
    while (decoder.position() < end) {
      if (stop.stop_requested()) return tl::unexpected(stopped());
      const std::uint32_t left = end - decoder.position();
      const StepKind kind = draw_last && left <= decoder.batch_limit(StepKind::draw) ? StepKind::draw : StepKind::fill;
      FOVEA_ASSIGN(const Step step, decoder.submit_prompt(left, kind));
      FOVEA_TRY(decoder.finish(step));
    }
    return {};
  };
  BenchSample sample;
  const auto take_facts = [&]() -> Result<void> {
    FOVEA_ASSIGN(sample.attention, decoder.attention_facts());
    FOVEA_ASSIGN(sample.routing, decoder.routing_facts());
    const RoutingWork& routed = test.generate > 0 ? sample.routing.decode : sample.routing.prefill;
    sample.bytes_per_token = bytes_touched(state_->summary, test.depth + (std::max(test.prompt, test.generate) - 1.0) / 2,
                                           sample.attention.decode, routed);
    return {};
  };
  if (test.generate == 0) {
    FOVEA_TRY(fill_until(test.depth, false));
    const Clock::time_point start = Clock::now();
    FOVEA_TRY(fill_until(prompt, true));
    sample.milliseconds = milliseconds_since(start);
    FOVEA_TRY(take_facts());
    state_->benched = kept_next;
    return sample;
  }
  if (!own_token) FOVEA_TRY(fill_until(prompt, true));
  const Clock::time_point start = Clock::now();
  if (own_token) FOVEA_TRY(fill_until(prompt, true));
  const DecodeLoop loop{.tokens = test.generate - (own_token ? 1 : 0), .stop = stop};
  const auto ignore = [](const StepRecord&, double) { return std::nullopt; };
  FOVEA_ASSIGN(const StopReason reason, decode_tokens(decoder, loop, ignore));
  if (reason == StopReason::cancelled) return tl::unexpected(stopped());
  sample.milliseconds = milliseconds_since(start);
  FOVEA_TRY(take_facts());
  state_->benched = kept_next;
  return sample;
}

Result<std::vector<KernelTime>> Engine::profile_decode(std::uint32_t depth) {
  FOVEA_TRY(bench({.generate = 1, .depth = depth}));
  FOVEA_ASSIGN(const std::vector<gpu::TagTime> tags, state_->decoder->profile(1));
  return kernel_times(tags);
}

Result<std::vector<KernelTime>> Engine::profile_prefill(std::uint32_t prompt, std::uint32_t depth) {
  FOVEA_TRY(bench({.prompt = prompt, .depth = depth}));
  FOVEA_ASSIGN(const std::vector<gpu::TagTime> tags, state_->decoder->profile(std::max(prompt, 2u)));
  return kernel_times(tags);
}

}  // namespace fovea
