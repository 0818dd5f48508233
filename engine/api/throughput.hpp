// How fast steps went, and what that means beside the bytes and steps that a decoded token must take.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/api/model_summary.hpp"
#include "engine/api/routing_facts.hpp"
#include "engine/api/sparse_attention.hpp"
#include "engine/api/trace.hpp"

namespace fovea {

// Speed of one phase over some of its steps, by the engine's own clock.
struct PhaseSpeed {
  double tokens_per_second = 0;
  double milliseconds = 0;
  std::uint32_t tokens = 0;
  double mean_depth = 0;   // positions in the cache before a prompt's batch or a decoded token, averaged
  bool recording = false;  // attention was recorded in some of the steps
  bool timing = false;     // kernels were timed in some of them
};

inline constexpr double kSpeedWindowMs = 1000;  // what "now" means for a live speed

// The newest steps of a phase that fill `window_ms`, the last of them whole; without a window, all of its steps.
// nullopt: the phase has no step that took time.
[[nodiscard]] std::optional<PhaseSpeed> phase_speed(std::span<const StepTiming> steps, bool prefill,
                                                    std::optional<double> window_ms = std::nullopt);

// What a step behind a barrier takes on a GPU however little it does: a chain of dispatches of 132 workgroups, measured
// on an H200. A CPU driver's figure depends on the processor, and none was counted.
inline constexpr double kGpuStepMicroseconds = 2.4;

// Bytes that a decoded token touches at `depth` positions, counted: TokenBytes, less the pages that sparse attention did not
// read, its bounds, and the experts that the token did not use. 0: the weights were not loaded.
[[nodiscard]] double bytes_touched(const ModelSummary& model, double depth, const AttentionWork& decode, const RoutingWork& routed);

// Operations of attention over dense attention's under the model's policy (attention_flops_ratio).
[[nodiscard]] double flops_ratio(const AttentionWork& work, const ModelSummary& model);

// What a decoded token must do, counted.
struct TokenWork {
  double bytes = 0;         // to touch; 0: unknown
  std::uint32_t steps = 0;  // one after another on a GPU; 0: unknown, or no GPU
};
[[nodiscard]] TokenWork token_work(const ModelSummary& model, double bytes);

// What that means for decoding; absent is what cannot be told. The bound is the sum of both floors, since a step's
// bytes are not asked for before the step begins. Only decoding is bound so: a batch of prompt tokens reads the weights
// once for all of them.
struct DecodeBound {
  std::optional<double> gb_per_s;          // 1e9 bytes a second: counted bytes times measured speed
  std::optional<double> bytes_us;          // microseconds that the device's peak takes for the bytes
  std::optional<double> steps_us;          // microseconds of the steps
  std::optional<double> tokens_per_second;  // at most; absent without a peak
  std::optional<double> fraction;          // of that reached
};
// `peak_gbs`: the device's peak in 1e9 bytes a second, where somebody has said it.
[[nodiscard]] DecodeBound decode_bound(const TokenWork& work, double tokens_per_second, std::optional<double> peak_gbs);

// What a peak may be, in GB/s; anything else is a slip of the pen.
inline constexpr double kLeastPeakGbs = 1e-3, kMostPeakGbs = 1e9;

}  // namespace fovea
