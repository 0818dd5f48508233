// The same positions of one text under two policies, row beside row.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "engine/session/engine.hpp"

namespace fovea {

// Logits of one position: of the policy that is judged, and of the standard; the latter empty where there is none.
using TakePair = std::function<void(std::uint32_t position, std::span<const float> judged, std::span<const float> standard)>;

// Of every position >= first of `tokens`, ascending; both engines from an empty cache, the standard (may be null) on a thread
// of its own, so that rows come as they are taken and never pile up. `measure_every` as Engine::logits has it, of the judged; `decoded` likewise, of both.
[[nodiscard]] Result<void> paired_logits(Engine& judged, Engine* standard, std::span<const TokenId> tokens, std::uint32_t first, const TakePair& take,
                                         std::stop_token stop = {}, std::uint32_t measure_every = 0, bool decoded = false);

}  // namespace fovea
