#include "app/cli/bench_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/kernel_table.hpp"
#include "app/cli/output.hpp"
#include "app/cli/policy.hpp"
#include "engine/api/throughput.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

Bandwidth bandwidth_of(const BenchResult& result, std::optional<double> peak_gbs) {
  if (result.prefill()) return {};
  return decode_bandwidth(result.bytes_per_token, result.tps.mean, peak_gbs);
}

Json or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

std::string or_dash(std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "-"; }

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
             {"kv", name(model.kv)},
             {"activations", name(model.activations)}};
  if (!result.kernels.empty()) value["profile"] = kernel_json(result.kernels);
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

std::string profile_table(const BenchResult& result) {
  return kernel_table(
      fmt::format("GPU time of {} at depth {}",
                  result.prefill() ? fmt::format("one batch of {} tokens", result.test.prompt) : "one decoded token",
                  result.test.depth),
      result.kernels);
}

}  // namespace fovea::cli
