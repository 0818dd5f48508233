// `compare`: two runs of one prompt and seed under two policies, or two run files, and what differs.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/cli/command.hpp"
#include "app/cli/comparison_text.hpp"
#include "app/cli/load.hpp"
#include "app/cli/options.hpp"
#include "app/cli/run_request.hpp"
#include "app/cli/written_file.hpp"
#include "engine/io/sha256.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/runs/comparison.hpp"
#include "engine/runs/comparison_export.hpp"
#include "engine/session/policy_scoring.hpp"
#include "engine/session/run_record.hpp"

namespace fovea::cli {
namespace {

struct CompareOptions {
  CommonOptions common;
  RunRequest run;
  std::vector<std::string> files;
  std::vector<std::string> a, b;  // specs of attention and of experts
  std::string on;                 // the text that is scored; "" = A's tokens
  bool score = false, no_score = false, frontier = false;
  std::vector<std::string> points;  // further policies of experts in the frontier
  std::string html, csv, whole_json, save;
};

// Modes of experts have other names than those of attention.
bool is_moe(std::string_view spec) { return spec.starts_with("static") || spec.starts_with("dynamic"); }

CommonOptions side_options(const CompareOptions& options, const std::vector<std::string>& specs) {
  CommonOptions side = options.common;
  for (const std::string& spec : specs) (is_moe(spec) ? side.policy.moe : side.policy.attention) = spec;
  return side;
}

void show_progress(const char* doing, double fraction) {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\x1b[K{} {:.0f} %", doing, 100 * fraction);
}
void end_progress() {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\x1b[K");
}

ScoredText text_to_score(const CompareOptions& options, const RunRecord& a) {
  if (!options.on.empty()) return {.name = "the text " + shown_name(options.on), .file = options.on};
  ScoredText text{.name = "the tokens of A", .first = std::max(a.prompt_tokens(), 1u)};
  for (const TokenText& token : a.tokens()) text.tokens.push_back(token.id);
  return text;
}

Result<std::shared_ptr<const RunRecord>> run_side(Engine& engine, const CompareOptions& options, const std::string& prompt, std::int64_t seed, std::stop_token stop) {
  FOVEA_ASSIGN(const Generate request, request_of(options.run, seed, engine.summary(), prompt));
  FOVEA_ASSIGN(const RunResult result, engine.generate(request, {}, std::move(stop)));
  return std::make_shared<const RunRecord>(record_of(engine.summary(), request, result));
}

// Both policies on one prompt, then on one text. B's speed is measured while A's model rests in memory, which takes no time.
Result<RunFile> run_both(const CompareOptions& options, std::string& why_not_scored, std::stop_token stop) {
  FOVEA_ASSIGN(const std::string prompt, read_prompt(options.run));
  RunFile runs;
  FOVEA_ASSIGN(auto engine_a, load_engine(side_options(options, options.a), 0, stop));
  FOVEA_ASSIGN(runs.a, run_side(*engine_a, options, prompt, options.common.seed, stop));
  auto loaded = load_engine(side_options(options, options.b), 0, stop);
  if (!loaded && loaded.error().code == ErrorCode::memory) {
    engine_a.reset();
    why_not_scored = "the model does not fit into memory twice";
    loaded = load_engine(side_options(options, options.b), 0, stop);
  }
  FOVEA_ASSIGN(const auto engine_b, std::move(loaded));
  FOVEA_ASSIGN(runs.b, run_side(*engine_b, options, prompt, static_cast<std::int64_t>(runs.a->seed), stop));
  if (options.no_score || !engine_a) return runs;
  const ScoredText text = text_to_score(options, *runs.a);
  if (text.file.empty() && text.tokens.size() < std::size_t{text.first} + 2) {
    why_not_scored = "A generated fewer than two tokens";
    return runs;
  }
  FOVEA_ASSIGN(const ScoredText resolved, resolve_text(*engine_a, text));
  FOVEA_ASSIGN(PairScores scores, score_pair(*engine_a, *engine_b, resolved, show_progress, stop));
  runs.scores = std::make_shared<const PairScores>(std::move(scores));
  return runs;
}

Result<RunFile> read_both(const CompareOptions& options) {
  FOVEA_ASSIGN(RunFile first, read_run_file(options.files.front()));
  if (options.files.size() == 1) {
    if (first.b) return first;
    return fail(ErrorCode::usage, "run file " + shown_name(options.files.front()), "it holds one run", "name a second file to compare it with");
  }
  FOVEA_ASSIGN(const RunFile second, read_run_file(options.files.back()));
  if (first.b || second.b)
    return fail(ErrorCode::usage, "run file " + shown_name(first.b ? options.files.front() : options.files.back()), "it holds a comparison, not a run",
                "name it alone, or name two runs");
  return RunFile{.a = first.a, .b = second.a, .scores = {}, .frontier = {}};
}

// The model that is to score recorded runs must be theirs.
Result<void> check_model(const std::filesystem::path& path, const RunRecord& run) {
  FOVEA_ASSIGN(const ModelSummary summary, inspect(path));
  RunModel model = run_model(summary);
  if (!run.model.sha256.empty()) {
    FOVEA_ASSIGN(model.sha256, file_sha256(path));
  }
  if (model.same_as(run.model)) return {};
  return fail(ErrorCode::usage, "the model " + shown_name(path.string()), "the runs are of another one, " + shown_name(run.model.file), "name theirs with -m");
}

Result<ScoringModel> scoring_model(const CompareOptions& options, const RunFile& runs) {
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options.common));
  if (!options.files.empty()) {
    FOVEA_TRY(check_model(path, *runs.a));
    FOVEA_TRY(check_model(path, *runs.b));
  }
  return ScoringModel{path, options.common.device, options.common.context};
}

Result<RunFile> gather(const CompareOptions& options, std::string& why_not_scored, std::stop_token stop) {
  if (options.files.empty()) return run_both(options, why_not_scored, std::move(stop));
  FOVEA_ASSIGN(RunFile runs, read_both(options));
  if (!options.score && options.on.empty()) return runs;
  FOVEA_ASSIGN(const ScoringModel model, scoring_model(options, runs));
  FOVEA_ASSIGN(PairScores scores, score_policies(model, text_to_score(options, *runs.a), runs.a->policy, runs.b->policy, show_progress, std::move(stop)));
  runs.scores = std::make_shared<const PairScores>(std::move(scores));
  return runs;
}

Result<void> add_frontier(const CompareOptions& options, RunFile& runs, std::stop_token stop) {
  FOVEA_ASSIGN(const ScoringModel model, scoring_model(options, runs));
  std::vector<PolicyText> policies{runs.a->policy, runs.b->policy};
  PolicyText base;
  base.kv = runs.a->policy.kv;
  for (const std::string& point : options.points) {
    policies.push_back(base);
    policies.back().moe = point;
  }
  FOVEA_ASSIGN(Frontier frontier, measure_frontier(model, text_to_score(options, *runs.a), base, policies, show_progress, {}, std::move(stop)));
  runs.frontier = std::make_shared<const Frontier>(std::move(frontier));
  return {};
}

Result<void> export_all(const CompareOptions& options, const Comparison& comparison) {
  if (!options.save.empty()) FOVEA_TRY(write_run_file(options.save, comparison.file()));
  if (!options.html.empty()) FOVEA_TRY(write_text(options.html, comparison_html(comparison)));
  if (!options.csv.empty()) FOVEA_TRY(write_text(options.csv, comparison_csv(comparison)));
  if (!options.whole_json.empty()) FOVEA_TRY(write_text(options.whole_json, comparison_text_json(comparison)));
  return {};
}

Result<void> run_compare(const CompareOptions& options, Process& process) {
  if (options.files.empty() && options.a.empty() && options.b.empty())
    return fail(ErrorCode::usage, "compare", "there is nothing to compare", "name two run files, or two policies with --a and --b and a prompt with -p or -f");
  if (!options.files.empty() && (!options.a.empty() || !options.b.empty()))
    return fail(ErrorCode::usage, "compare", "run files have policies of their own", "leave out --a and --b, or the files");
  if (options.files.empty() && options.run.text.prompt.empty() && options.run.text.file.empty())
    return fail(ErrorCode::usage, "compare", "two policies need one prompt", "give it with -p or -f");
  std::string why_not_scored;
  FOVEA_ASSIGN(RunFile runs, gather(options, why_not_scored, process.stop.get_token()));
  if (options.frontier || !options.points.empty()) FOVEA_TRY(add_frontier(options, runs, process.stop.get_token()));
  end_progress();
  const Comparison comparison(std::move(runs));
  FOVEA_TRY(export_all(options, comparison));
  if (options.common.json)
    process.out.write_json(comparison_json(comparison, false));
  else
    process.out.write(comparison_text(comparison));
  if (!why_not_scored.empty()) fmt::print(stderr, "fovea: predictions were not compared: {}\n", why_not_scored);
  return {};
}

std::string side_problem(const std::string& text) { return spec_problem(is_moe(text) ? "moe" : "attention", text); }

}  // namespace

void add_compare(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("compare", "Hold two runs against each other: two run files, or two policies on one prompt");
  const auto options = std::make_shared<CompareOptions>();
  add_common_options(*parser, options->common);
  add_run_options(*parser, options->run, false);
  parser->add_option("FILES", options->files, "Two run files, or a saved comparison")->type_name("RUN.fovea")->expected(0, 2);
  parser->add_option("--a", options->a, "A's policy of attention or of experts; repeatable")->type_name("SPEC")->allow_extra_args(false)->check(side_problem);
  parser->add_option("--b", options->b, "B's policy of attention or of experts; repeatable")->type_name("SPEC")->allow_extra_args(false)->check(side_problem);
  auto* const none = parser->add_flag("--no-score", options->no_score, "Do not compare predictions (divergence, perplexity)");
  parser->add_flag("--score", options->score, "Of run files: compare predictions too, with the model of -m")->excludes(none);
  parser->add_option("--on", options->on, "Compare predictions on this text instead of on the tokens of A")->type_name("FILE")->excludes(none);
  parser->add_flag("--frontier", options->frontier, "Measure static numbers of experts and both policies on the same text too");
  parser->add_option("--point", options->points, "A further policy of experts in the frontier; repeatable")
      ->type_name("SPEC")
      ->allow_extra_args(false)
      ->check([](const std::string& text) { return spec_problem("moe", text); });
  parser->add_option("--save", options->save, "Keep the whole comparison in a run file")->type_name("PAIR.fovea");
  parser->add_option("--html", options->html, "Write the whole comparison as a page")->type_name("FILE.html");
  parser->add_option("--csv", options->csv, "Write its tables")->type_name("FILE.csv");
  parser->add_option("--whole-json", options->whole_json, "Write it as JSON, with all series")->type_name("FILE.json");
  commands.push_back({parser, [options](Process& process) { return run_compare(*options, process); }});
}

}  // namespace fovea::cli
