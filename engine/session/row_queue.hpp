// Hands rows of logits from the thread that makes them to the one that takes them.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace fovea {

// A few at a time.
class RowQueue {
 public:
  bool push(std::span<const float> row);            // waits for room; false: closed
  [[nodiscard]] std::optional<std::vector<float>> pop();  // waits for a row; nullopt: closed and empty
  void close();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<float>> rows_;
  bool closed_ = false;
};

}  // namespace fovea
