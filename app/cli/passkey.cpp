// `passkey`: numbers hidden in long texts and asked for at the end: whether attention still finds them.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/against.hpp"
#include "app/cli/attention_figures.hpp"
#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/passkey_text.hpp"
#include "app/cli/text_source.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

// What lies around the number where no file is given; nothing in it is a number.
constexpr std::string_view kFiller =
    "The grass is green and the sky is blue. The sun shines on the hill behind the house. A small dog runs along the road to the river. "
    "The children sit under the old tree and tell each other stories. In the evening the wind blows from the sea and the birds fly home. ";

struct PasskeyOptions {
  CommonOptions common;
  std::uint32_t trials = 10;
  std::string file;
  std::string against;
};

struct Found {
  std::uint32_t trials = 0, correct = 0;
  std::size_t digits = 0;  // right ones
};
constexpr std::size_t kDepths = 10;  // tenths of the text

Json found_json(const Found& found) {
  return {{"trials", found.trials}, {"correct", found.correct}, {"digits", found.trials * kPasskeyDigits}, {"digits_correct", found.digits}};
}

// All trials under one policy.
struct Trials {
  Found all;
  std::array<Found, kDepths> by_depth;
  AttentionFacts attention;
};

Result<Trials> run_trials(Engine& engine, const PasskeyOptions& options, const std::string& filler, std::stop_token stop) {
  const std::uint32_t context = engine.summary().context;
  Trials done;
  for (std::uint32_t trial = 0; trial < options.trials; ++trial) {
    const Passkey passkey = make_passkey(options.common.seed < 0 ? 1 : static_cast<std::uint64_t>(options.common.seed), trial, options.trials);
    Generate request;
    request.prompt = passkey_prompt(engine.tokenizer(), passkey, filler, context > kAnswerTokens ? context - kAnswerTokens : 0);
    if (request.prompt.empty())
      return fail(ErrorCode::usage, "passkey", fmt::format("a context of {} tokens has no room for text around the number", context), "use a larger -c");
    request.max_tokens = kAnswerTokens;
    request.sampling.temperature = 0;
    request.sampling.seed = 0;
    request.trace.routing = false;
    FOVEA_ASSIGN(const RunResult run, engine.generate(request, {}, stop));
    if (run.reason == StopReason::cancelled) return fail(ErrorCode::cancelled, "passkey", "it was stopped before all trials were done", "run it again");
    const std::size_t right = right_digits(run.text, passkey.number);
    for (Found* found : {&done.all, &done.by_depth[std::min(kDepths - 1, static_cast<std::size_t>(passkey.depth * kDepths))]}) {
      ++found->trials;
      found->correct += right == kPasskeyDigits ? 1 : 0;
      found->digits += right;
    }
    done.attention.prefill += run.attention.prefill;
    done.attention.decode += run.attention.decode;
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{} of {} found ", done.all.correct, done.all.trials);
  }
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  return done;
}

std::string found_line(const Found& found) {
  return fmt::format("{} of {} numbers found, {} of {} digits\n", found.correct, found.trials, found.digits, found.trials * kPasskeyDigits);
}

Json depths_json(const std::array<Found, kDepths>& by_depth) {
  Json depths = Json::array();
  for (std::size_t depth = 0; depth < kDepths; ++depth) {
    if (by_depth[depth].trials == 0) continue;
    Json entry{{"depth", (static_cast<double>(depth) + 0.5) / kDepths}};
    entry.update(found_json(by_depth[depth]));
    depths.push_back(std::move(entry));
  }
  return depths;
}

// Of all trials or digits, in percent.
double points(std::size_t right, std::size_t of) { return 100 * static_cast<double>(right) / static_cast<double>(of); }

Json against_json(const Trials& done, const Trials& other, const std::string& policy) {
  Json against{{"policy", policy}};
  against.update(found_json(other.all));
  against["by_depth"] = depths_json(other.by_depth);
  against["delta_points"] = points(done.all.correct, done.all.trials) - points(other.all.correct, other.all.trials);
  const std::size_t digits = done.all.trials * kPasskeyDigits;
  against["delta_digit_points"] = points(done.all.digits, digits) - points(other.all.digits, digits);
  return against;
}

Result<void> run_passkey(const PasskeyOptions& options, Process& process) {
  std::string filler(kFiller);
  if (!options.file.empty()) {
    FOVEA_ASSIGN(filler, read_file(options.file, "text file " + shown_name(options.file), kLongestText));
  }
  Json value;
  FOVEA_ASSIGN(auto engine, load_engine(options.common, 0, process.stop.get_token()));
  FOVEA_ASSIGN(const Trials done, run_trials(*engine, options, filler, process.stop.get_token()));
  value = found_json(done.all);
  value["context"] = engine->summary().context;
  value["by_depth"] = depths_json(done.by_depth);
  value["attention"] = attention_json(engine->summary(), done.attention);
  value["against"] = nullptr;
  std::string lines = found_line(done.all);
  if (!options.against.empty()) {
    const std::uint32_t context = engine->summary().context;
    engine.reset();  // one model in memory at a time
    FOVEA_ASSIGN(engine, load_engine(with_policy(options.common, options.against), context, process.stop.get_token()));
    FOVEA_ASSIGN(const Trials other, run_trials(*engine, options, filler, process.stop.get_token()));
    const std::string policy = shown_policy(options.against, engine->summary());
    value["against"] = against_json(done, other, policy);
    lines += "against " + policy + ": " + found_line(other.all);
  }
  if (options.common.json)
    process.out.write_json(value);
  else
    process.out.write(lines);
  return {};
}

}  // namespace

void add_passkey(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("passkey", "Hide numbers in long texts and ask for them at the end");
  const auto options = std::make_shared<PasskeyOptions>();
  add_common_options(*parser, options->common);
  parser->get_option("--seed")->description("Seed of the numbers (default: 1)");
  parser->add_option("--trials", options->trials, "How many numbers to hide, each at its own depth (default: 10)")
      ->type_name("N")
      ->check(whole_number(1, 100'000));
  parser->add_option("-f,--file", options->file, "What the text around the numbers is (default: some sentences)")->type_name("FILE");
  add_against_option(*parser, options->against);
  commands.push_back({parser, [options](Process& process) { return run_passkey(*options, process); }});
}

}  // namespace fovea::cli
