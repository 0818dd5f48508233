#include "engine/decoder/decode_loop.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace fovea {
namespace {

using Clock = std::chrono::steady_clock;

// The size of the next group from the slower of the last two: one alone may have been read late and look short.
class GroupSize {
 public:
  explicit GroupSize(std::uint32_t wanted) : wanted_(wanted) {}

  [[nodiscard]] std::uint32_t next() const {
    if (wanted_ > 0) return wanted_;
    if (groups_ < 2) return 1;
    const double fitting = kInFlightMs / kStepsInFlight / std::max(last_ms_, before_ms_);
    return static_cast<std::uint32_t>(std::clamp(fitting, 1.0, double{kMostGroupTokens}));
  }
  void measured(std::uint32_t tokens, double milliseconds) {
    before_ms_ = std::exchange(last_ms_, milliseconds / tokens);
    ++groups_;
  }

 private:
  std::uint32_t wanted_ = 0, groups_ = 0;
  double last_ms_ = 0, before_ms_ = 0;  // of a token
};

}  // namespace

Result<StopReason> decode_tokens(Decoder& decoder, const DecodeLoop& loop, const TakeStep& take) {
  GroupSize size(loop.group);
  std::uint32_t left = loop.tokens;  // to be submitted
  const auto submit = [&]() -> Result<std::optional<Step>> {
    const std::uint32_t room = std::min(left, decoder.context() - decoder.position());
    if (room == 0) return std::nullopt;
    if (loop.before_step) loop.before_step();
    FOVEA_ASSIGN(const Step step, decoder.submit_decode(std::min({size.next(), decoder.decode_limit(), room})));
    left -= step.tokens;
    return step;
  };
  if (left > 0 && loop.stop.stop_requested()) return StopReason::cancelled;
  Clock::time_point before = Clock::now();
  FOVEA_ASSIGN(std::optional<Step> current, submit());
  while (current) {
    std::optional<Step> next;
    if (!loop.stop.stop_requested()) {
      FOVEA_ASSIGN(next, submit());
    }
    FOVEA_ASSIGN(const StepRecord record, decoder.finish(*current));
    const Clock::time_point now = Clock::now();
    const double milliseconds = std::chrono::duration<double, std::milli>(now - before).count();
    before = now;
    size.measured(record.tokens, milliseconds);
    std::optional<StopReason> end = take(record, milliseconds);
    if (!end && loop.stop.stop_requested()) end = StopReason::cancelled;
    if (end) {
      if (next) FOVEA_TRY(decoder.finish(*next));
      return *end;
    }
    current = next;
  }
  return left > 0 ? StopReason::context_full : StopReason::length;
}

}  // namespace fovea
