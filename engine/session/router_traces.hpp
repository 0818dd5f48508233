// What a semantic router learns from, taken from its model: windows of a text run through the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/semantic_router/network.hpp"
#include "engine/semantic_router/trace.hpp"
#include "engine/session/engine.hpp"

namespace fovea {

struct RouterTracing {
  std::uint32_t window = 512;     // tokens
  std::uint32_t need_every = 0;   // of every Nth token in the last quarter of a window the need is measured; 0: of none
  std::uint32_t need_windows = 1; // in every Nth window, from the first on
};

// Traces of windows that begin at `starts` in `tokens`. The engine's policy of experts is the model's own afterwards, and while
// frames are taken. Errors: a dense model, those of the engine, stopped.
[[nodiscard]] Result<std::vector<RouterTrace>> trace_windows(Engine& engine, const RouterShape& shape, std::uint32_t domain, std::span<const TokenId> tokens,
                                                             std::span<const std::size_t> starts, const RouterTracing& tracing, std::stop_token stop);

}  // namespace fovea
