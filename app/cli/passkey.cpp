// `passkey`: numbers hidden in long texts and asked for at the end: whether attention still finds them.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

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
};

struct Found {
  std::uint32_t trials = 0, correct = 0;
  std::size_t digits = 0;  // right ones
};
constexpr std::size_t kDepths = 10;  // tenths of the text

Json found_json(const Found& found) {
  return {{"trials", found.trials}, {"correct", found.correct}, {"digits", found.trials * kPasskeyDigits}, {"digits_correct", found.digits}};
}

Result<void> run_passkey(const PasskeyOptions& options, Process& process) {
  std::string filler(kFiller);
  if (!options.file.empty()) {
    FOVEA_ASSIGN(filler, read_file(options.file, "text file " + shown_name(options.file), kLongestText));
  }
  FOVEA_ASSIGN(const auto engine, load_engine(options.common, 0, process.stop.get_token()));
  const std::uint32_t context = engine->summary().context;
  Found all;
  std::array<Found, kDepths> by_depth;
  AttentionFacts attention;
  for (std::uint32_t trial = 0; trial < options.trials; ++trial) {
    const Passkey passkey = make_passkey(options.common.seed < 0 ? 1 : static_cast<std::uint64_t>(options.common.seed), trial, options.trials);
    Generate request;
    request.prompt = passkey_prompt(engine->tokenizer(), passkey, filler, context > kAnswerTokens ? context - kAnswerTokens : 0);
    if (request.prompt.empty())
      return fail(ErrorCode::usage, "passkey", fmt::format("a context of {} tokens has no room for text around the number", context), "use a larger -c");
    request.max_tokens = kAnswerTokens;
    request.sampling.temperature = 0;
    request.sampling.seed = 0;
    request.trace.routing = false;
    FOVEA_ASSIGN(const RunResult run, engine->generate(request, {}, process.stop.get_token()));
    if (run.reason == StopReason::cancelled) return fail(ErrorCode::cancelled, "passkey", "it was stopped before all trials were done", "run it again");
    const std::size_t right = right_digits(run.text, passkey.number);
    for (Found* found : {&all, &by_depth[std::min(kDepths - 1, static_cast<std::size_t>(passkey.depth * kDepths))]}) {
      ++found->trials;
      found->correct += right == kPasskeyDigits ? 1 : 0;
      found->digits += right;
    }
    attention.prefill += run.attention.prefill;
    attention.decode += run.attention.decode;
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{} of {} found ", all.correct, all.trials);
  }
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  if (!options.common.json) {
    process.out.write(fmt::format("{} of {} numbers found, {} of {} digits\n", all.correct, all.trials, all.digits, all.trials * kPasskeyDigits));
    return {};
  }
  Json value = found_json(all);
  value["context"] = context;
  value["by_depth"] = Json::array();
  for (std::size_t depth = 0; depth < kDepths; ++depth) {
    if (by_depth[depth].trials == 0) continue;
    Json entry{{"depth", (static_cast<double>(depth) + 0.5) / kDepths}};
    entry.update(found_json(by_depth[depth]));
    value["by_depth"].push_back(std::move(entry));
  }
  value["attention"] = attention_json(engine->summary(), attention);
  process.out.write_json(value);
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
  commands.push_back({parser, [options](Process& process) { return run_passkey(*options, process); }});
}

}  // namespace fovea::cli
