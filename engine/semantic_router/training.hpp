// Trains a semantic router on traces of its model: AdamW (Loshchilov and Hutter, arXiv 1711.05101) over
//   2 mean_l KL(router_l || softmax(prior_l)) + 0.3 CE(domain) + 0.3 sum_j BCE(need > j),
// rate warmed up, then along a cosine. A step takes eight sequences, whose gradients are summed in their order: a seed gives the
// same bits whatever the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "engine/base/result.hpp"
#include "engine/semantic_router/network.hpp"
#include "engine/semantic_router/trace.hpp"

namespace fovea {

struct RouterTraining {
  std::uint32_t passes = 8;   // over the traces
  std::uint64_t seed = 1;
  double rate = 2e-3;         // the highest
  double decay = 0.01;
  std::uint32_t threads = 0;  // 0: as many as the machine has, at most eight
};

// Derivatives of the losses of a sequence by the answers of `pass`, each over `scale`; returns the sum of the losses of its tokens.
// `first`: the trace's token that the sequence begins with.
template <class Real>
[[nodiscard]] double router_loss(const RouterShape& shape, const RouterTrace& trace, std::uint32_t first, const RouterPass<Real>& pass, double scale,
                                 RouterPass<Real>& by);

// Parameters come rounded to halves, as the side file keeps them. `progress`: share done and the mean loss of the last steps.
// Errors: no traces, of another shape; stopped.
[[nodiscard]] Result<RouterNetwork<float>> train_router(const RouterShape& shape, std::span<const RouterTrace> traces, const RouterTraining& training,
                                                        const std::function<void(double, double)>& progress = {}, std::stop_token stop = {});

// The frames of tokens [first, first + count) as floats.
[[nodiscard]] std::vector<float> unpacked_frames(const RouterShape& shape, const RouterTrace& trace, std::uint32_t first, std::uint32_t count);
// Whether the trace is of this shape, and complete.
[[nodiscard]] bool fits(const RouterShape& shape, const RouterTrace& trace);

}  // namespace fovea
