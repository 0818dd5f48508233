#include "engine/session/length_sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "engine/api/throughput.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

constexpr std::uint32_t kShortest = 1024;
constexpr std::uint32_t kDecoded = 8;                        // tokens whose mean time is told
constexpr std::size_t kLongestText = std::size_t{64} << 20;  // bytes of a file

std::vector<std::uint32_t> doublings(std::uint32_t most) {
  std::vector<std::uint32_t> lengths;
  for (std::uint64_t length = std::min(kShortest, most); length <= most; length *= 2) lengths.push_back(static_cast<std::uint32_t>(length));
  return lengths;
}

double tokens_of(std::span<const std::uint32_t> lengths) {
  double sum = 0;
  for (const std::uint32_t length : lengths) sum += length;
  return sum;
}

}  // namespace

Result<std::vector<LengthPoint>> sweep_lengths(Engine& engine, const EvaluationOptions& text, std::span<const TokenId> tokens,
                                               std::span<const std::uint32_t> lengths, std::uint32_t decoded, const SweepProgress& progress,
                                               std::stop_token stop) {
  std::vector<LengthPoint> points;
  if (lengths.empty()) return points;
  EvaluationOptions first = text;
  first.windows = 1;
  FOVEA_TRY(evaluate(engine, nullptr, first, tokens, lengths.front(), {}, stop));
  if (const std::uint32_t last = std::min(decoded, lengths.front() - 1); last > 0) {
    FOVEA_TRY(engine.bench({.generate = last, .depth = lengths.front() - last}, stop));
  }
  for (const std::uint32_t length : lengths) {
    FOVEA_ASSIGN(const Evaluation done, evaluate(engine, nullptr, text, tokens, length, {}, stop));
    const AttentionWork work = done.attention.both();
    LengthPoint point{.context = length, .seconds = done.seconds, .perplexity = done.score.perplexity(),
                      .density = attention_density(work, engine.summary().kv_heads), .flops = flops_ratio(work, engine.summary()),
                      .kv_bytes = engine.memory().kv};
    if (const std::uint32_t last = std::min(decoded, length - 1); last > 0) {
      FOVEA_ASSIGN(const BenchSample sample, engine.bench({.generate = last, .depth = length - last}, stop));
      point.decode_ms = sample.milliseconds / last;
    }
    points.push_back(point);
    if (progress) progress(points.back(), points.size(), lengths.size());
  }
  return points;
}

Result<LengthSweep> measure_lengths(const ScoringModel& model, const EvaluationOptions& text, std::uint32_t longest, const PolicyText& a, const PolicyText& b,
                                    const ScoreProgress& progress, const TakeLengths& take, std::stop_token stop) {
  const std::string what = "text file " + shown_name(text.file);
  FOVEA_ASSIGN(const std::string bytes, read_file(text.file, what, kLongestText));
  FOVEA_ASSIGN(const ModelSummary summary, inspect(model.path));
  LengthSweep sweep{.text = shown_name(text.file), .a = a, .b = b, .windows = std::max(text.windows, 1u)};
  std::uint32_t most = longest == 0 ? std::numeric_limits<std::uint32_t>::max() : longest;
  if (const std::uint32_t trained = std::max(summary.trained_context, kLeastContext); trained < most) {
    most = trained;
    sweep.limit = LengthLimit::trained;
    sweep.limit_tokens = summary.trained_context;
  }
  sweep.lengths = doublings(most);

  std::vector<TokenId> tokens;
  double done_tokens = 0;
  for (const PolicyText* policy : {&a, &b}) {
    std::vector<LengthPoint>& points = policy == &a ? sweep.of_a : sweep.of_b;
    std::unique_ptr<Engine> engine;
    // Both policies get the context of the longest window, so that neither has an allocation that the other has not.
    while (!engine) {
      if (progress) progress("Loading the model", done_tokens);
      auto loaded = load_with({model.path, model.device, sweep.lengths.back()}, *policy, stop);
      if (!loaded && (loaded.error().code != ErrorCode::memory || sweep.lengths.size() == 1)) return tl::unexpected(std::move(loaded).error());
      if (!loaded) {
        sweep.limit = LengthLimit::memory;
        sweep.limit_tokens = sweep.lengths.back();
        sweep.lengths.pop_back();
        continue;
      }
      engine = std::move(*loaded);
    }
    if (tokens.empty()) {
      tokens = engine->tokenizer().encode(bytes, {.add_bos = true, .parse_special = false});
      if (tokens.size() < sweep.lengths.back() * std::size_t{sweep.windows}) {
        sweep.limit = LengthLimit::text;
        sweep.limit_tokens = tokens.size();
      }
      const std::uint32_t shortest = sweep.lengths.front();
      std::erase_if(sweep.lengths, [&](std::uint32_t length) { return length * std::size_t{sweep.windows} > tokens.size(); });
      if (sweep.lengths.empty())
        return fail(ErrorCode::usage, what, fmt::format("its {} tokens do not fill a window of {}", tokens.size(), shortest), "use a longer text");
    }
    if (progress) progress("Measuring contexts", done_tokens);
    const double all = 2 * tokens_of(sweep.lengths);
    const auto tell = [&](const LengthPoint& point, std::size_t, std::size_t) {
      points.push_back(point);
      done_tokens += point.context / all;
      if (take) take(sweep);
      if (progress) progress("Measuring contexts", done_tokens);
    };
    FOVEA_TRY(sweep_lengths(*engine, text, tokens, sweep.lengths, kDecoded, tell, stop));
  }
  return sweep;
}

}  // namespace fovea
