#include "engine/trace/page_trace_builder.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace fovea {
namespace {

// Decoded tokens come one by one; so many of their choices are put together into one chunk.
constexpr std::size_t kTokensPerChunk = 32;

void merge_tail(std::vector<std::shared_ptr<const PageChoiceChunk>>& chunks) {
  if (chunks.size() < kTokensPerChunk) return;
  const auto tail = chunks.end() - kTokensPerChunk;
  for (auto it = tail; it != chunks.end(); ++it)
    if ((*it)->queries != 1 || !(*it)->decoded || (*it)->first_query != (*tail)->first_query + (it - tail)) return;
  PageChoiceChunk merged{.first_query = (*tail)->first_query, .queries = kTokensPerChunk, .decoded = true, .words = chunks.back()->words};
  for (auto it = tail; it != chunks.end(); ++it) {
    const std::vector<std::uint32_t>& from = (*it)->choices;
    for (std::size_t at = 0; at < from.size(); at += (*it)->words) {
      merged.choices.insert(merged.choices.end(), from.begin() + static_cast<std::ptrdiff_t>(at),
                            from.begin() + static_cast<std::ptrdiff_t>(at + (*it)->words));
      merged.choices.resize(merged.choices.size() + merged.words - (*it)->words);  // of a shorter sequence: no later page
    }
  }
  chunks.erase(tail, chunks.end());
  chunks.push_back(std::make_shared<const PageChoiceChunk>(std::move(merged)));
}

}  // namespace

PageTraceBuilder::PageTraceBuilder(const Shape& shape) {
  trace_.policy = shape.policy;
  trace_.layers = shape.layers;
  trace_.query_heads = shape.query_heads;
  trace_.kv_heads = shape.kv_heads;
  budget_ = shape.budget_bytes;
}

std::uint64_t PageTraceBuilder::bytes_of(const PageViews& step, std::uint32_t tokens) const {
  const std::uint64_t tiles = step.choices.empty() ? 0 : (tokens + step.tile_rows - 1) / step.tile_rows;
  return tiles * trace_.layers * trace_.kv_heads * step.choice_words * sizeof(std::uint32_t) +
         std::uint64_t{std::min(step.rows, tokens)} * trace_.layers * trace_.query_heads * sizeof(RowMeasure);
}

bool PageTraceBuilder::add(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens) {
  if (step.every == 0 || tokens == 0) return true;
  trace_.every = step.every;
  trace_.facts = step.facts;
  bytes_ += bytes_of(step, tokens);
  if (bytes_ > budget_) return false;  // nor anything later, so that there are no gaps
  add_choices(step, first_position, tokens);
  add_rows(step, first_position, tokens);
  return true;
}

void PageTraceBuilder::add_choices(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens) {
  PageChoiceChunk chunk{.first_query = first_position, .queries = tokens, .tile_rows = step.tile_rows, .decoded = step.decoded};
  if (!step.choices.empty()) {
    const std::uint32_t pages = (first_position + tokens - 1) / kAttentionPage + 1;
    chunk.words = std::min(step.choice_words, 1 + (pages + 31) / 32);  // no bit is set behind the last query's page
    const std::size_t layers = trace_.layers - trace_.policy->dense_layers;
    const std::uint32_t tiles = (tokens + step.tile_rows - 1) / step.tile_rows;
    chunk.choices.reserve(std::size_t{tiles} * layers * trace_.kv_heads * chunk.words);
    for (std::uint32_t tile = 0; tile < tiles; ++tile)
      for (std::size_t layer = 0; layer < layers; ++layer)
        for (std::uint32_t head = 0; head < trace_.kv_heads; ++head) {
          const auto from = step.choices.subspan(((layer * step.tiles + tile) * trace_.kv_heads + head) * step.choice_words, chunk.words);
          chunk.choices.insert(chunk.choices.end(), from.begin(), from.end());
        }
  }
  trace_.choices.push_back(std::make_shared<const PageChoiceChunk>(std::move(chunk)));
  merge_tail(trace_.choices);
}

void PageTraceBuilder::add_rows(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens) {
  const std::uint32_t group = trace_.query_heads / trace_.kv_heads;
  const std::uint32_t first = (first_position + step.every) / step.every * step.every - 1;
  for (std::uint32_t i = 0; i < step.rows && first + i * step.every < first_position + tokens; ++i) {
    MeasuredRow row{.query = first + i * step.every};
    row.heads.resize(std::size_t{trace_.layers} * trace_.query_heads);
    row.whole.resize(std::size_t{trace_.layers} * trace_.kv_heads);
    for (std::uint32_t layer = 0; layer < trace_.layers; ++layer)
      for (std::uint32_t head = 0; head < trace_.kv_heads; ++head) {
        const ChosenPages choice = trace_.choice(layer, head, row.query).value_or(ChosenPages{});
        row.whole[std::size_t{layer} * trace_.kv_heads + head] = choice.pages_read(row.query) == row.query / kAttentionPage + 1 ? 1 : 0;
        const std::size_t at = ((std::size_t{layer} * step.rows + i) * trace_.query_heads + head * group) * step.pages;
        measure_row(step.shares.subspan(at, std::size_t{group} * step.pages), step.pages, row.query, choice,
                    std::span(row.heads).subspan(std::size_t{layer} * trace_.query_heads + head * group, group));
      }
    trace_.rows.push_back(std::make_shared<const MeasuredRow>(std::move(row)));
  }
}

std::shared_ptr<const PageTrace> PageTraceBuilder::snapshot() const {
  return trace_.every > 0 ? std::make_shared<const PageTrace>(trace_) : nullptr;
}

}  // namespace fovea
