// A made-up model and run, the same for the same seed, as the engine would tell of them: for tests of the window alone.
#pragma once

#include <QEventLoop>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/api/event.hpp"
#include "ui/state/workbench_state.hpp"

namespace fovea::synthetic {

struct Shape {
  std::uint32_t layers = 6, heads = 8, experts = 16, slots = 4;
  std::uint32_t prompt = 24, generated = 72;
  std::uint32_t seed = 7;
  bool chinese = false;
  bool timed = false;  // every step
  bool eight_bits = false;  // KV cache and activations
  bool dynamic = false;     // a policy of experts: tokens take 1 to `slots`
  bool sparse = false;      // attention by pages: choices recorded, every second row measured
};

[[nodiscard]] ExpertRule dynamic_rule();  // of a dynamic shape
// Of a sparse shape: little enough that short runs leave something out.
[[nodiscard]] SparseAttention sparse_policy();
[[nodiscard]] std::shared_ptr<const ModelSummary> model(const Shape& shape);
[[nodiscard]] std::vector<TokenText> tokens(const Shape& shape);
// Attention of every head in `plan`, experts and memory of the first `count` tokens.
[[nodiscard]] std::shared_ptr<const TraceSnapshot> trace(const Shape& shape, const Generate& request,
                                                         std::uint32_t count);

[[nodiscard]] Event loaded(const Shape& shape);
// Everything the engine says of a run, in order: tokenized, prefill, tokens with snapshots every `stride`, finished.
[[nodiscard]] std::vector<Event> run(const Shape& shape, const Generate& request, std::uint32_t stride = 8);

// Loads the model into the state and plays a run of it.
Generate play(WorkbenchState& state, const Shape& shape, Generate request);
[[nodiscard]] Generate all_heads(RequestId id = 1);

// Lets the event loop turn until `done` says so; false after `limit_ms`.
bool wait_until(const std::function<bool()>& done, int limit_ms = 10000);

}  // namespace fovea::synthetic
