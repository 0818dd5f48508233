// `sweep`: at what length one policy pays: time, KV memory and perplexity of two policies over contexts of several lengths.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/cli/against.hpp"
#include "app/cli/attention_figures.hpp"
#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/text_source.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/length_sweep.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

struct SweepOptions {
  CommonOptions common;
  EvaluationOptions text{.windows = 1};
  std::vector<std::uint32_t> lengths{1024, 2048, 4096, 8192};
  std::string against = "dense";
};

struct Side {
  std::string policy;
  std::vector<LengthPoint> points;
};

Result<Side> run_side(const SweepOptions& options, const CommonOptions& policy, const std::string& text, const std::string* against, std::stop_token stop) {
  FOVEA_ASSIGN(const auto engine, load_engine(policy, options.lengths.back(), stop));
  const std::vector<TokenId> tokens = engine->tokenizer().encode(text, {.add_bos = true, .parse_special = false});
  Side side{.policy = against != nullptr ? shown_policy(*against, engine->summary()) : shown_attention(engine->summary().attention, engine->summary().top_share), .points = {}};
  FOVEA_ASSIGN(side.points, sweep_lengths(*engine, options.text, tokens, options.lengths, 0, {}, std::move(stop)));
  return side;
}

Json length_json(std::uint32_t length, const LengthPoint& a, const LengthPoint& b) {
  return {{"context", length},
          {"seconds", {a.seconds, b.seconds}},
          {"speed_ratio", a.seconds > 0 ? Json(b.seconds / a.seconds) : Json(nullptr)},
          {"kv_bytes", {a.kv_bytes, b.kv_bytes}},
          {"memory_ratio", static_cast<double>(a.kv_bytes) / static_cast<double>(b.kv_bytes)},
          {"perplexity", {a.perplexity, b.perplexity}},
          {"delta_ppl_percent", percent_above(a.perplexity, b.perplexity)},
          {"density", {a.density, b.density}},
          {"flops_ratio", {a.flops, b.flops}}};
}

Result<void> run_sweep(SweepOptions options, Process& process) {
  std::ranges::sort(options.lengths);
  options.lengths.erase(std::unique(options.lengths.begin(), options.lengths.end()), options.lengths.end());
  if (options.text.last > options.lengths.front() - 1)
    return fail(ErrorCode::usage, "sweep", fmt::format("a window of {} tokens has no {} positions that predict another", options.lengths.front(), options.text.last),
                "use larger --lengths or a smaller --last");
  FOVEA_ASSIGN(const std::string text, read_file(options.text.file, "text file " + shown_name(options.text.file), kLongestText));
  FOVEA_ASSIGN(const Side a, run_side(options, options.common, text, nullptr, process.stop.get_token()));
  FOVEA_ASSIGN(const Side b, run_side(options, with_policy(options.common, options.against), text, &options.against, process.stop.get_token()));

  const std::optional<std::uint32_t> pays = pays_from(a.points, b.points);
  if (options.common.json) {
    Json value{{"policy", a.policy}, {"against", b.policy}, {"windows", options.text.windows}, {"lengths", Json::array()}, {"faster_from", pays ? Json(*pays) : Json(nullptr)}};
    for (std::size_t i = 0; i < options.lengths.size(); ++i) value["lengths"].push_back(length_json(options.lengths[i], a.points[i], b.points[i]));
    process.out.write_json(value);
    return {};
  }
  process.out.write(fmt::format("{}, against {}\n{:>8} {:>10} {:>10} {:>7} {:>9} {:>9} {:>9}\n", a.policy, b.policy, "context", "s", "against s", "speed", "KV MiB",
                                "against", "ppl"));
  constexpr double kMebibyte = 1 << 20;
  for (std::size_t i = 0; i < options.lengths.size(); ++i) {
    const LengthPoint &one = a.points[i], &other = b.points[i];
    process.out.write(fmt::format("{:>8} {:>10.2f} {:>10.2f} {:>6.2f}x {:>9.1f} {:>9.1f} {:>+8.3f}%\n", options.lengths[i], one.seconds, other.seconds,
                                  other.seconds / one.seconds, static_cast<double>(one.kv_bytes) / kMebibyte, static_cast<double>(other.kv_bytes) / kMebibyte,
                                  percent_above(one.perplexity, other.perplexity)));
  }
  process.out.write(pays ? fmt::format("faster from {} tokens on\n", *pays) : std::string("not faster at the longest of these\n"));
  return {};
}

}  // namespace

void add_sweep(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("sweep", "Hold two policies against each other over contexts of several lengths");
  const auto options = std::make_shared<SweepOptions>();
  add_model_option(*parser, options->common);
  add_device_option(*parser, options->common);
  add_policy_options(*parser, options->common.policy);
  add_json_option(*parser, options->common);
  parser->add_option("-f,--file", options->text.file, "The text")->required()->type_name("FILE");
  parser->add_option("--lengths", options->lengths, "Tokens of a window (default: 1024,2048,4096,8192)")
      ->delimiter(',')
      ->type_name("N,..")
      ->check(whole_number(2, std::numeric_limits<std::uint32_t>::max()));
  parser->add_option("--windows", options->text.windows, "Windows of each length (default: 1)")
      ->type_name("N")
      ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
  parser->add_option("--last", options->text.last, "Score the last M predictions of a window (default: the second half)")
      ->type_name("M")
      ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
  add_against_option(*parser, options->against);
  commands.push_back({parser, [options](Process& process) { return run_sweep(*options, process); }});
}

}  // namespace fovea::cli
