// Collects which pages the choices of a run read and what they left out of measured rows. Engine thread only.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/api/page_trace.hpp"

namespace fovea {

class PageTraceBuilder {
 public:
  struct Shape {
    std::optional<SparseAttention> policy;
    std::uint32_t layers = 0, query_heads = 0, kv_heads = 0;
  };
  explicit PageTraceBuilder(const Shape& shape);

  // `tokens` of the step that began at `first_position` count.
  void add(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens);
  // null: nothing was recorded.
  [[nodiscard]] std::shared_ptr<const PageTrace> snapshot() const;

 private:
  void add_choices(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens);
  void add_rows(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens);
  PageTrace trace_;
};

}  // namespace fovea
