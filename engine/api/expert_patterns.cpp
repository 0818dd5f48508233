#include "engine/api/expert_patterns.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace fovea {

std::vector<double> busiest_shares(std::span<const std::uint64_t> calls) {
  const auto total = std::accumulate(calls.begin(), calls.end(), std::uint64_t{0});
  if (total == 0) return {};
  std::vector<std::uint64_t> descending(calls.begin(), calls.end());
  std::ranges::sort(descending, std::greater{});
  std::vector<double> shares;
  std::uint64_t sum = 0;
  for (const std::uint64_t n : descending) shares.push_back(static_cast<double>(sum += n) / static_cast<double>(total));
  return shares;
}

ExpertReuse::ExpertReuse(std::uint32_t layers, std::uint32_t experts) : layers_(layers), experts_(experts), last_(layers) {
  for (Sums& sums : sums_) {
    sums.by_distance.assign(std::size_t{layers} * experts, 0);
    sums.calls.assign(layers, 0);
  }
}

void ExpertReuse::add(std::uint32_t layer, std::span<const ExpertChoice> chosen, bool prefill) {
  if (layer >= layers_) return;
  Sums& sums = sums_[prefill ? 1 : 0];
  std::vector<std::uint16_t>& last = last_[layer];
  for (const ExpertChoice& choice : chosen) {
    if (choice.expert >= experts_) continue;
    ++sums.calls[layer];
    const auto found = std::ranges::find(last, choice.expert);
    if (found != last.end()) ++sums.by_distance[std::size_t{layer} * experts_ + static_cast<std::size_t>(found - last.begin())];
  }
  for (auto choice = chosen.rbegin(); choice != chosen.rend(); ++choice) {
    if (choice->expert >= experts_) continue;
    const auto found = std::ranges::find(last, choice->expert);
    if (found == last.end())
      last.insert(last.begin(), choice->expert);
    else
      std::rotate(last.begin(), found, found + 1);
  }
}

std::vector<double> ExpertReuse::hit_rates(bool prefill, std::optional<std::uint32_t> layer) const {
  const Sums& sums = sums_[prefill ? 1 : 0];
  const std::uint32_t first = layer.value_or(0), end = layer ? std::min(*layer + 1, layers_) : layers_;
  std::vector<double> rates(experts_, 0);
  double calls = 0, hits = 0;
  for (std::uint32_t l = first; l < end; ++l) {
    calls += static_cast<double>(sums.calls[l]);
    for (std::uint32_t n = 0; n < experts_; ++n) rates[n] += static_cast<double>(sums.by_distance[std::size_t{l} * experts_ + n]);
  }
  if (!(calls > 0)) return {};
  for (double& rate : rates) rate = (hits += rate) / calls;
  return rates;
}

std::optional<double> recent_hits(const RoutingTrace& routing, std::uint32_t size, std::uint32_t first_layer) {
  if (size == 0 || size > routing.experts || first_layer >= routing.layers) return std::nullopt;
  ExpertReuse reuse(routing.layers - first_layer, routing.experts);
  for (const auto& chunk : routing.chunks)
    for (std::uint32_t token = chunk->first_token; token < chunk->first_token + chunk->tokens; ++token)
      for (std::uint32_t layer = first_layer; layer < routing.layers; ++layer) reuse.add(layer - first_layer, routing.chosen(token, layer), true);
  const std::vector<double> rates = reuse.hit_rates(true, std::nullopt);
  return rates.empty() ? std::nullopt : std::optional(rates[size - 1]);
}

ExpertTransitions::ExpertTransitions(std::uint32_t layers, std::uint32_t experts) : layers_(layers), experts_(experts) {
  const std::uint64_t cells = layers > 1 ? std::uint64_t{layers - 1} * experts * experts : 0;
  if (cells <= kMostCells)
    for (auto& sums : sums_) sums.assign(cells, 0);
}

void ExpertTransitions::add(std::span<const std::uint16_t> main, bool prefill) {
  if (!counts() || main.size() < layers_) return;
  for (std::uint32_t layer = 0; layer + 1 < layers_; ++layer)
    if (main[layer] < experts_ && main[layer + 1] < experts_)
      ++sums_[prefill ? 1 : 0][(std::size_t{layer} * experts_ + main[layer]) * experts_ + main[layer + 1]];
}

std::span<const std::uint32_t> ExpertTransitions::from(std::uint32_t layer, bool prefill) const {
  const std::size_t cells = std::size_t{experts_} * experts_;
  if (!counts() || layer + 1 >= layers_) return {};
  return std::span(sums_[prefill ? 1 : 0]).subspan(layer * cells, cells);
}

std::optional<Foresight> foresight(std::span<const std::uint32_t> counts, std::uint32_t columns) {
  std::vector<std::uint64_t> by_column(columns, 0);
  double total = 0, right = 0;
  for (std::size_t row = 0; columns > 0 && (row + 1) * columns <= counts.size(); ++row) {
    const auto cells = counts.subspan(row * columns, columns);
    right += *std::ranges::max_element(cells);
    for (std::uint32_t column = 0; column < columns; ++column) {
      by_column[column] += cells[column];
      total += cells[column];
    }
  }
  if (!(total > 0)) return std::nullopt;
  return Foresight{right / total, static_cast<double>(*std::ranges::max_element(by_column)) / total};
}

}  // namespace fovea
