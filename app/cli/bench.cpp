// `bench`: prompt and generation speed, tested and named as llama-bench does.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "app/cli/bench_report.hpp"
#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "engine/api/throughput.hpp"

namespace fovea::cli {
namespace {

struct BenchOptions {
  CommonOptions common;
  std::vector<std::uint32_t> prompts{512}, generates{128}, depths{0};
  std::uint32_t repetitions = 5;
  std::optional<double> peak_gbs;
  bool profile = false;
};

// Every prompt length at every depth, then every generation length.
std::vector<BenchTest> tests_of(const BenchOptions& options) {
  std::vector<BenchTest> tests;
  for (const std::uint32_t depth : options.depths) {
    for (const std::uint32_t prompt : options.prompts)
      if (prompt > 0) tests.push_back({.prompt = prompt, .generate = 0, .depth = depth});
    for (const std::uint32_t generate : options.generates)
      if (generate > 0) tests.push_back({.prompt = 0, .generate = generate, .depth = depth});
  }
  return tests;
}

// An idle GPU answers at a fraction of its clock (345 of 1,980 MHz on an H200) and takes a part of a second to wake up.
constexpr double kWarmUpMilliseconds = 500;

// A warm-up, which also fills the pipeline and page caches, then the repetitions that count.
Result<BenchResult> measure(Engine& engine, const BenchOptions& options, const BenchTest& test, std::stop_token stop) {
  BenchResult result;
  result.test = test;
  for (double spent = 0; spent < kWarmUpMilliseconds;) {
    FOVEA_ASSIGN(const BenchSample sample, engine.bench(test, stop));
    if (stop.stop_requested() || !(sample.milliseconds > 0)) break;
    spent += sample.milliseconds;
  }
  std::vector<double> speeds;
  for (std::uint32_t i = 0; i < options.repetitions; ++i) {
    FOVEA_ASSIGN(const BenchSample sample, engine.bench(test, stop));
    const double tokens = test.prompt + test.generate;
    if (stop.stop_requested() || !(sample.milliseconds > 0))
      return fail(ErrorCode::cancelled, "bench", "stopped before " + test_name(test) + " was measured", "run it again");
    speeds.push_back(tokens * 1000 / sample.milliseconds);
    result.bytes_per_token = sample.bytes_per_token;
    const ModelSummary& model = engine.summary();
    const AttentionWork& work = result.prefill() ? sample.attention.prefill : sample.attention.decode;
    result.density = attention_density(work, model.kv_heads);
    result.flops_ratio = flops_ratio(work, model);
    result.routing = result.prefill() ? sample.routing.prefill : sample.routing.decode;
  }
  result.tps = timing_statistics(speeds);
  if (options.profile) {
    FOVEA_ASSIGN(result.kernels,
                 result.prefill() ? engine.profile_prefill(test.prompt, test.depth) : engine.profile_decode(test.depth));
  }
  return result;
}

Result<void> run_bench(const BenchOptions& options, Process& process) {
  const std::vector<BenchTest> tests = tests_of(options);
  std::uint64_t room = 0;
  for (const BenchTest& test : tests) room = std::max(room, std::uint64_t{test.depth} + test.prompt + test.generate);
  if (tests.empty() || room > std::numeric_limits<std::uint32_t>::max())
    return fail(ErrorCode::usage, "bench", tests.empty() ? "every test has length 0" : "a test is too long",
                "give -p or -n a length that fits the model's context");
  FOVEA_ASSIGN(const auto engine,
               load_engine(options.common, static_cast<std::uint32_t>(room), process.stop.get_token()));
  const ModelSummary& model = engine->summary();
  if (!options.common.json) process.out.write(bench_table_head());
  std::string profiles;
  for (const BenchTest& test : tests) {
    FOVEA_ASSIGN(const BenchResult result, measure(*engine, options, test, process.stop.get_token()));
    if (!process.out.write(options.common.json ? bench_json_line(result, model, options.peak_gbs)
                                               : bench_table_row(result, model, options.peak_gbs)))
      return {};
    if (options.profile && !options.common.json) profiles += profile_table(result);
  }
  process.out.write(profiles);
  return {};
}

void add_list(CLI::App& parser, const std::string& names, std::vector<std::uint32_t>& list,
              const std::string& description) {
  parser.add_option(names, list, description)
      ->type_name("N,..")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(whole_number(0, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

void add_bench(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("bench", "Measure the speed of prompts (pp) and generation (tg)");
  const auto options = std::make_shared<BenchOptions>();
  add_common_options(*parser, options->common);
  add_list(*parser, "-p,--n-prompt", options->prompts, "Prompt lengths, 0 = none (default: 512)");
  add_list(*parser, "-n,--n-gen", options->generates, "Tokens to generate, 0 = none (default: 128)");
  add_list(*parser, "-d,--n-depth", options->depths, "Tokens in the context before the test (default: 0)");
  parser
      ->add_option("-r,--repetitions", options->repetitions,
                   "Measurements of each test, after a warm-up of half a second or one measurement (default: 5)")
      ->type_name("R")
      ->check(whole_number(1, 10000));
  parser->add_option("--peak-gbs", options->peak_gbs, "Memory bandwidth of the device in GB/s, to tell the bound")
      ->type_name("GBS")
      ->check(real_number(kLeastPeakGbs, kMostPeakGbs));
  parser->add_flag("--profile", options->profile, "Print GPU time per kernel");
  commands.push_back({parser, [options](Process& process) { return run_bench(*options, process); }});
}

}  // namespace fovea::cli
