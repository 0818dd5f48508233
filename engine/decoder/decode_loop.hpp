// Decoding token after token, one step always submitted ahead of the one being read. Engine thread only.
//
// Where nobody waits for each token, a step is a group of several, so that the device need not pass through the host's
// hands between them. A stop takes effect when the groups in flight are done: what they drew past it is thrown away,
// and the tokens kept are those that steps of one token would have drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "engine/api/event.hpp"
#include "engine/decoder/decoder.hpp"

namespace fovea {

// What is in flight lasts about this long at most, so that nobody sees tokens come in jerks or waits for a stop: the
// bound of every group is its share of it.
inline constexpr double kInFlightMs = 15;

struct DecodeLoop {
  std::uint32_t tokens = 0;  // at most
  // Of one group, where the decoder and the context have room for as many; 0: by how long the last groups took.
  std::uint32_t group = 0;
  std::stop_token stop;
  std::function<void()> before_step;  // may be empty
};

// Takes a finished step and the milliseconds since the one before it; says why decoding ends there, if it does.
using TakeStep = std::function<std::optional<StopReason>(const StepRecord&, double)>;

// After a step that drew. Nothing is in flight when it returns without an error. `length`: all tokens were decoded.
[[nodiscard]] Result<StopReason> decode_tokens(Decoder& decoder, const DecodeLoop& loop, const TakeStep& take);

}  // namespace fovea
