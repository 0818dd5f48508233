// Reading recorded experts, and the utilization figures that are told of them.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "engine/api/trace.hpp"

namespace fovea {

namespace {

// A chunk whose arrays are as long as its counts say; anything else is read as not recorded.
bool is_whole(const RoutingChunk& chunk) {
  const std::size_t cells = std::size_t{chunk.tokens} * chunk.layers * chunk.slots;
  return chunk.experts.size() >= cells && chunk.weights.size() >= cells;
}

}  // namespace

std::vector<ExpertChoice> RoutingTrace::chosen(std::uint32_t token, std::uint32_t layer) const {
  const auto after = std::upper_bound(chunks.begin(), chunks.end(), token,
                                      [](std::uint32_t t, const auto& chunk) { return t < chunk->first_token; });
  if (after == chunks.begin()) return {};
  const RoutingChunk& chunk = **std::prev(after);
  if (token - chunk.first_token >= chunk.tokens || layer >= chunk.layers || !is_whole(chunk)) return {};
  const std::size_t begin = (std::size_t{token - chunk.first_token} * chunk.layers + layer) * chunk.slots;
  std::vector<ExpertChoice> choices;
  for (std::size_t at = begin; at < begin + chunk.slots && chunk.experts[at] != kUnusedSlot; ++at)
    choices.push_back({chunk.experts[at], chunk.weights[at]});
  std::stable_sort(choices.begin(), choices.end(), [](const auto& a, const auto& b) { return a.weight > b.weight; });
  return choices;
}

std::vector<std::uint64_t> RoutingTrace::calls(std::uint32_t from, std::uint32_t to,
                                               std::optional<std::uint32_t> layer) const {
  std::vector<std::uint64_t> counts(experts, 0);
  for (const auto& chunk : chunks) {
    if (!is_whole(*chunk) || (layer && *layer >= chunk->layers)) continue;
    const std::uint32_t end = std::min(to, chunk->first_token + chunk->tokens);
    for (std::uint32_t token = std::max(from, chunk->first_token); token < end; ++token) {
      const std::size_t base = std::size_t{token - chunk->first_token} * chunk->layers;
      const std::size_t first = (base + layer.value_or(0)) * chunk->slots;
      const std::size_t last = first + std::size_t{layer ? 1 : chunk->layers} * chunk->slots;
      for (std::size_t cell = first; cell < last; ++cell)
        if (chunk->experts[cell] < experts) ++counts[chunk->experts[cell]];
    }
  }
  return counts;
}

std::uint32_t RoutingTrace::recorded_tokens() const {
  std::uint32_t tokens = 0;
  for (const auto& chunk : chunks) tokens += chunk->tokens;
  return tokens;
}

std::optional<UtilizationFigures> utilization_figures(std::span<const std::uint64_t> calls) {
  UtilizationFigures figures;
  std::uint64_t most = 0;
  for (const std::uint64_t n : calls) {
    figures.total += n;
    most = std::max(most, n);
  }
  if (figures.total == 0) return std::nullopt;
  const double experts = static_cast<double>(calls.size());
  const double total = static_cast<double>(figures.total);
  const double mean = total / experts;
  double squares = 0, entropy = 0;
  for (const std::uint64_t n : calls) {
    const double count = static_cast<double>(n);
    squares += (count - mean) * (count - mean);
    if (n > 0) entropy -= count / total * std::log(count / total);
    if (count < 0.01 * mean) ++figures.dead;
  }
  std::vector<std::uint64_t> ascending(calls.begin(), calls.end());
  std::ranges::sort(ascending);
  double rank = 0, by_rank = 0;
  for (const std::uint64_t n : ascending) by_rank += (2 * ++rank - experts - 1) * static_cast<double>(n);
  figures.gini = by_rank / (experts * total);
  figures.cv = std::sqrt(squares / experts) / mean;
  figures.utilization = mean / static_cast<double>(most);
  figures.entropy = calls.size() > 1 ? entropy / std::log(experts) : 1;
  figures.cv_floor = std::sqrt((experts - 1) / total);
  return figures;
}

}  // namespace fovea
