// How benchmark results are printed: one JSON object a line, or a table like llama-bench's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cli/timing_statistics.hpp"
#include "engine/api/kernel_times.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/session/engine.hpp"

namespace fovea::cli {

struct BenchResult {
  BenchTest test;
  TimingStatistics tps;             // tokens per second
  double bytes_per_token = 0;       // counted, not measured; 0 = unknown
  double density = 1, flops_ratio = 1;  // of attention, in the phase that is tested; of a prompt that of its own tokens behind the depth
  RoutingWork routing;              // likewise, of a policy of experts
  std::vector<KernelTime> kernels;  // with --profile

  [[nodiscard]] bool prefill() const { return test.prompt > 0; }
};

[[nodiscard]] std::string test_name(const BenchTest& test);  // "pp512", "tg128"
[[nodiscard]] std::string bench_json_line(const BenchResult& result, const ModelSummary& model,
                                          std::optional<double> peak_gbs);
[[nodiscard]] std::string bench_table_head();
[[nodiscard]] std::string bench_table_row(const BenchResult& result, const ModelSummary& model,
                                          std::optional<double> peak_gbs);
// GPU time per kernel, the longest first.
[[nodiscard]] std::string profile_table(const BenchResult& result);

}  // namespace fovea::cli
