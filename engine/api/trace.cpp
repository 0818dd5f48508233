#include "engine/api/trace.hpp"

#include <algorithm>
#include <cstddef>

namespace fovea {

namespace {

// Weights of the queries [first_query, query): each query q has q + 1 of them.
std::size_t row_offset(std::uint64_t first_query, std::uint64_t query) {
  const std::uint64_t rows = query - first_query;
  return static_cast<std::size_t>(rows * (first_query + 1) + rows * (rows - 1) / 2);
}

}  // namespace

std::span<const std::uint16_t> AttentionChunk::row(std::uint32_t query) const {
  if (query < first_query || query - first_query >= rows) return {};
  const std::size_t begin = query == first_query ? 0 : row_offset(first_query, query);
  const std::size_t size = static_cast<std::size_t>(query) + 1;
  if (begin + size > weights.size()) return {};
  return {weights.data() + begin, size};
}

std::span<const std::uint16_t> HeadTrace::row(std::uint32_t query) const {
  const auto after = std::upper_bound(chunks.begin(), chunks.end(), query,
                                      [](std::uint32_t q, const auto& chunk) { return q < chunk->first_query; });
  if (after == chunks.begin()) return {};
  return (*std::prev(after))->row(query);
}

const HeadTrace* TraceSnapshot::head(HeadId id) const {
  const auto found = std::find_if(heads.begin(), heads.end(), [&](const HeadTrace& trace) { return trace.id == id; });
  return found == heads.end() ? nullptr : &*found;
}

}  // namespace fovea
