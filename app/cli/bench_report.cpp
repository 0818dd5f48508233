#include "app/cli/bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/cli/output.hpp"
#include "app/cli/policy.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

// What memory bandwidth means for one test. Only decoding is bound by the bytes of a token: a batch of prompt tokens
// reads the weights once for all of them.
struct Bandwidth {
  std::optional<double> gb_per_s, bound_tps, of_bound;
};

Bandwidth bandwidth_of(const BenchResult& result, std::optional<double> peak_gbs) {
  Bandwidth found;
  if (result.prefill() || result.bytes_per_token <= 0) return found;
  found.gb_per_s = result.bytes_per_token * result.tps.mean / 1e9;
  if (!peak_gbs) return found;
  found.bound_tps = *peak_gbs * 1e9 / result.bytes_per_token;
  found.of_bound = result.tps.mean / *found.bound_tps;
  return found;
}

Json or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

std::string or_dash(std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "-"; }

std::vector<KernelTime> longest_first(std::vector<KernelTime> kernels) {
  std::stable_sort(kernels.begin(), kernels.end(),
                   [](const KernelTime& a, const KernelTime& b) { return a.microseconds > b.microseconds; });
  return kernels;
}

}  // namespace

std::string test_name(const BenchTest& test) {
  return test.prompt > 0 ? fmt::format("pp{}", test.prompt) : fmt::format("tg{}", test.generate);
}

std::string bench_json_line(const BenchResult& result, const ModelSummary& model, std::optional<double> peak_gbs) {
  const Bandwidth bandwidth = bandwidth_of(result, peak_gbs);
  Json value{{"test", test_name(result.test)},
             {"depth", result.test.depth},
             {"tps", {{"mean", result.tps.mean}, {"stddev", result.tps.stddev}, {"median", result.tps.median}}},
             {"bytes_per_token", result.bytes_per_token > 0 ? Json(result.bytes_per_token) : Json(nullptr)},
             {"gb_per_s", or_null(bandwidth.gb_per_s)},
             {"bound_tps", or_null(bandwidth.bound_tps)},
             {"of_bound", or_null(bandwidth.of_bound)},
             {"device", model.device.name},
             {"driver", model.device.driver},
             {"model", model.name},
             {"model_path", model.path},
             {"attention", "dense"},
             {"moe", shown_moe(model)},
             {"kv", "f16"}};
  if (!result.kernels.empty()) {
    Json profile = Json::array();
    for (const KernelTime& kernel : longest_first(result.kernels))
      profile.push_back({{"kernel", kernel.kernel}, {"microseconds", kernel.microseconds}, {"count", kernel.count}});
    value["profile"] = std::move(profile);
  }
  return json_line(value);
}

std::string bench_table_head() {
  return "| model                          | size       | device               | test            | t/s                "
         "| GB/s (derived) | of bound |\n"
         "| ------------------------------ | ---------: | -------------------- | --------------: | -----------------: "
         "| -------------: | -------: |\n";
}

std::string bench_table_row(const BenchResult& result, const ModelSummary& model, std::optional<double> peak_gbs) {
  const Bandwidth bandwidth = bandwidth_of(result, peak_gbs);
  std::string test = test_name(result.test);
  if (result.test.depth > 0) test += fmt::format(" @ d{}", result.test.depth);
  return fmt::format("| {:<30} | {:>6.1f} MiB | {:<20.20} | {:>15} | {:>18} | {:>14} | {:>8} |\n",
                     printable(model.name) + " " + model.quantization,
                     static_cast<double>(model.file_bytes) / (1u << 20), printable(model.device.name), test,
                     fmt::format("{:.2f} +/- {:.2f}", result.tps.mean, result.tps.stddev), or_dash(bandwidth.gb_per_s),
                     or_dash(bandwidth.of_bound));
}

std::string kernel_table(const BenchResult& result) {
  double total = 0;
  for (const KernelTime& kernel : result.kernels) total += kernel.microseconds;
  std::string text =
      fmt::format("\nGPU time of {} at depth {}\n{:<40} {:>12} {:>8} {:>8}\n",
                  result.prefill() ? fmt::format("one batch of {} tokens", result.test.prompt) : "one decoded token",
                  result.test.depth, "kernel", "us", "share", "count");
  for (const KernelTime& kernel : longest_first(result.kernels))
    text += fmt::format("{:<40} {:>12.1f} {:>7.1f}% {:>8}\n", kernel.kernel, kernel.microseconds,
                        total > 0 ? 100 * kernel.microseconds / total : 0.0, kernel.count);
  return text + fmt::format("{:<40} {:>12.1f}\n\n", "all", total);
}

}  // namespace fovea::cli
