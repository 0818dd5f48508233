#include "engine/reference/decoder.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "engine/reference/attention.hpp"
#include "engine/reference/embed.hpp"
#include "engine/reference/expert_ffn.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/parallel.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/reference/rope.hpp"

namespace fovea::reference {
namespace {

std::vector<float> norm_weights(const WeightView& view) {
  std::vector<float> weights(view.columns);
  decode_row(view, 0, 0, weights);
  return weights;
}

std::vector<float> normed(std::span<const float> x, const WeightView& weight, float epsilon) {
  std::vector<float> out(x.size());
  rms_norm(x, norm_weights(weight), epsilon, out);
  return out;
}

void add_to(std::span<float> x, std::span<const float> y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

}  // namespace

SparseRule ReferenceOptions::rule_of(std::size_t layer) const {
  SparseRule rule = *sparse;
  if (layer >= layer_shares.size()) return rule;
  rule.budget = PageBudget::strict;
  rule.global = layer_shares[layer];
  return rule;
}

ReferenceDecoder::ReferenceDecoder(ModelConfig config, ModelWeights weights, ReferenceOptions options)
    : config_(std::move(config)), weights_(std::move(weights)), options_(std::move(options)), cache_(config_.layers) {
  reset();
}

Result<ReferenceDecoder> ReferenceDecoder::create(const GgufFile& file, ReferenceOptions options) {
  FOVEA_ASSIGN(ModelConfig config, read_model_config(file));
  FOVEA_ASSIGN(ModelWeights weights, read_model_weights(file, config));
  if (options.context == 0) options.context = config.context;
  return ReferenceDecoder(std::move(config), std::move(weights), std::move(options));
}

void ReferenceDecoder::reset() {
  position_ = 0;
  for (LayerCache& layer : cache_) {
    layer.keys.clear();
    layer.values.clear();
    layer.last_query.clear();
  }
  routers_.clear();
  if (options_.experts)
    routers_.assign(config_.layers, ExpertRouter(config_.experts, config_.experts_used, config_.normalize_expert_weights, *options_.experts));
}

Result<std::vector<float>> ReferenceDecoder::logits(std::span<const std::int32_t> tokens, ReferenceCapture* capture) {
  reset();
  return extend(tokens, capture);
}

Result<std::vector<float>> ReferenceDecoder::extend(std::span<const std::int32_t> tokens, ReferenceCapture* capture) {
  if (tokens.empty()) return fail(ErrorCode::usage, "reference decoder", "there are no tokens", "give at least one");
  if (tokens.size() > options_.context - std::min<std::size_t>(position_, options_.context))
    return fail(ErrorCode::usage, "reference decoder",
                "the tokens do not fit into the context of " + std::to_string(options_.context),
                "use a larger context");
  for (const std::int32_t token : tokens)
    if (token < 0 || static_cast<std::uint32_t>(token) >= config_.vocabulary)
      return fail(ErrorCode::usage, "reference decoder", "there is no token " + std::to_string(token),
                  "use ids from 0 to " + std::to_string(config_.vocabulary - 1));
  if (capture) {
    capture->tokens = tokens.size();
    capture->first = position_;
    capture->attention_rows.clear();
    capture->routings.clear();
  }

  std::vector<float> x(tokens.size() * config_.width);
  embed(weights_.token_embedding, tokens, x);
  for (std::size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    attend(layer, x, capture);
    feed_forward(layer, x, capture);
    if (capture && capture->early_layers == layer + 1) capture->hidden.assign(x.begin(), x.end());
  }
  position_ += tokens.size();
  const std::vector<float> last = normed(x, weights_.output_norm, config_.norm_epsilon);
  std::vector<float> logits(tokens.size() * config_.vocabulary);
  matvec(weights_.output, last, logits);
  return logits;
}

void ReferenceDecoder::attend(std::size_t layer, std::span<float> x, ReferenceCapture* capture) {
  const ModelConfig& c = config_;
  const LayerWeights& w = weights_.layers[layer];
  const std::size_t tokens = x.size() / c.width, head = c.head_width;
  const std::size_t query_width = c.query_heads * head, kv_width = c.kv_heads * head;

  const std::vector<float> h = normed(x, w.attention_norm, c.norm_epsilon);
  std::vector<float> query(tokens * query_width), key(tokens * kv_width), value(tokens * kv_width);
  matvec(w.query, h, query);
  matvec(w.key, h, key);
  matvec(w.value, h, value);
  if (w.query_norm) rms_norm(query, norm_weights(*w.query_norm), c.norm_epsilon, query);
  if (w.key_norm) rms_norm(key, norm_weights(*w.key_norm), c.norm_epsilon, key);
  const RopeParameters rotation = rope_parameters(c);
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto position = static_cast<std::uint32_t>(position_ + t);
    rope(std::span(query).subspan(t * query_width, query_width), position, rotation);
    rope(std::span(key).subspan(t * kv_width, kv_width), position, rotation);
  }
  if (options_.kv == DType::F16) {
    round_to_half(key);
    round_to_half(value);
  } else if (options_.kv == DType::Q8_0) {
    round_to_q8_0(key, head);
    round_to_q8_0(value, head);
  }
  LayerCache& cache = cache_[layer];
  cache.keys.insert(cache.keys.end(), key.begin(), key.end());
  cache.values.insert(cache.values.end(), value.begin(), value.end());

  const bool keep = capture && capture->attention;
  const std::size_t first_row = keep ? capture->attention_rows.size() : 0;
  if (keep) capture->attention_rows.resize(first_row + c.query_heads * tokens);
  std::vector<float> mixed(tokens * query_width);
  const std::size_t work = 2 * tokens * (position_ + tokens) * query_width;
  const bool sparse = options_.sparse && layer >= options_.dense_layers;
  const auto rows_of = [&](std::size_t kv, std::size_t count) {
    return KeyValueRows{std::span(cache.keys).subspan(kv * head), std::span(cache.values).subspan(kv * head), kv_width, count};
  };
  const bool ahead = options_.ahead && tokens == 1 && !cache.last_query.empty();
  const std::span<const float> choosing = ahead ? std::span<const float>(cache.last_query) : std::span<const float>(query);
  const std::size_t tile = layer < options_.layer_tiles.size() ? options_.layer_tiles[layer] : options_.tile, tiles = (tokens + tile - 1) / tile;
  const bool reuses = ahead && position_ % options_.every != 0 && !cache.held.empty();
  std::vector<PageChoice> choices(sparse ? c.kv_heads * tiles : 0);
  if (reuses) choices = cache.held;
  for_each_row(reuses ? 0 : choices.size(), work, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      const std::size_t kv = i / tiles, begin = i % tiles * tile, size = std::min(tile, tokens - begin);
      std::vector<SampledRow> sampled;
      const std::size_t samples = tokens == 1 || tile == 1 ? 1 : layer < options_.layer_samples.size() ? options_.layer_samples[layer] : options_.samples;
      for (std::size_t s = 0; s < samples; ++s) {
        const std::size_t t = begin + sampled_row(s, samples, size);
        sampled.push_back({choosing.subspan(t * query_width + kv * c.group() * head, c.group() * head), position_ + t + 1});
      }
      const KeyValueRows rows = rows_of(kv, position_ + begin + size);
      choices[i] = choose_pages(sampled, head, rows, position_ + begin + 1, options_.rule_of(layer));
      if (options_.settle) options_.settle({layer, kv, position_ + begin, sampled, rows}, choices[i]);
    }
  });
  cache.held = ahead ? choices : std::vector<PageChoice>();
  std::vector<PageSummaries> summaries;  // of each KV head
  if (sparse && options_.periphery)
    for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
      summaries.push_back(summarize_pages(rows_of(kv, (position_ + tokens) / options_.sparse->page * options_.sparse->page), head, options_.sparse->page));
      round_to_halves(summaries.back());
    }
  cache.last_query.assign(query.end() - static_cast<std::ptrdiff_t>(query_width), query.end());
  for_each_row(tokens * c.kv_heads, work, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      // Split over heads, so that every thread gets short rows and long ones.
      const std::size_t kv = i / tokens, t = i % tokens;
      const KeyValueRows rows = rows_of(kv, position_ + t + 1);
      std::vector<std::size_t> pages;  // that begin before the row's end
      if (sparse)
        std::ranges::copy_if(choices[kv * tiles + t / tile].pages, std::back_inserter(pages),
                             [&](std::size_t page) { return page * options_.sparse->page < rows.count; });
      for (std::size_t q = kv * c.group(); q < (kv + 1) * c.group(); ++q) {
        std::span<float> weights;
        if (keep) {
          auto& row = capture->attention_rows[first_row + q * tokens + t];
          row.resize(rows.count);
          weights = row;
        }
        const std::size_t at = t * query_width + q * head;
        const std::span<const float> asks = std::span(query).subspan(at, head);
        const std::span<float> out = std::span(mixed).subspan(at, head);
        if (!sparse) {
          attention(asks, rows, out, weights);
          continue;
        }
        const RowFacts facts = attention_over_pages(asks, rows, pages, options_.sparse->page, out, weights);
        if (options_.periphery) add_periphery(asks, summaries[kv], rows.count, pages, facts, options_.sparse->scorer, out);
      }
    }
  });
  std::vector<float> out(x.size());
  matvec(w.attention_output, mixed, out);
  add_to(x, out);
}

void ReferenceDecoder::feed_forward(std::size_t layer, std::span<float> x, ReferenceCapture* capture) {
  const ModelConfig& c = config_;
  const LayerWeights& w = weights_.layers[layer];
  const std::size_t tokens = x.size() / c.width, width = c.width;
  const std::vector<float> h = normed(x, w.feed_forward_norm, c.norm_epsilon);
  if (!c.mixture()) {
    std::vector<float> out(x.size());
    expert_ffn(w, 0, h, out);
    add_to(x, out);
    return;
  }

  std::vector<float> scores(tokens * c.experts);
  matvec(*w.router, h, scores);
  std::vector<Routing> routings;
  for (std::size_t t = 0; t < tokens; ++t) {
    const std::span<const float> row = std::span(scores).subspan(t * c.experts, c.experts);
    routings.push_back(routers_.empty() ? route(row, c.experts_used, c.normalize_expert_weights) : routers_[layer].route(row));
  }

  // Expert by expert, so that its matrices are decoded once; outputs wait in [token][slot] and are summed in slot
  // order.
  std::vector<float> outputs(tokens * c.experts_used * width);
  for (std::uint32_t expert = 0; expert < c.experts; ++expert) {
    std::vector<std::size_t> slots;  // token * experts_used + slot
    std::vector<float> input;
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t slot = 0; slot < routings[t].experts.size(); ++slot)
        if (routings[t].experts[slot] == expert) {
          slots.push_back(t * c.experts_used + slot);
          input.insert(input.end(), h.begin() + static_cast<std::ptrdiff_t>(t * width),
                       h.begin() + static_cast<std::ptrdiff_t>((t + 1) * width));
        }
    if (slots.empty()) continue;
    std::vector<float> out(input.size());
    expert_ffn(w, expert, input, out);
    for (std::size_t i = 0; i < slots.size(); ++i)
      std::memcpy(outputs.data() + slots[i] * width, out.data() + i * width, width * sizeof(float));
  }
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t i = 0; i < width; ++i) {
      double sum = 0;
      for (std::size_t slot = 0; slot < routings[t].experts.size(); ++slot)
        sum += static_cast<double>(routings[t].weights[slot]) *
               static_cast<double>(outputs[(t * c.experts_used + slot) * width + i]);
      x[t * width + i] += static_cast<float>(sum);
    }
  if (capture && capture->routing) std::ranges::move(routings, std::back_inserter(capture->routings));
}

}  // namespace fovea::reference
