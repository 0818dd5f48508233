// `generate`: continues a prompt, streaming text as it comes or printing one JSON object at the end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/attention_figures.hpp"
#include "app/cli/command.hpp"
#include "app/cli/device_figures.hpp"
#include "app/cli/kernel_table.hpp"
#include "app/cli/load.hpp"
#include "app/cli/moe_figures.hpp"
#include "app/cli/options.hpp"
#include "app/cli/run_request.hpp"
#include "engine/api/expert_patterns.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

struct GenerateOptions {
  CommonOptions common;
  RunRequest run;
  bool profile = false;
};

Json attention_json(const RunResult& run, const ModelSummary& model) {
  Json attention = cli::attention_json(model, run.attention);
  std::uint64_t rows = 0;
  for (const HeadTrace& head : run.trace->heads)
    for (const auto& chunk : head.chunks) rows += chunk->rows;
  attention["kv_tiers"] = tiers_json(run.trace->tiers.get());
  attention["recorded"] = {{"heads", run.trace->heads.size()}, {"rows", rows}};
  add_recall(attention, run.trace->pages ? MeasuredRows(run.trace->pages->rows) : MeasuredRows{}, model);
  return attention;
}

Json profile_json(const TraceSnapshot& trace) {
  const auto phase = [](const std::shared_ptr<const KernelTimes>& times) {
    return times ? Json{{"steps", times->steps}, {"tokens", times->tokens}, {"kernels", kernel_json(times->kernels)}}
                 : Json(nullptr);
  };
  return {{"prefill", phase(trace.prefill_kernels)}, {"decode", phase(trace.decode_kernels)}};
}

// Sums over the phase, not means: the count says over how much.
std::string profile_text(const TraceSnapshot& trace) {
  std::string text;
  const auto add = [&](const char* phase, const std::shared_ptr<const KernelTimes>& times) {
    if (times)
      text += kernel_table(fmt::format("GPU time of {}, {} tokens in {} steps", phase, times->tokens, times->steps),
                           times->kernels);
  };
  add("prefill", trace.prefill_kernels);
  add("decode", trace.decode_kernels);
  return text;
}

Json to_json(const RunResult& run, const ModelSummary& model) {
  const RunTimings& timings = run.timings;
  Json ids = Json::array(), prompt_ids = Json::array();
  for (const TokenText& token : run.tokens) (token.prompt ? prompt_ids : ids).push_back(token.id);
  Json value{{"text", run.text},
             {"tokens", std::move(ids)},
             {"prompt_tokens", run.prompt_tokens},
             {"prompt_token_ids", std::move(prompt_ids)},
             {"stop", name(run.reason)},
             {"seed", run.seed},
             {"timings",
              {{"load_ms", model.load_ms},
               {"prompt_ms", timings.prompt_ms},
               {"prompt_tps", timings.prompt_tps()},
               {"decode_ms", timings.decode_ms},
               {"decode_tps", timings.decode_tps()},
               {"first_token_ms", timings.first_token_ms},
               {"recording", timings.recording},
               {"timing", timings.timing}}},
             {"memory",
              {{"weights", run.memory.weights},
               {"kv", run.memory.kv},
               {"kv_type", name(model.kv)},
               {"compute", run.memory.compute},
               {"other", run.memory.other},
               {"estimate", model.estimate.total()},
               {"peak", run.memory_peak}}}};
  value["attention"] = run.trace ? attention_json(run, model) : Json(nullptr);
  value["activations"] = name(model.activations);
  value["adaptation"] = fits_json(model.fits);
  const RoutingFacts recorded = run.trace ? recorded_routing(run.trace->routing, run.prompt_tokens) : RoutingFacts{};
  RoutingFacts counted = run.routing;
  if (run.trace) counted.prefetch.recent = recent_hits(run.trace->routing, counted.prefetch.size, counted.prefetch.first_layer);
  value["moe"] = moe_json(model, recorded.prefill.empty() ? counted : recorded, counted);
  if (timings.timing) value["profile"] = profile_json(*run.trace);
  value["note"] = run.trace && !run.trace->note.empty() ? Json(run.trace->note) : Json(nullptr);
  return value;
}

std::string summary_line(const RunResult& run) {
  const RunTimings& timings = run.timings;
  return fmt::format("prompt {} tokens, {:.2f} tok/s; generated {} tokens, {:.2f} tok/s{}; stopped by {}; seed {}\n",
                     timings.prompt_tokens, timings.prompt_tps(), timings.generated_tokens, timings.decode_tps(),
                     timings.recording && timings.timing ? " (while recording attention and timing kernels)"
                     : timings.recording                 ? " (while recording attention)"
                     : timings.timing                    ? " (while timing kernels)"
                                                         : "",
                     name(run.reason), run.seed);
}

Result<void> run_generate(const GenerateOptions& options, Process& process) {
  FOVEA_ASSIGN(std::string prompt, read_prompt(options.run));
  FOVEA_ASSIGN(const auto engine, load_engine(options.common, 0, process.stop.get_token()));
  FOVEA_ASSIGN(const Generate request, request_of(options.run, options.common.seed, engine->summary(), std::move(prompt)));

  RunObserver observer;
  bool wrote = false;
  if (options.profile) observer.time_kernels = [] { return true; };
  if (!options.common.json)
    observer.tokens = [&](const TokensGenerated& generated) {
      for (const TokenText& token : generated.tokens) {
        if (!process.out.write(token.text)) process.stop.request_stop();
        wrote = wrote || !token.text.empty();
      }
    };
  const Result<RunResult> run = engine->generate(request, observer, process.stop.get_token());
  if (!run) {
    if (wrote) process.out.write("\n");
    return tl::unexpected<Error>(run.error());
  }
  if (options.common.json)
    process.out.write_json(to_json(*run, engine->summary()));
  else if (process.out.write("\n"))
    fmt::print(stderr, "{}{}", summary_line(*run), run->trace && options.profile ? profile_text(*run->trace) : "");
  return {};
}

}  // namespace

void add_generate(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("generate", "Continue a prompt");
  const auto options = std::make_shared<GenerateOptions>();
  add_common_options(*parser, options->common);
  add_run_options(*parser, options->run);
  parser->add_flag("--profile", options->profile, "Tell GPU time per kernel; the timestamps slow the run");
  commands.push_back({parser, [options](Process& process) { return run_generate(*options, process); }});
}

}  // namespace fovea::cli
