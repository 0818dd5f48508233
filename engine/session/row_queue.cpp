#include "engine/session/row_queue.hpp"

#include <cstddef>
#include <utility>

namespace fovea {
namespace {

constexpr std::size_t kMostRows = 8;

}  // namespace

bool RowQueue::push(std::span<const float> row) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || rows_.size() < kMostRows; });
  if (closed_) return false;
  rows_.emplace_back(row.begin(), row.end());
  changed_.notify_all();
  return true;
}

std::optional<std::vector<float>> RowQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !rows_.empty(); });
  if (rows_.empty()) return std::nullopt;
  std::vector<float> row = std::move(rows_.front());
  rows_.pop_front();
  changed_.notify_all();
  return row;
}

void RowQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

}  // namespace fovea
