#include "app/cli/divergence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "app/cli/nll_score.hpp"

namespace fovea::cli {
namespace {

constexpr std::size_t kMostRows = 8;

}  // namespace

void Divergence::add(std::span<const float> standard, std::span<const float> judged) {
  const double of_standard = log_sum_exp(standard), of_judged = log_sum_exp(judged);
  double divergence = 0;
  for (std::size_t i = 0; i < standard.size(); ++i) {
    const double p = static_cast<double>(standard[i]) - of_standard;
    divergence += std::exp(p) * (p - (static_cast<double>(judged[i]) - of_judged));
  }
  divergences_.push_back(std::max(divergence, 0.0));
  const auto top = [](std::span<const float> logits) { return std::ranges::max_element(logits) - logits.begin(); };
  same_top_ += top(standard) == top(judged) ? 1 : 0;
}

double Divergence::kl_mean() const {
  if (divergences_.empty()) return 0;
  return std::accumulate(divergences_.begin(), divergences_.end(), 0.0) / static_cast<double>(count());
}

double Divergence::kl_p99() const {
  if (divergences_.empty()) return 0;
  std::vector<double> sorted = divergences_;
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((count() * 99 + 99) / 100 - 1);
  std::ranges::nth_element(sorted, at);
  return *at;
}

double Divergence::same_top() const { return divergences_.empty() ? 1 : static_cast<double>(same_top_) / static_cast<double>(count()); }

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

}  // namespace fovea::cli
