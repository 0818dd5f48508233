#include "engine/session/length_sweep.hpp"

#include <algorithm>

#include "engine/api/throughput.hpp"

namespace fovea {

Result<std::vector<LengthPoint>> sweep_lengths(Engine& engine, const EvaluationOptions& text, std::span<const TokenId> tokens,
                                               std::span<const std::uint32_t> lengths, const SweepProgress& progress, std::stop_token stop) {
  std::vector<LengthPoint> points;
  if (lengths.empty()) return points;
  EvaluationOptions first = text;
  first.windows = 1;
  FOVEA_TRY(evaluate(engine, nullptr, first, tokens, lengths.front(), {}, stop));
  for (const std::uint32_t length : lengths) {
    FOVEA_ASSIGN(const Evaluation done, evaluate(engine, nullptr, text, tokens, length, {}, stop));
    const AttentionWork work = done.attention.both();
    points.push_back({.context = length, .seconds = done.seconds, .perplexity = done.score.perplexity(),
                      .density = attention_density(work, engine.summary().kv_heads), .flops = flops_ratio(work, engine.summary()),
                      .kv_bytes = engine.memory().kv});
    if (progress) progress(points.back(), points.size(), lengths.size());
  }
  return points;
}

std::optional<std::uint32_t> pays_from(std::span<const LengthPoint> a, std::span<const LengthPoint> b) {
  std::optional<std::uint32_t> pays;
  for (std::size_t i = std::min(a.size(), b.size()); i-- > 0 && a[i].seconds < b[i].seconds;) pays = a[i].context;
  return pays;
}

}  // namespace fovea
