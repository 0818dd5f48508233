// `trace`: a run like `generate`'s, kept in a file with all that was recorded of it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/options.hpp"
#include "app/cli/run_request.hpp"
#include "engine/io/sha256.hpp"
#include "engine/runs/run_file.hpp"
#include "engine/runs/run_figures.hpp"
#include "engine/runs/run_header.hpp"
#include "engine/session/run_record.hpp"

namespace fovea::cli {
namespace {

struct TraceOptions {
  CommonOptions common;
  RunRequest run;
  std::string file;
};

Result<void> run_trace(const TraceOptions& options, Process& process) {
  FOVEA_ASSIGN(std::string prompt, read_prompt(options.run));
  FOVEA_ASSIGN(const auto engine, load_engine(options.common, 0, process.stop.get_token()));
  FOVEA_ASSIGN(const Generate request, request_of(options.run, options.common.seed, engine->summary(), std::move(prompt)));
  FOVEA_ASSIGN(const RunResult result, engine->generate(request, {}, process.stop.get_token()));
  RunRecord record = record_of(engine->summary(), request, result);
  FOVEA_ASSIGN(record.model.sha256, file_sha256(record.path));
  const auto kept = std::make_shared<const RunRecord>(std::move(record));
  FOVEA_TRY(write_run_file(options.file, {.a = kept}));
  if (options.common.json) {
    process.out.write_json(run_json(*kept));
    return {};
  }
  const Coverage coverage = coverage_of(*kept);
  process.out.write(fmt::format("{}: {} tokens ({} of them the prompt's), experts of {}, {} rows of attention of {} heads, {} steps timed; stopped by {}; seed {}\n",
                                printable(options.file), coverage.tokens, kept->prompt_tokens(), coverage.routed_tokens, coverage.rows, coverage.heads,
                                kept->trace->steps.size(), name(kept->reason), kept->seed));
  return {};
}

}  // namespace

void add_trace(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("trace", "Continue a prompt and keep what was recorded in a run file");
  const auto options = std::make_shared<TraceOptions>();
  add_common_options(*parser, options->common);
  add_run_options(*parser, options->run);
  parser->add_option("-o,--output", options->file, "The run file to write")
      ->required()
      ->type_name("RUN.fovea")
      ->check([](const std::string& name) { return std::string(name.empty() ? "the file name is empty" : ""); });
  commands.push_back({parser, [options](Process& process) { return run_trace(*options, process); }});
}

}  // namespace fovea::cli
