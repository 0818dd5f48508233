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
    std::uint64_t budget_bytes = 512ull << 20;  // of choices and measured rows; what comes later is not recorded
  };
  explicit PageTraceBuilder(const Shape& shape);

  // `tokens` of the step that began at `first_position` count. False: the budget left nothing of it.
  bool add(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens);
  // null: nothing was recorded.
  [[nodiscard]] std::shared_ptr<const PageTrace> snapshot() const;

 private:
  [[nodiscard]] std::uint64_t bytes_of(const PageViews& step, std::uint32_t tokens) const;
  void add_choices(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens);
  void add_rows(const PageViews& step, std::uint32_t first_position, std::uint32_t tokens);
  PageTrace trace_;
  std::uint64_t budget_ = 0, bytes_ = 0;
};

}  // namespace fovea
