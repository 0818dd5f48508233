#include "engine/session/paired_logits.hpp"

#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/session/row_queue.hpp"

namespace fovea {
namespace {

class StandardRun {
 public:
  StandardRun(Engine& engine, std::span<const TokenId> tokens, std::uint32_t first, bool decoded)
      : thread_([this, &engine, tokens, first, decoded] {
          const auto hand_on = [this](std::uint32_t, std::span<const float> logits) {
            if (!queue_.push(logits)) stop_.request_stop();
          };
          result_ = engine.logits(tokens, first, hand_on, stop_.get_token(), 0, decoded);
          queue_.close();
        }) {}
  ~StandardRun() { queue_.close(); }
  [[nodiscard]] std::optional<std::vector<float>> next() { return queue_.pop(); }
  // Once there is no next row.
  [[nodiscard]] Result<void> finish() {
    queue_.close();
    thread_.join();
    return result_;
  }

 private:
  RowQueue queue_;
  std::stop_source stop_;
  Result<void> result_;
  std::jthread thread_;  // last, so that it begins when the others are there and ends before they go
};

}  // namespace

Result<void> paired_logits(Engine& judged, Engine* standard, std::span<const TokenId> tokens, std::uint32_t first, const TakePair& take,
                           std::stop_token stop, std::uint32_t measure_every, bool decoded) {
  std::optional<StandardRun> other;
  if (standard != nullptr) other.emplace(*standard, tokens, first, decoded);
  bool complete = true;
  const auto pair_up = [&](std::uint32_t position, std::span<const float> logits) {
    std::optional<std::vector<float>> row;
    if (other) row = other->next();
    complete = complete && (!other || row);
    if (complete) take(position, logits, row ? std::span<const float>(*row) : std::span<const float>{});
  };
  FOVEA_TRY(judged.logits(tokens, first, pair_up, std::move(stop), measure_every, decoded));
  if (other) FOVEA_TRY(other->finish());
  return {};
}

}  // namespace fovea
