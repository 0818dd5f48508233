#include "tests/ui/synthetic_run.hpp"

#include <QCoreApplication>
#include <QElapsedTimer>
#include <QThread>
#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "ui/heatmap/color_scale.hpp"

namespace fovea::synthetic {

namespace {

const std::vector<std::string>& words(bool chinese) {
  static const std::vector<std::string> english{
      "Once",   " upon", " a",      " time", ",",    " there", " was", " a", " little", " girl",
      " named", " Lily", ".",       " She",  " liv", "ed",     " in",  " a", " small",  " house",
      " near",  " the",  " forest", ".",     "\n",   "One",    " day", ",",  " she",    " found"};
  static const std::vector<std::string> han{"从前", "，", "有", "一个", "小",     "女孩", "，", "名叫",
                                            "莉莉", "。", "她", "住在", "森林",   "旁边", "的", "小",
                                            "房子", "里", "。", "\n",   "有一天", "，",   "她", "看见"};
  return chinese ? han : english;
}

// Sinks, a local window and a few distant keys, sharper in some heads than in others.
std::vector<float> attention_row(std::uint32_t query, HeadId head, std::uint32_t seed) {
  std::mt19937 random(seed * 7919 + query * 131 + head.layer * 17 + head.head);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<float> row(query + 1);
  const float locality = 0.05f + 0.12f * static_cast<float>((head.head * 3 + head.layer) % 7);
  const float sink = 3.f * static_cast<float>((head.head + head.layer * 2) % 5) / 4.f;
  float sum = 0;
  for (std::uint32_t key = 0; key <= query; ++key) {
    float score = -locality * static_cast<float>(query - key) + 1.5f * uniform(random);
    if (key == 0) score += sink;
    if ((key * 7 + head.head) % 13 == 0) score += 1.4f;
    sum += row[key] = std::exp(score * 1.6f);
  }
  for (float& weight : row) weight /= sum;
  return row;
}

HeadTrace head_trace(HeadId id, std::uint32_t count, std::uint32_t seed) {
  HeadTrace trace{id, {}};
  constexpr std::uint32_t kChunk = 32;
  for (std::uint32_t first = 0; first < count; first += kChunk) {
    auto chunk = std::make_shared<AttentionChunk>();
    chunk->first_query = first;
    chunk->rows = std::min(kChunk, count - first);
    for (std::uint32_t query = first; query < first + chunk->rows; ++query)
      for (const float weight : attention_row(query, id, seed)) chunk->weights.push_back(half_of_weight(weight));
    trace.chunks.push_back(std::move(chunk));
  }
  return trace;
}

RoutingTrace routing(const Shape& shape, std::uint32_t count) {
  RoutingTrace trace;
  trace.layers = shape.layers;
  trace.experts = shape.experts;
  trace.slots = shape.experts > 0 ? shape.slots : 0;
  if (shape.experts == 0) return trace;
  auto chunk = std::make_shared<RoutingChunk>();
  *chunk = {0, count, shape.layers, shape.slots, {}, {}};
  for (std::uint32_t token = 0; token < count; ++token)
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      std::mt19937 random(shape.seed + token * 31 + layer * 1009);
      std::vector<std::uint16_t> experts(shape.experts);
      for (std::uint32_t i = 0; i < shape.experts; ++i) experts[i] = static_cast<std::uint16_t>(i);
      std::shuffle(experts.begin(), experts.end(), random);
      // A few favourites, so that use is uneven.
      if (random() % 4 == 0)
        std::iter_swap(experts.begin(),
                       std::find(experts.begin(), experts.end(), (layer * 3 + token / 16) % shape.experts));
      const std::uint32_t used = shape.dynamic ? 1 + (token + layer) % shape.slots : shape.slots;
      for (std::uint32_t slot = 0; slot < shape.slots; ++slot) {
        chunk->experts.push_back(slot < used ? experts[slot] : kUnusedSlot);
        chunk->weights.push_back(slot < used ? 0.5f / static_cast<float>(1u << slot) : 0);
      }
    }
  trace.chunks.push_back(std::move(chunk));
  return trace;
}

// The kernels of a step in the order in which it runs them, with shares as a small model has them.
std::shared_ptr<const KernelTimes> kernels(const Shape& shape, std::uint32_t steps, std::uint32_t tokens,
                                           double microseconds) {
  const std::uint32_t layers = shape.layers * steps;
  KernelTimes times;
  times.kernels = {{"embed", 0.004, steps},      {"norm", 0.031, 2 * layers + steps},
                   {"qkv", 0.162, layers},       {"rope+kv", 0.013, layers},
                   {"attention", 0.094, layers}, {"attention output", 0.101, layers},
                   {"gate+up", 0.288, layers},   {"down", 0.156, layers},
                   {"output", 0.121, steps},     {"sample", 0.018, steps}};
  if (shape.experts > 0) times.kernels.insert(times.kernels.begin() + 6, {"router", 0.009, layers});
  for (KernelTime& time : times.kernels) time.microseconds *= microseconds * steps;
  times.steps = steps;
  times.tokens = tokens;
  return std::make_shared<const KernelTimes>(std::move(times));
}

// Choices of every query for itself: one remote page of every three, and what they leave out of every second row.
std::shared_ptr<const PageTrace> pages(const Shape& shape, std::uint32_t count) {
  constexpr std::uint32_t kKvHeads = 2;
  auto trace = std::make_shared<PageTrace>();
  trace->policy = sparse_policy();
  trace->layers = shape.layers;
  trace->query_heads = shape.heads;
  trace->kv_heads = kKvHeads;
  trace->every = 2;
  PageChoiceChunk chunk{.first_query = 0, .queries = count, .tile_rows = 1, .decoded = true, .words = 2};
  for (std::uint32_t query = 0; query < count; ++query)
    for (std::uint32_t layer = trace->policy->dense_layers; layer < shape.layers; ++layer)
      for (std::uint32_t kv = 0; kv < kKvHeads; ++kv) {
        const RemotePages remote = remote_pages(*trace->policy, query);
        std::uint32_t bits = (2u << (query / kAttentionPage)) - 1;
        for (std::uint32_t page = remote.first; page < remote.end; ++page)
          if ((page + layer + kv + query / 48) % 3 != 0) bits &= ~(1u << page);
        chunk.choices.push_back(std::bit_cast<std::uint32_t>(0.93f));
        chunk.choices.push_back(bits);
      }
  trace->choices = {std::make_shared<const PageChoiceChunk>(std::move(chunk))};
  const std::uint32_t group = shape.heads / kKvHeads;
  for (std::uint32_t query = 1; query < count; query += 2) {
    MeasuredRow row{.query = query};
    row.heads.resize(std::size_t{shape.layers} * shape.heads);
    const std::uint32_t width = query / kAttentionPage + 1;
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      for (std::uint32_t kv = 0; kv < kKvHeads; ++kv) {
        std::vector<PageShare> shares(std::size_t{group} * width);
        for (std::uint32_t g = 0; g < group; ++g) {
          const std::vector<float> weights = attention_row(query, {layer, kv * group + g}, shape.seed);
          for (std::uint32_t key = 0; key <= query; ++key) {
            PageShare& share = shares[g * width + key / kAttentionPage];
            share.mass += weights[key];
            share.log_mass += weights[key] > 0 ? weights[key] * std::log(weights[key]) : 0;
          }
        }
        const ChosenPages choice = *trace->choice(layer, kv, query);
        row.whole.push_back(choice.pages_read(query) == width ? 1 : 0);
        measure_row(shares, width, query, choice, std::span(row.heads).subspan(std::size_t{layer} * shape.heads + kv * group, group));
      }
    trace->rows.push_back(std::make_shared<const MeasuredRow>(std::move(row)));
  }
  AttentionWork& work = trace->facts.prefill;
  work.causal_pairs = 0.5 * count * (count + 1);
  work.layers.assign(shape.layers, {.choices = 40, .whole = 8, .skipped = count * count / 160, .scored = count * 4});
  return trace;
}

MemoryBytes memory_at(std::uint32_t tokens) {
  return {67'000'000, 4'000'000 + std::uint64_t{(tokens + 31) / 32} * 1'500'000, 9'500'000, 2'100'000};
}

}  // namespace

ExpertRule dynamic_rule() { return {.p = 0.8, .target_k = 2.5, .balance = ExpertBalance::headroom}; }
SparseAttention sparse_policy() { return {.window = 64, .global = 0.3, .sinks = 32, .dense_layers = 1, .dense_below = 0}; }

std::shared_ptr<const ModelSummary> model(const Shape& shape) {
  auto summary = std::make_shared<ModelSummary>();
  ModelSummary& m = *summary;
  m.path = "/models/made-up-moe-64m.Q8_0.gguf";
  m.name = "made-up-moe-64m";
  m.architecture = shape.experts > 0 ? "qwen3moe" : "llama";
  m.quantization = "Q8_0";
  m.file_bytes = 68'400'000;
  m.parameters = 63'900'000;
  m.active_parameters = 24'100'000;
  m.layers = shape.layers;
  m.width = 384;
  m.query_heads = shape.heads;
  m.kv_heads = 2;
  m.head_width = 64;
  m.experts = shape.experts;
  m.experts_used = shape.experts > 0 ? shape.slots : 0;
  m.vocabulary = 16384;
  m.trained_context = m.context = 16384;
  m.chat = false;
  if (shape.eight_bits) {
    m.kv = KvType::q8_0;
    m.activations = ActivationType::q8_0;
  }
  if (shape.sparse) m.attention = sparse_policy();
  if (shape.dynamic) m.experts_rule = dynamic_rule();
  m.estimate = {67'000'000, 51'000'000, 9'000'000, 2'000'000};
  m.estimates = {{KvType::f16, m.estimate}, {KvType::q8_0, {67'000'000, 27'000'000, 9'000'000, 2'000'000}}, {KvType::tiered, {67'000'000, 21'000'000, 9'000'000, 2'000'000}}};
  m.measured = memory_at(0);
  m.fits = {{"kv", shape.eight_bits ? "q8_0" : "f16", "as f16 a run of the whole context fits into the %1 GiB that may be taken of the device's memory: weights %2, keys and values %3, all %4 GiB (derived)",
             {"14.4", "0.1", "0.0", "0.1"}, "--kv", shape.eight_bits},
            {"activations", shape.eight_bits ? "q8_0" : "f32", "a CPU driver multiplies floats as fast as it reads weights", {}, "--activations", shape.eight_bits},
            {"steps", "apart", "on a CPU driver a dispatch is cheaper than work that every workgroup does again", {}, "", false}};
  m.device = {0,
              "llvmpipe (LLVM 19.1.7, 256 bits)",
              "cpu",
              "Mesa 25.0.7",
              "1.4.305",
              16ull << 30,
              8,
              false,
              true,
              true,
              "chosen: the only device",
              true};
  m.token_bytes = TokenBytes{24'600'000, 3'072, std::vector<std::uint64_t>(shape.experts > 0 ? shape.layers : 0, 300'000)};
  m.load_ms = 312;
  m.metadata = {{"general.architecture", m.architecture},
                {"general.name", m.name},
                {"qwen3moe.context_length", "16384"},
                {"tokenizer.ggml.tokens", "[16384 strings: \"<unk>\", \"<s>\", …]"}};
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    m.tensors.push_back({block + "attn_q.weight", "Q8_0", {384, 512, 1, 1}, 2, 208'896});
    m.tensors.push_back({block + "ffn_gate_exps.weight", "Q8_0", {384, 256, 16, 1}, 3, 1'671'168});
    m.tensors.push_back({block + "attn_norm.weight", "F32", {384, 1, 1, 1}, 1, 1'536});
  }
  return summary;
}

std::vector<TokenText> tokens(const Shape& shape) {
  std::vector<TokenText> result;
  const auto& source = words(shape.chinese);
  for (std::uint32_t i = 0; i < shape.prompt + shape.generated; ++i) {
    const std::string& word = source[i % source.size()];
    result.push_back({static_cast<std::int32_t>(100 + i % source.size()), word, word, i < shape.prompt});
  }
  return result;
}

std::shared_ptr<const TraceSnapshot> trace(const Shape& shape, const Generate& request, std::uint32_t count) {
  auto snapshot = std::make_shared<TraceSnapshot>();
  snapshot->run = request.id;
  snapshot->layers = shape.layers;
  snapshot->query_heads = shape.heads;
  snapshot->tokens = std::make_shared<const std::vector<TokenText>>(tokens(shape));
  snapshot->prompt_tokens = shape.prompt;
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
    for (std::uint32_t head = 0; head < shape.heads; ++head) {
      const HeadId id{layer, head};
      const auto& wanted = request.trace.heads;
      if (request.trace.all_heads || std::find(wanted.begin(), wanted.end(), id) != wanted.end())
        snapshot->heads.push_back(head_trace(id, count, shape.seed));
    }
  if (shape.sparse && request.trace.measure_every > 0) snapshot->pages = pages(shape, count);
  snapshot->routing = routing(shape, count);
  const bool recording = request.trace.records_attention(), timed = shape.timed;
  snapshot->memory.push_back({shape.prompt, memory_at(shape.prompt)});
  snapshot->steps.push_back({0, shape.prompt, 21.5f, true, recording, timed});
  for (std::uint32_t token = shape.prompt + 1; token <= count; ++token) {
    snapshot->memory.push_back({token, memory_at(token)});
    snapshot->steps.push_back({token - 1, 1, 16.2f, false, recording, timed});
  }
  if (timed) {
    snapshot->prefill_kernels = kernels(shape, 1, shape.prompt, 19'000);
    if (count > shape.prompt)
      snapshot->decode_kernels = kernels(shape, count - shape.prompt, count - shape.prompt, 15'400);
  }
  return snapshot;
}

Event loaded(const Shape& shape) { return ModelLoaded{model(shape)}; }

std::vector<Event> run(const Shape& shape, const Generate& request, std::uint32_t stride) {
  const auto all = tokens(shape);
  const auto middle = all.begin() + shape.prompt;
  std::vector<Event> events{
      PromptTokenized{request.id, std::make_shared<const std::vector<TokenText>>(all.begin(), middle), 12345},
      PrefillProgress{request.id, shape.prompt, shape.prompt}};
  for (std::uint32_t made = 0; made < shape.generated; ++made) {
    events.push_back(TokensGenerated{request.id, {all[shape.prompt + made]}});
    if (made % stride == stride - 1)
      events.push_back(TraceAdvanced{request.id, trace(shape, request, shape.prompt + made)});
  }
  RunTimings timings{21.5,         16.2 * shape.generated, 38.2,
                     shape.prompt, shape.generated,        request.trace.records_attention(),
                     shape.timed};
  events.push_back(
      RunFinished{request.id, StopReason::length, timings, trace(shape, request, shape.prompt + shape.generated)});
  return events;
}

Generate all_heads(RequestId id) {
  Generate request;
  request.id = id;
  request.prompt = "Once upon a time";
  request.trace.all_heads = true;
  return request;
}

Generate play(WorkbenchState& state, const Shape& shape, Generate request) {
  state.take({loaded(shape)});
  state.begin_run(request);
  state.take(run(shape, request, 64));
  return request;
}

bool wait_until(const std::function<bool()>& done, int limit_ms) {
  QElapsedTimer timer;
  timer.start();
  while (!done()) {
    if (timer.elapsed() > limit_ms) return false;
    QCoreApplication::processEvents(QEventLoop::AllEvents, 20);
    QThread::msleep(1);
  }
  return true;
}

}  // namespace fovea::synthetic
