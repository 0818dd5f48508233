// How far the predictions of one policy are from those of another on the same text.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace fovea::cli {

class Divergence {
 public:
  // Logits of one position under the policy that is held as the standard, and under the one that is judged.
  void add(std::span<const float> standard, std::span<const float> judged);

  [[nodiscard]] std::size_t count() const { return divergences_.size(); }
  // Kullback-Leibler divergence of the judged distribution from the standard, nats: mean, and what 99 % do not exceed.
  [[nodiscard]] double kl_mean() const;
  [[nodiscard]] double kl_p99() const;
  [[nodiscard]] double same_top() const;  // share of positions with the same most likely token

 private:
  std::vector<double> divergences_;
  std::size_t same_top_ = 0;
};

// Hands rows of logits from the thread that makes them to the one that takes them, a few at a time.
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

}  // namespace fovea::cli
