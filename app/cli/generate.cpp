// `generate`: continues a prompt, streaming text as it comes or printing one JSON object at the end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/cli/attention_figures.hpp"
#include "app/cli/command.hpp"
#include "app/cli/kernel_table.hpp"
#include "app/cli/load.hpp"
#include "app/cli/moe_figures.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/text_source.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

struct GenerateOptions {
  CommonOptions common;
  TextSource text;
  std::int64_t tokens = 128;  // -1: until the context is full
  SamplingOptions sampling;
  bool chat = false;
  std::string system;
  std::vector<std::string> record;  // "LAYER,HEAD" or "all"
  bool no_routing = false;
  std::uint32_t measure = 0;
  bool profile = false;
};

// "3,11"; nullopt when it is not two numbers.
std::optional<HeadId> parse_head(std::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto layer = parse_count(text.substr(0, comma)), head = parse_count(text.substr(comma + 1));
  if (!layer || !head) return std::nullopt;
  return HeadId{*layer, *head};
}

Result<TracePlan> trace_plan(const GenerateOptions& options, const ModelSummary& model) {
  TracePlan plan;
  plan.routing = !options.no_routing;
  plan.measure_every = options.measure;
  for (const std::string& written : options.record) {
    const auto id = parse_head(written);
    if (!id) {
      plan.all_heads = true;
      continue;
    }
    if (id->layer >= model.layers || id->head >= model.query_heads)
      return fail(ErrorCode::usage, "--record " + written,
                  fmt::format("this model has {} layers of {} heads", model.layers, model.query_heads),
                  "count both from 0");
    plan.heads.push_back(*id);
  }
  return plan;
}

Result<Generate> request_of(const GenerateOptions& options, const ModelSummary& model, std::string prompt) {
  Generate request;
  request.prompt = std::move(prompt);
  request.chat = options.chat;
  request.system = options.system;
  request.max_tokens =
      options.tokens < 0 ? std::numeric_limits<std::uint32_t>::max() : static_cast<std::uint32_t>(options.tokens);
  request.sampling = options.sampling;
  request.sampling.seed = options.common.seed;
  FOVEA_ASSIGN(request.trace, trace_plan(options, model));
  return request;
}

std::string_view shown(StopReason reason) {
  switch (reason) {
    case StopReason::length:
      return "length";
    case StopReason::end_of_text:
      return "end_of_text";
    case StopReason::cancelled:
      return "cancelled";
    case StopReason::context_full:
      return "context_full";
  }
  return "unknown";
}

Json attention_json(const RunResult& run, const ModelSummary& model) {
  Json attention = cli::attention_json(model, run.attention);
  std::uint64_t rows = 0;
  for (const HeadTrace& head : run.trace->heads)
    for (const auto& chunk : head.chunks) rows += chunk->rows;
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
             {"stop", shown(run.reason)},
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
  const RoutingFacts recorded = run.trace ? recorded_routing(run.trace->routing, run.prompt_tokens) : RoutingFacts{};
  value["moe"] = moe_json(model, recorded.prefill.empty() ? run.routing : recorded, run.routing);
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
                     shown(run.reason), run.seed);
}

// One final newline of a file is the editor's, not the prompt's (as llama.cpp reads -f).
std::string without_final_newline(std::string text) {
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<void> run_generate(const GenerateOptions& options, Process& process) {
  FOVEA_ASSIGN(std::string prompt, read_text(options.text));
  if (!options.text.file.empty()) prompt = without_final_newline(std::move(prompt));
  FOVEA_ASSIGN(const auto engine, load_engine(options.common, 0, process.stop.get_token()));
  FOVEA_ASSIGN(const Generate request, request_of(options, engine->summary(), std::move(prompt)));

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

void add_sampling_options(CLI::App& parser, SamplingOptions& sampling) {
  constexpr double largest = 1e9;  // far beyond any use, well inside a float
  constexpr std::int64_t longest = std::numeric_limits<std::int32_t>::max();
  parser.add_option("--temp", sampling.temperature, "Temperature; 0 takes the most likely token (default: 0.8)")
      ->check(real_number(-largest, largest));
  parser.add_option("--top-k", sampling.top_k, "Keep the K most likely tokens; 0 = all (default: 40)");
  parser
      .add_option("--top-p", sampling.top_p,
                  "Keep the most likely tokens up to this probability; 1 = off (default: 0.95)")
      ->check(real_number(0, 1));
  parser.add_option("--min-p", sampling.min_p, "Drop tokens below this part of the likeliest; 0 = off (default: 0.05)")
      ->check(real_number(0, 1));
  parser
      .add_option("--repeat-penalty", sampling.repeat_penalty, "Penalty of tokens seen lately; 1 = off (default: 1.0)")
      ->check(real_number(1e-9, largest));
  parser
      .add_option("--repeat-last-n", sampling.repeat_last_n, "How many tokens are lately; -1 = context (default: 64)")
      ->check(whole_number(-1, longest));
}

}  // namespace

void add_generate(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("generate", "Continue a prompt");
  const auto options = std::make_shared<GenerateOptions>();
  add_common_options(*parser, options->common);
  add_text_options(*parser, options->text);
  parser
      ->add_option("-n,--predict", options->tokens, "Tokens to generate; -1 = until the context is full (default: 128)")
      ->check(whole_number(-1, std::numeric_limits<std::uint32_t>::max()));
  add_sampling_options(*parser, options->sampling);
  auto* const chat = parser->add_flag("--chat", options->chat, "Wrap the prompt in the model's chat format");
  parser->add_option("--system", options->system, "System message of the chat")->needs(chat)->type_name("TEXT");
  parser->add_option("--record", options->record, "Record exact attention rows of a head, or of all; repeatable")
      ->type_name("LAYER,HEAD|all")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        return std::string(text == "all" || parse_head(text) ? "" : "write LAYER,HEAD in numbers, or all");
      });
  parser->add_flag("--no-routing", options->no_routing, "Do not record which experts were chosen");
  parser->add_option("--measure", options->measure, "Measure in every Nth row how much of dense attention its pages hold")
      ->type_name("N")
      ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
  parser->add_flag("--profile", options->profile, "Tell GPU time per kernel; the timestamps slow the run");
  commands.push_back({parser, [options](Process& process) { return run_generate(*options, process); }});
}

}  // namespace fovea::cli
