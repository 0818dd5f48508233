#include "engine/session/router_traces.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/api/divergence.hpp"
#include "engine/api/nll_score.hpp"
#include "engine/api/semantic_router_facts.hpp"
#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

constexpr std::size_t kKeptLogits = std::size_t{256} << 20;  // bytes of the model's own predictions held at once

void add_position(const RouterShape& shape, const EarlyState& state, std::vector<float>& frame, RouterTrace& trace) {
  make_router_frame(state.hidden, frame);
  std::ranges::transform(frame, std::back_inserter(trace.frames), float_to_half);
  std::vector<std::uint16_t> order(shape.experts);
  for (std::uint32_t layer = shape.first_layer; layer < shape.layers; ++layer) {
    const auto logits = state.router_logits.subspan(std::size_t{layer} * shape.experts, shape.experts);
    const double log_sum = log_sum_exp(logits);
    for (const float logit : logits) trace.probabilities.push_back(float_to_half(static_cast<float>(std::exp(static_cast<double>(logit) - log_sum))));
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::ranges::stable_sort(order, [&](std::uint16_t a, std::uint16_t b) { return logits[a] > logits[b]; });
    trace.chosen.insert(trace.chosen.end(), order.begin(), order.begin() + shape.experts_used);
  }
}

// All K experts before the predicted layers, k in them.
ExpertRule with_fewer(const RouterShape& shape, std::uint32_t k) {
  ExpertRule rule{.count = ExpertCount::fixed};
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) rule.layer_kmax.push_back(layer < shape.first_layer ? shape.experts_used : k);
  return rule;
}

// Where need is measured in a window: in its last quarter, so that the output matrix, whose logits are most of the cost, is needed
// there alone.
std::uint32_t first_measured(const RouterTracing& tracing) { return tracing.window / 4 * 3; }

// Of every Nth token of the last quarter the loss under each number of experts, and the need.
class NeedMeasurement {
 public:
  NeedMeasurement(Engine& engine, const RouterShape& shape, const RouterTracing& tracing, std::stop_token stop)
      : engine_(engine), shape_(shape), tracing_(tracing), stop_(std::move(stop)) {}

  // In the windows numbered `which`.
  Result<void> measure(std::span<const TokenId> tokens, std::span<const std::size_t> starts, std::span<RouterTrace> traces, std::span<const std::size_t> which) {
    std::vector<std::vector<float>> own(which.size());
    for (std::uint32_t k = shape_.experts_used; k > 0; --k) {
      FOVEA_TRY(engine_.choose_experts(k == shape_.experts_used ? std::nullopt : std::optional(with_fewer(shape_, k))));
      for (std::size_t i = 0; i < which.size(); ++i) FOVEA_TRY(one_number(tokens.subspan(starts[which[i]], tracing_.window), k, own[i], traces[which[i]]));
    }
    return engine_.choose_experts(std::nullopt);
  }

 private:
  Result<void> one_number(std::span<const TokenId> window, std::uint32_t k, std::vector<float>& own, RouterTrace& trace) {
    const std::uint32_t used = shape_.experts_used;
    std::size_t row = 0, seen = 0;
    const auto take = [&](std::uint32_t position, std::span<const float> logits) {
      ++seen;
      if (position + 1 >= window.size() || position % tracing_.need_every != tracing_.need_every - 1) return;
      trace.losses[std::size_t{position} * used + k - 1] =
          static_cast<float>(log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(window[position + 1])]));
      if (k == used) {
        own.insert(own.end(), logits.begin(), logits.end());
        trace.need[position] = static_cast<std::uint8_t>(used);
        return;
      }
      const auto reference = std::span<const float>(own).subspan(row++ * logits.size(), logits.size());
      // The smallest number that will do: numbers come in falling order, so the last that does.
      if (kl_divergence(reference, logits) <= kNeedDivergence) trace.need[position] = static_cast<std::uint8_t>(k);
    };
    FOVEA_TRY(engine_.logits(window, first_measured(tracing_), take, stop_));
    if (seen != window.size() - first_measured(tracing_)) return fail(ErrorCode::cancelled, "the traces", "they were stopped", "start again when wanted");
    return {};
  }

  Engine& engine_;
  const RouterShape& shape_;
  const RouterTracing& tracing_;
  std::stop_token stop_;
};

}  // namespace

Result<std::vector<RouterTrace>> trace_windows(Engine& engine, const RouterShape& shape, std::uint32_t domain, std::span<const TokenId> tokens,
                                               std::span<const std::size_t> starts, const RouterTracing& tracing, std::stop_token stop) {
  std::vector<RouterTrace> traces(starts.size());
  std::vector<float> frame(shape.input);
  FOVEA_TRY(engine.choose_experts(std::nullopt));
  for (std::size_t i = 0; i < starts.size(); ++i) {
    RouterTrace& trace = traces[i];
    trace.domain = domain;
    trace.tokens = tracing.window;
    trace.need.resize(trace.tokens);
    trace.losses.resize(std::size_t{trace.tokens} * shape.experts_used);
    FOVEA_TRY(engine.early_states(tokens.subspan(starts[i], tracing.window), shape.first_layer,
                                  [&](const EarlyState& state) { add_position(shape, state, frame, trace); }, stop));
  }
  if (tracing.need_every == 0) return traces;
  std::vector<std::size_t> measured;  // windows
  for (std::size_t i = 0; i < starts.size(); i += std::max(tracing.need_windows, 1u)) measured.push_back(i);
  const std::size_t bytes = std::size_t{tracing.window} / 4 / tracing.need_every * engine.summary().vocabulary * sizeof(float);
  const std::size_t together = std::clamp<std::size_t>(kKeptLogits / std::max<std::size_t>(bytes, 1), 1, std::max<std::size_t>(measured.size(), 1));
  NeedMeasurement need(engine, shape, tracing, stop);
  for (std::size_t at = 0; at < measured.size(); at += together)
    FOVEA_TRY(need.measure(tokens, starts, traces, std::span(measured).subspan(at, std::min(together, measured.size() - at))));
  return traces;
}

}  // namespace fovea
