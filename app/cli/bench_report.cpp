#include "app/cli/bench_report.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/kernel_table.hpp"
#include "app/cli/output.hpp"
#include "engine/api/throughput.hpp"
#include "engine/session/policy.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

DecodeBound bound_of(const BenchResult& result, const ModelSummary& model, std::optional<double> peak_gbs) {
  if (result.prefill()) return {};
  return decode_bound(token_work(model, result.bytes_per_token), result.tps.mean, peak_gbs);
}

double expert_k_mean(const BenchResult& result, const ModelSummary& model) {
  return result.routing.empty() ? model.experts_used : over_layers(result.routing).mean_experts();
}

Json or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

std::string or_dash(std::optional<double> value) { return value ? fmt::format("{:.2f}", *value) : "-"; }

}  // namespace

std::string test_name(const BenchTest& test) {
  return test.prompt > 0 ? fmt::format("pp{}", test.prompt) : fmt::format("tg{}", test.generate);
}

std::string bench_json_line(const BenchResult& result, const ModelSummary& model, std::optional<double> peak_gbs) {
  const DecodeBound bound = bound_of(result, model, peak_gbs);
  const bool decodes = !result.prefill();
  Json value{{"test", test_name(result.test)},
             {"depth", result.test.depth},
             {"tps", {{"mean", result.tps.mean}, {"stddev", result.tps.stddev}, {"median", result.tps.median}}},
             {"bytes_per_token", result.bytes_per_token > 0 ? Json(result.bytes_per_token) : Json(nullptr)},
             {"steps_per_token", decodes && model.token_steps > 0 ? Json(model.token_steps) : Json(nullptr)},
             {"gb_per_s", or_null(bound.gb_per_s)},
             {"bound_us", {{"bytes", or_null(bound.bytes_us)}, {"steps", or_null(bound.steps_us)}}},
             {"bound_tps", or_null(bound.tokens_per_second)},
             {"of_bound", or_null(bound.fraction)},
             {"device", model.device.name},
             {"driver", model.device.driver},
             {"model", model.name},
             {"model_path", model.path},
             {"attention", shown_attention(model.attention, model.top_share)},
             {"attention_density", result.density},
             {"attention_flops_ratio", result.flops_ratio},
             {"moe", shown_moe(model)},
             {"expert_k_mean", model.experts_used > 0 ? Json(expert_k_mean(result, model)) : Json(nullptr)},
             {"expert_bytes_per_token", model.experts_used > 0 ? Json(expert_bytes(model, result.routing)) : Json(nullptr)},
             {"kv", name(model.kv)},
             {"activations", decodes ? Json(name(model.activations)) : Json(nullptr)}};
  if (!result.kernels.empty()) value["profile"] = kernel_json(result.kernels);
  return json_line(value);
}

std::string bench_table_head() {
  return "| model                          | size       | device               | test            | t/s                "
         "| MB/token | steps | GB/s (derived) | bound t/s | of bound |\n"
         "| ------------------------------ | ---------: | -------------------- | --------------: | -----------------: "
         "| -------: | ----: | -------------: | --------: | -------: |\n";
}

std::string bench_table_row(const BenchResult& result, const ModelSummary& model, std::optional<double> peak_gbs) {
  const DecodeBound bound = bound_of(result, model, peak_gbs);
  std::string test = test_name(result.test);
  if (result.test.depth > 0) test += fmt::format(" @ d{}", result.test.depth);
  return fmt::format("| {:<30} | {:>6.1f} MiB | {:<20.20} | {:>15} | {:>18} "
                     "| {:>8} | {:>5} | {:>14} | {:>9} | {:>8} |\n",
                     printable(model.name) + " " + model.quantization,
                     static_cast<double>(model.file_bytes) / (1u << 20), printable(model.device.name), test,
                     fmt::format("{:.2f} +/- {:.2f}", result.tps.mean, result.tps.stddev),
                     result.bytes_per_token > 0 ? fmt::format("{:.2f}", result.bytes_per_token / 1e6) : "-",
                     !result.prefill() && model.token_steps > 0 ? fmt::format("{}", model.token_steps) : "-",
                     or_dash(bound.gb_per_s), or_dash(bound.tokens_per_second), or_dash(bound.fraction));
}

std::string profile_table(const BenchResult& result) {
  return kernel_table(
      fmt::format("GPU time of {} at depth {}",
                  result.prefill() ? fmt::format("one batch of {} tokens", result.test.prompt) : "one decoded token",
                  result.test.depth),
      result.kernels);
}

}  // namespace fovea::cli
