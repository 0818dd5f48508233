// For the trace of sparse attention: which pages attention read, and how the weights of dense attention under the same queries
// spread over all pages. Twin of the latter: engine/reference/sparse_attention (page_shares).
#pragma once

#include "engine/kernels/sparse_attention.hpp"

namespace fovea {

// Words of a choice's marks: the estimated mass, then a bit for every page of the context.
[[nodiscard]] constexpr std::uint32_t page_mark_words(std::uint32_t pages) { return 1 + (pages + 31) / 32; }
// Tiles of `rows` queries that a plan with room for `tokens` chooses for, and the queries of each.
[[nodiscard]] constexpr std::uint32_t choice_rows(std::uint32_t tokens, std::uint32_t rows) { return tokens == 1 ? 1 : rows; }
[[nodiscard]] constexpr std::uint32_t choice_tiles(std::uint32_t tokens, std::uint32_t rows) { return (tokens + choice_rows(tokens, rows) - 1) / choice_rows(tokens, rows); }

struct PageMarksArgs {
  AttentionShape shape;       // that the choice was recorded with
  PageChoiceBuffers buffers;
  std::uint32_t first_slot = 0;  // of the buffers
  std::uint64_t marks = 0;    // uint (choice_tiles of `rows`, kv_heads, page_mark_words); of wider tiles repeated
  std::uint32_t pages = 0;    // of the context
  std::uint32_t rows = shader::kTileRows;  // of the narrowest tile of all layers; divides shape.tile_rows
};
// Behind the choice, before the next one.
[[nodiscard]] Result<void> record_page_marks(KernelRecorder& kernels, const PageMarksArgs& args);

// The most rows of a batch of `tokens` whose (position + 1) is a multiple of `every`.
[[nodiscard]] constexpr std::uint32_t measured_rows(std::uint32_t tokens, std::uint32_t every) { return (tokens + every - 1) / every; }

struct PageSharesArgs {
  AttentionShape shape;       // of all keys
  std::uint64_t query = 0;    // float (tokens, query_heads * head_width): rotated
  std::uint64_t shares = 0;   // float (measured_rows, query_heads, pages, 2)
  std::uint32_t every = 1;
  std::uint32_t pages = 0;    // of the context
};
// Reads what attention reads; all of the batch's keys must be there.
[[nodiscard]] Result<void> record_page_shares(KernelRecorder& kernels, const PageSharesArgs& args);

}  // namespace fovea
