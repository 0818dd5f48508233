#include "engine/api/page_trace.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

namespace fovea {
namespace {

constexpr std::uint32_t pages_of(std::uint32_t positions) { return (positions + kAttentionPage - 1) / kAttentionPage; }

// Of p over some pages with mass and log_mass: -sum q ln q with q = p / mass, over ln(keys).
double normalized_entropy(double mass, double log_mass, std::uint32_t keys) {
  if (keys < 2 || mass <= 0) return 0;
  return std::clamp((std::log(mass) - log_mass / mass) / std::log(static_cast<double>(keys)), 0.0, 1.0);
}

Spread spread_of(std::vector<float>& values) {
  if (values.empty()) return {};
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  const auto fifth = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 20);
  std::ranges::nth_element(values, fifth);
  return {sum / static_cast<double>(values.size()), static_cast<double>(*fifth)};
}

}  // namespace

PagePart ChosenPages::part(std::uint32_t page) const {
  if (page >= end_remote) return PagePart::window;
  if (page < first_remote) return PagePart::sinks;
  return reads(page) ? PagePart::chosen : PagePart::left_out;
}

std::uint32_t ChosenPages::pages_read(std::uint32_t query) const {
  const std::uint32_t pages = query / kAttentionPage + 1;
  if (bits.empty()) return pages;
  std::uint32_t read = 0;
  for (std::uint32_t word = 0; word < bits.size() && word * 32 < pages; ++word) {
    const std::uint32_t left = pages - word * 32;
    read += static_cast<std::uint32_t>(std::popcount(left < 32 ? bits[word] & ((1u << left) - 1) : bits[word]));
  }
  return read;
}

std::optional<ChosenPages> PageTrace::choice(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t query) const {
  const auto after = std::ranges::upper_bound(choices, query, {}, [](const auto& chunk) { return chunk->first_query; });
  if (after == choices.begin()) return std::nullopt;
  const PageChoiceChunk& chunk = **std::prev(after);
  if (query - chunk.first_query >= chunk.queries || layer >= layers || kv_head >= kv_heads) return std::nullopt;
  // A chunk's tiles are the narrowest of all layers, a wider one is repeated.
  const std::uint32_t shared = chunk.decoded || !policy ? chunk.tile_rows : std::max(policy->rows_of(layer), chunk.tile_rows);
  const std::uint32_t tile = (query - chunk.first_query) / chunk.tile_rows;
  ChosenPages pages{.first_query = query - (query - chunk.first_query) % shared};
  pages.queries = std::min(shared, chunk.first_query + chunk.queries - pages.first_query);
  if (!chooses(layer)) return pages;
  const RemotePages remote = remote_pages(*policy, pages.first_query);
  pages.first_remote = remote.first;
  pages.end_remote = remote.end;
  const std::size_t at = ((std::size_t{tile} * (layers - policy->dense_layers) + layer - policy->dense_layers) * kv_heads + kv_head) * chunk.words;
  pages.mass = std::bit_cast<float>(chunk.choices[at]);
  pages.bits = std::span(chunk.choices).subspan(at + 1, chunk.words - 1);
  return pages;
}

const MeasuredRow* PageTrace::row(std::uint32_t query) const {
  const auto found = std::ranges::lower_bound(rows, query, {}, [](const auto& row) { return row->query; });
  return found != rows.end() && (*found)->query == query ? found->get() : nullptr;
}

const RowMeasure* PageTrace::measure(std::uint32_t layer, std::uint32_t head, std::uint32_t query) const {
  const MeasuredRow* measured = row(query);
  if (measured == nullptr || layer >= layers || head >= query_heads) return nullptr;
  return &measured->heads[std::size_t{layer} * query_heads + head];
}

RemotePages remote_pages(const SparseAttention& policy, std::uint32_t first_query) {
  const std::uint32_t keys = first_query + 1, end = keys > policy.window ? (keys - policy.window) / kAttentionPage : 0;
  return {std::min(pages_of(policy.sinks), end), end};
}

void measure_row(std::span<const PageShare> shares, std::uint32_t stride, std::uint32_t query, const ChosenPages& choice, std::span<RowMeasure> out) {
  const std::uint32_t keys = query + 1, pages = pages_of(keys);
  std::vector<double> group(pages);  // mean mass over the heads
  std::vector<double> totals(out.size());
  for (std::size_t head = 0; head < out.size(); ++head) {
    const auto row = shares.subspan(head * stride, pages);
    double mass = 0, log_mass = 0, kept = 0, kept_log = 0;
    std::uint32_t kept_keys = 0;
    for (std::uint32_t page = 0; page < pages; ++page) {
      const auto m = static_cast<double>(row[page].mass), l = static_cast<double>(row[page].log_mass);
      mass += m;
      log_mass += l;
      if (!choice.reads(page)) continue;
      kept += m;
      kept_log += l;
      kept_keys += std::min(kAttentionPage, keys - page * kAttentionPage);
    }
    totals[head] = mass > 0 ? mass : 1;
    for (std::uint32_t page = 0; page < pages; ++page) group[page] += static_cast<double>(row[page].mass) / totals[head];
    out[head].recall = static_cast<float>(std::min(1.0, kept / totals[head]));
    out[head].entropy = static_cast<float>(normalized_entropy(mass, log_mass, keys));
    out[head].kept_entropy = static_cast<float>(normalized_entropy(kept, kept_log, kept_keys));
  }
  // As many remote pages as were chosen, by the mass that they truly have; of equal ones the later, as choices have it.
  std::vector<std::uint32_t> order;
  std::uint32_t chosen = 0;
  for (std::uint32_t page = choice.first_remote; page < std::min(choice.end_remote, pages); ++page) {
    order.push_back(page);
    chosen += choice.reads(page) ? 1 : 0;
  }
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) { return group[a] != group[b] ? group[a] > group[b] : a > b; });
  std::vector<bool> best(pages);
  for (std::uint32_t page = 0; page < pages; ++page) best[page] = page < choice.first_remote || page >= choice.end_remote;
  for (std::uint32_t i = 0; i < chosen; ++i) best[order[i]] = true;
  for (std::size_t head = 0; head < out.size(); ++head) {
    double kept = 0;
    for (std::uint32_t page = 0; page < pages; ++page)
      if (best[page]) kept += static_cast<double>(shares[head * stride + page].mass);
    out[head].oracle = static_cast<float>(std::min(1.0, kept / totals[head]));
  }
}

RecallFigures recall_figures(MeasuredRows rows, std::uint32_t query_heads, std::uint32_t first_layer, std::uint32_t end_layer,
                             std::optional<std::uint32_t> head) {
  RecallFigures figures;
  std::vector<float> recall, oracle;
  double flat_recall = 0;
  for (const auto& row : rows) {
    const std::size_t layers = row->heads.size() / std::max(query_heads, 1u), kv_heads = layers > 0 ? row->whole.size() / layers : 0;
    for (std::size_t layer = first_layer; layer < std::min<std::size_t>(end_layer, layers); ++layer)
      for (std::size_t h = head.value_or(0); h < (head ? std::min(*head + 1, query_heads) : query_heads); ++h) {
        const RowMeasure& measure = row->heads[layer * query_heads + h];
        ++figures.measured;
        figures.entropy += static_cast<double>(measure.entropy);
        figures.kept_entropy += static_cast<double>(measure.kept_entropy);
        if (row->whole[layer * kv_heads + h / (query_heads / kv_heads)] != 0) continue;
        recall.push_back(measure.recall);
        oracle.push_back(measure.oracle);
        if (measure.entropy <= kFlatRow) continue;
        ++figures.flat;
        flat_recall += static_cast<double>(measure.recall);
      }
  }
  figures.sparse = static_cast<std::uint32_t>(recall.size());
  figures.recall = spread_of(recall);
  figures.oracle = spread_of(oracle);
  if (figures.flat > 0) figures.flat_recall = flat_recall / figures.flat;
  if (figures.measured > 0) {
    figures.entropy /= figures.measured;
    figures.kept_entropy /= figures.measured;
  }
  return figures;
}

}  // namespace fovea
