// How fast steps went, and what that means beside the bytes that a decoded token must touch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

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

// What memory bandwidth means for decoding; absent is what cannot be told. Only decoding is bound by the bytes of a
// token: a batch of prompt tokens reads the weights once for all of them.
struct Bandwidth {
  std::optional<double> gb_per_s;   // 1e9 bytes a second: counted bytes times measured speed
  std::optional<double> bound_tps;  // tokens a second that the device's peak allows at most
  std::optional<double> of_bound;   // fraction of that reached
};
// `bytes_per_token` 0: unknown. `peak_gbs`: the device's peak in 1e9 bytes a second, where somebody has said it.
[[nodiscard]] Bandwidth decode_bandwidth(double bytes_per_token, double tokens_per_second,
                                         std::optional<double> peak_gbs);

// What a peak may be, in GB/s; anything else is a slip of the pen.
inline constexpr double kLeastPeakGbs = 1e-3, kMostPeakGbs = 1e9;

}  // namespace fovea
