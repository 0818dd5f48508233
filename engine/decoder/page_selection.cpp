#include "engine/decoder/page_selection.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "engine/tensor/kv_row.hpp"

namespace fovea {
namespace {

static_assert(kAttentionPage == shader::kPageKeys && kChoiceRows == shader::kTileRows && kChoiceSamples == shader::kSampledRows);

std::uint32_t pages_of(std::uint32_t positions) { return (positions + shader::kPageKeys - 1) / shader::kPageKeys; }

std::uint32_t millionths(double share) { return static_cast<std::uint32_t>(std::llround(share * 1e6)); }

std::uint32_t device_scorer(PageScorer scorer) {
  return scorer == PageScorer::quest ? shader::kScorerQuest : scorer == PageScorer::mean ? shader::kScorerMean : shader::kScorerAutomatic;
}

PageRule device_rule(const SparseAttention& sparse) {
  const bool adaptive = sparse.budget == PageBudget::adaptive;
  return {.window = sparse.window, .sink_pages = pages_of(sparse.sinks), .dense_below = sparse.dense_below,
          .global = millionths(adaptive ? sparse.most : sparse.global), .least = millionths(sparse.least),
          .mass = adaptive ? std::max(1u, static_cast<std::uint32_t>(sparse.mass * (1u << 30))) : 0,
          .scorer = device_scorer(sparse.scorer)};
}

// What a choice costs on a GPU however few pages there are, its saving outweighs from about as many bytes of a layer's keys and values
// on: where each layer waits for its own some 10 us a layer, of all layers ahead of a token little (docs/performance.md).
constexpr std::uint64_t kOwnPaysFrom = 32ull << 20, kAheadPaysFrom = 8ull << 20;
std::uint32_t keys_for_a_choice(const gpu::DeviceFacts& facts, const ModelConfig& config, DType kv, const SparseAttention& sparse) {
  if (sparse.decode_dense_below) return std::max(*sparse.decode_dense_below, sparse.dense_below);
  if (facts.cpu) return sparse.dense_below;
  const std::uint64_t key = 2 * config.kv_heads * kv_row_bytes(kv, config.head_width);
  return std::max(static_cast<std::uint32_t>((sparse.chooser == PageChooser::ahead ? kAheadPaysFrom : kOwnPaysFrom) / key), sparse.dense_below);
}

// Layers that choose ahead; 0: each chooses for itself.
std::uint32_t layers_ahead(const ModelConfig& config, const SparseAttention& sparse) {
  return sparse.chooser == PageChooser::ahead ? config.layers - std::min(config.layers, sparse.dense_layers) : 0;
}

std::uint32_t narrowest(const SparseAttention& sparse, std::uint32_t layers) {
  std::uint32_t rows = kChoiceRows;
  for (std::uint32_t layer = sparse.dense_layers; layer < layers; ++layer) rows = std::min(rows, sparse.rows_of(layer));
  return rows;
}

struct Choices {
  PageChoiceBuffers of_token, of_prompt, of_layers;
  std::uint64_t bytes = 0;
};
Choices lay_out(const ModelConfig& config, const SparseAttention& sparse, std::uint32_t pages, std::uint32_t batch, std::uint64_t base) {
  Choices choices;
  std::uint64_t at = base;
  at += choices.of_token.lay_out(at, config.query_heads, config.kv_heads, pages, 1);
  at += choices.of_prompt.lay_out(at, config.query_heads, config.kv_heads, pages, std::max(batch, 2u), narrowest(sparse, config.layers));
  if (const std::uint32_t layers = layers_ahead(config, sparse); layers > 0)
    at += choices.of_layers.lay_out(at, layers * config.query_heads, layers * config.kv_heads, pages, 1);
  choices.bytes = at - base;
  return choices;
}

std::uint64_t values_bytes(const ModelConfig& config, std::uint32_t context, const SparseAttention& rule) {
  return rule.periphery == PagePeriphery::means ? page_values_bytes(config.kv_heads, config.head_width, pages_of(context)) : 0;
}
std::uint64_t sums_bytes(const ModelConfig& config, std::uint32_t batch, const SparseAttention& rule) {
  return rule.periphery == PagePeriphery::means ? std::uint64_t{std::max(batch, 2u)} * config.query_heads * shader::kRowSums * sizeof(float) : 0;
}

std::uint64_t layer_query_bytes(const ModelConfig& config) { return std::uint64_t{config.query_heads} * config.head_width * sizeof(float); }
std::uint64_t kept_query_bytes(const ModelConfig& config, const SparseAttention& sparse) { return layers_ahead(config, sparse) * layer_query_bytes(config); }

}  // namespace

PageSelection::Bytes PageSelection::bytes(const ModelConfig& config, std::uint32_t context, std::uint32_t batch, const SparseAttention& rule) {
  const std::uint64_t of_layer = page_bounds_bytes(config.kv_heads, config.head_width, pages_of(context), device_scorer(rule.scorer)) + values_bytes(config, context, rule);
  return {.bounds = (config.layers - std::min(config.layers, rule.dense_layers)) * of_layer,
          .scratch = lay_out(config, rule, pages_of(context), batch, 0).bytes + kept_query_bytes(config, rule) + sums_bytes(config, batch, rule)};
}

Result<PageSelection> PageSelection::create(gpu::Device& device, const ModelConfig& config, std::uint32_t context, std::uint32_t batch,
                                            DType kv, const SparseAttention& rule) {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  if (rule.window == 0 || !share(rule.global) || !share(rule.mass) || !share(rule.least) || !share(rule.most) || rule.least > rule.most ||
      !share(rule.flat) || !share(rule.widen) || !std::ranges::all_of(rule.layer_shares, share) || (rule.target && !(share(*rule.target) && rule.mass > 0 && rule.mass < 1)))
    return fail(ErrorCode::usage, "sparse attention", "a window of 0 or a share outside of 0 to 1 was asked for", "correct the policy");
  const auto power_up_to = [](std::uint32_t most) { return [=](std::uint32_t n) { return n <= most && std::has_single_bit(n); }; };
  if (!std::ranges::all_of(rule.layer_rows, power_up_to(kChoiceRows)) || !std::ranges::all_of(rule.layer_samples, power_up_to(kChoiceSamples)) || !power_up_to(kAttentionPage)(rule.every.value_or(1)))
    return fail(ErrorCode::usage, "sparse attention", "a choice was asked for of a number of queries that none is made for", "correct the policy");
  if (const std::size_t named = std::max({rule.layer_shares.size(), rule.layer_rows.size(), rule.layer_samples.size()}); named > config.layers)
    return fail(ErrorCode::usage, "sparse attention", "the policy has numbers for " + std::to_string(named) + " layers and the model has " + std::to_string(config.layers),
                "leave out those behind the last layer");
  if (rule.periphery == PagePeriphery::means && rule.scorer == PageScorer::quest)
    return fail(ErrorCode::usage, "sparse attention", "a periphery of means weighs pages by what they are thought to hold, and quest tells the most that they could",
                "choose scorer=auto or scorer=mean");
  if (pages_of(context) > 0xFFFF)  // counted in 16 bits
    return fail(ErrorCode::unsupported, "sparse attention", "a context of " + std::to_string(context) + " has more than 65535 pages",
                "use a smaller context (-c)");
  PageSelection selection(device, config, rule);
  selection.rule_ = device_rule(rule);
  selection.of_token_rule_ = selection.rule_;
  selection.of_token_rule_.dense_below = keys_for_a_choice(device.facts(), config, kv, rule);
  selection.pages_ = pages_of(context);
  const Bytes bytes = PageSelection::bytes(config, context, batch, rule);
  selection.layer_bounds_ = page_bounds_bytes(config.kv_heads, config.head_width, selection.pages_, selection.rule_.scorer);
  using gpu::MemoryUse;
  selection.layer_values_ = values_bytes(config, context, rule);
  const std::uint64_t values = selection.layer_values_ * (config.layers - std::min(config.layers, rule.dense_layers)), sums = sums_bytes(config, batch, rule);
  FOVEA_ASSIGN(selection.bounds_, device.create_buffer(std::max<std::uint64_t>(bytes.bounds - values, 256), MemoryUse::kv));
  if (values > 0) {
    FOVEA_ASSIGN(selection.values_, device.create_buffer(values, MemoryUse::kv));
    FOVEA_ASSIGN(selection.sums_, device.create_buffer(sums, MemoryUse::compute));
  }
  const std::uint64_t kept = kept_query_bytes(config, rule);
  if (kept > 0) {
    FOVEA_ASSIGN(selection.kept_queries_, device.create_buffer(kept, MemoryUse::compute));
    selection.layer_queries_ = layer_query_bytes(config);
  }
  FOVEA_ASSIGN(selection.scratch_, device.create_buffer(bytes.scratch - kept - sums, MemoryUse::compute));
  FOVEA_ASSIGN(selection.facts_, device.create_buffer(std::uint64_t{2} * config.layers * config.kv_heads * shader::kFactWords * sizeof(std::uint32_t),
                                                      MemoryUse::compute));
  const Choices choices = lay_out(config, rule, selection.pages_, batch, selection.scratch_.address());
  selection.of_token_ = choices.of_token;
  selection.of_prompt_ = choices.of_prompt;
  selection.of_layers_ = choices.of_layers;
  return selection;
}

Result<void> PageSelection::record_bounds(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer) const {
  return record_page_bounds(kernels, {.shape = shape, .bounds = bounds_at(layer), .values = values_at(layer), .pages = pages_, .scorer = rule_.scorer});
}

Result<void> PageSelection::record_bounds_of_token(KernelRecorder& kernels, AttentionShape shape, const KvCache& cache) const {
  if (sparse_.dense_layers >= layers_) return {};
  const std::uint32_t first = sparse_.dense_layers;
  shape.layer_offset = cache.layer_offset(first);
  return record_page_bounds(kernels, {.shape = shape, .bounds = bounds_at(first), .values = values_at(first), .pages = pages_, .layers = layers_ - first,
                                      .layer_stride = cache.layer_offset(1), .scorer = rule_.scorer});
}

Result<void> PageSelection::record_choice(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, std::uint64_t query,
                                          const RopeStoreArgs* rope) const {
  PageRule rule = shape.tokens == 1 ? of_token_rule_ : rule_;
  rule.samples = sparse_.samples_of(layer);
  return record_page_choice(kernels, {.shape = shape, .rule = rule, .buffers = *lists(shape.tokens, layer, false).buffers, .query = query, .rope = rope,
                                      .bounds = bounds_at(layer), .facts = facts_at(shape.tokens, layer),
                                      .pages = pages_});
}

Result<void> PageSelection::record_periphery(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, bool ahead, std::uint64_t query,
                                             std::uint64_t y, std::uint32_t y_stride) const {
  const Lists read = lists(shape.tokens, layer, ahead);
  return record_page_periphery(kernels, {.shape = shape, .buffers = *read.buffers, .first_slot = read.first_slot, .query = query, .bounds = bounds_at(layer),
                                         .values = values_at(layer), .sums = row_sums(), .y = y, .y_stride = y_stride, .pages = pages_, .scorer = rule_.scorer});
}

Result<void> PageSelection::record_guide(KernelRecorder& kernels, std::uint64_t state, bool ahead) const {
  if ((!sparse_.target && !sparse_.heads_by_entropy) || sparse_.dense_layers >= layers_) return {};
  return record_page_guide(kernels, {.facts = facts_at(2, sparse_.dense_layers), .decode_facts = facts_at(1, sparse_.dense_layers), .state = state,
                                     .kv_heads = kv_heads_, .layers = layers_ - sparse_.dense_layers,
                                     .target = sparse_.target ? millionths(*sparse_.target) : 0, .by_entropy = sparse_.heads_by_entropy,
                                     .mass = static_cast<float>(sparse_.mass), .every = ahead ? every() : 0});
}

Result<void> PageSelection::record_choice_ahead(KernelRecorder& kernels, const AttentionShape& shape, PageChoiceArgs::Part part) const {
  const std::uint32_t first = sparse_.dense_layers;
  return record_page_choice(kernels, {.shape = shape, .rule = of_token_rule_, .buffers = of_layers_, .query = kept_query(first), .bounds = bounds_at(first),
                                      .facts = facts_at(1, first), .pages = pages_, .layers = layers_ - first, .part = part, .apart = true, .every = every()});
}

std::uint32_t PageSelection::narrowest_tile() const { return narrowest(sparse_, layers_); }

std::uint64_t PageSelection::facts_at(std::uint32_t tokens, std::uint32_t layer) const {
  const std::uint64_t row = (tokens == 1 ? layers_ : 0) + layer;
  return facts_.address() + row * kv_heads_ * shader::kFactWords * sizeof(std::uint32_t);
}

Result<AttentionFacts> PageSelection::facts() const {
  std::vector<std::uint32_t> words(facts_.bytes() / sizeof(std::uint32_t));
  FOVEA_TRY(device_->download(facts_, 0, std::as_writable_bytes(std::span(words))));
  return facts_of(words);
}

AttentionFacts PageSelection::facts_of(std::span<const std::uint32_t> words) const {
  AttentionFacts facts;
  std::size_t at = 0;
  for (AttentionWork* work : {&facts.prefill, &facts.decode})
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      PageChoices& sum = work->layers.emplace_back();
      for (std::uint32_t head = 0; head < kv_heads_; ++head, at += shader::kFactWords) {
        const auto fact = [&](std::uint32_t n) { return words[at + n] + std::uint64_t{words[at + n + 1]} * shader::kFactSplit; };
        sum.choices += fact(shader::kFactChoices);
        sum.whole += fact(shader::kFactWhole);
        sum.skipped += fact(shader::kFactSkipped);
        sum.scored += fact(shader::kFactScored);
        sum.remote += fact(shader::kFactRemote);
        sum.chosen += fact(shader::kFactChosen);
        sum.mass += static_cast<double>(fact(shader::kFactMass)) / (1u << 20);
        sum.entropy += static_cast<double>(fact(shader::kFactEntropy)) / (1u << 20);
      }
    }
  return facts;
}

Result<void> PageSelection::reset_facts() const {
  std::vector<std::uint32_t> words(facts_.bytes() / sizeof(std::uint32_t));
  for (std::size_t row = 0; sparse_.widen > 0 && row < words.size(); row += shader::kFactWords) {
    words[row + shader::kGuideFlat] = static_cast<std::uint32_t>(sparse_.flat * (1u << 20));
    words[row + shader::kGuideWide] = millionths(sparse_.widen);
  }
  const std::size_t rows = std::size_t{layers_} * kv_heads_;
  for (std::size_t row = 0; row < 2 * rows; ++row)  // of prompts, then of decoding
    if (const std::size_t layer = row % rows / kv_heads_; layer < sparse_.layer_shares.size())
      words[row * shader::kFactWords + shader::kGuideShare] = millionths(sparse_.layer_shares[layer]) + 1;
  return device_->upload(facts_, 0, std::as_bytes(std::span(words)));
}

}  // namespace fovea
