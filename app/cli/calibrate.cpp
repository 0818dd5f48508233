// `calibrate`: finds, over one half of a text, the frozen bias that evens the load of a mixture's experts within a guard of
// quality, and measures on the other half what it does.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/moe_figures.hpp"
#include "engine/api/layers_utilization.hpp"
#include "engine/api/nll_score.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/text_source.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/bias_calibration.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kDefaultWindow = 2048;  // tokens after which the bias moves

struct CalibrateOptions {
  CommonOptions common;
  std::string file, output;
  std::uint32_t windows = 0, passes = 2;
  std::optional<std::size_t> first_bytes;
  CalibrationGoal goal;
};

// What held-out windows gave.
struct Measured {
  NllScore score;
  RoutingWork work;
};

Result<RoutingWork> route(Engine& engine, std::span<const TokenId> window, NllScore* score, const std::stop_token& stop) {
  // Without a score nobody wants logits.
  const auto first = static_cast<std::uint32_t>(score != nullptr ? window.size() / 2 : window.size());
  FOVEA_TRY(engine.logits(
      window, first,
      [&](std::uint32_t position, std::span<const float> logits) {
        if (position + 1 < window.size()) score->add(logits, static_cast<std::size_t>(window[position + 1]));
      },
      stop));
  FOVEA_ASSIGN(const RoutingFacts facts, engine.routing_facts());
  return facts.both();
}

Result<Measured> measure(Engine& engine, std::span<const TokenId> tokens, std::uint32_t window, const std::stop_token& stop) {
  Measured measured;
  for (std::size_t at = 0; at + window <= tokens.size(); at += window) {
    FOVEA_ASSIGN(const RoutingWork work, route(engine, tokens.subspan(at, window), &measured.score, stop));
    measured.work += work;
  }
  return measured;
}

Json overall(const RoutingWork& work) {
  Json value;
  put_figures(value, work);
  put_masses(value, over_layers(work));
  return value;
}

Json figures(const LayerRouting& routing) {
  Json value;
  put_figures(value, routing);
  put_masses(value, routing);
  return value;
}

Json to_json(const CalibrateOptions& options, const ModelSummary& model, const BiasCalibration& calibration, const Measured& before,
             const Measured& after, std::size_t tokens) {
  Json value{{"bias", options.output},
             {"policy", shown_moe(model)},
             {"goal", {{"cv", options.goal.cv}, {"retained", options.goal.retained}}},
             {"tokens", tokens},
             {"held_out_tokens", over_layers(after.work).tokens / std::max(model.layers, 1u)},
             {"before", overall(before.work)},
             {"after", overall(after.work)},
             {"perplexity", {{"before", before.score.perplexity()}, {"after", after.score.perplexity()}}},
             {"delta_ppl_percent", 100 * (after.score.perplexity() / before.score.perplexity() - 1)},
             {"layers", Json::array()}};
  for (std::uint32_t layer = 0; layer < model.layers; ++layer)
    value["layers"].push_back({{"layer", layer},
                               {"ended", name(calibration.end(layer))},
                               {"guard_won", calibration.guarded(layer)},
                               {"before", figures(before.work[layer])},
                               {"after", figures(after.work[layer])}});
  return value;
}

std::string layer_line(std::string_view what, const LayerRouting& before, const LayerRouting& after, std::string_view end) {
  const auto a = utilization_figures(before.calls), b = utilization_figures(after.calls);
  if (!a || !b) return "";
  return fmt::format("{}: CV {:.3f} -> {:.3f}, utilization {:.3f} -> {:.3f}, entropy {:.4f} -> {:.4f}, mass kept {:.4f}, {}\n", what, a->cv, b->cv, a->utilization,
                     b->utilization, a->entropy, b->entropy, after.moved_mass / static_cast<double>(after.tokens), end);
}

Result<void> run_calibrate(const CalibrateOptions& options, Process& process) {
  const std::stop_token stop = process.stop.get_token();
  const std::uint32_t window = options.common.context == 0 ? kDefaultWindow : options.common.context;
  FOVEA_ASSIGN(const std::string text, read_file(options.file, "text file " + shown_name(options.file), kLongestText, options.first_bytes));
  FOVEA_ASSIGN(const auto engine, load_calibrated(options.common, window, stop));
  const ModelSummary& model = engine->summary();
  const std::vector<TokenId> all = engine->tokenizer().encode(text, {.add_bos = true, .parse_special = false});
  const std::size_t fit = all.size() / window, windows = options.windows == 0 ? fit : std::min<std::size_t>(options.windows, fit);
  if (windows < 2)
    return fail(ErrorCode::usage, "text file " + shown_name(options.file), fmt::format("its {} tokens do not fill two windows of {}", all.size(), window),
                "use a longer text or a smaller -c");
  // Every second window is held out, so that both halves are of all parts of the text.
  std::vector<TokenId> learn, held_out;
  for (std::size_t i = 0; i < windows; ++i) {
    std::vector<TokenId>& to = i % 2 == 0 ? learn : held_out;
    to.insert(to.end(), all.begin() + static_cast<std::ptrdiff_t>(i * window), all.begin() + static_cast<std::ptrdiff_t>((i + 1) * window));
  }
  FOVEA_ASSIGN(const Measured before, measure(*engine, held_out, window, stop));
  BiasCalibration calibration(model.layers, model.experts, options.goal);
  for (std::uint32_t pass = 0; pass < options.passes; ++pass)
    for (std::size_t at = 0; at + window <= learn.size(); at += window) {
      FOVEA_ASSIGN(const RoutingWork work, route(*engine, std::span(learn).subspan(at, window), nullptr, stop));
      calibration.add(work);
      FOVEA_TRY(engine->choose_bias(calibration.bias()));
      if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{} of {} windows ", pass * (learn.size() / window) + at / window + 1, options.passes * (learn.size() / window));
    }
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  FOVEA_ASSIGN(const Measured after, measure(*engine, held_out, window, stop));
  FOVEA_TRY(write_expert_bias(options.output, calibration.bias(), model.layers));
  if (options.common.json) {
    process.out.write_json(to_json(options, model, calibration, before, after, learn.size()));
    return {};
  }
  for (std::uint32_t layer = 0; layer < model.layers; ++layer)
    process.out.write(layer_line(fmt::format("layer {}", layer), before.work[layer], after.work[layer], name(calibration.end(layer))));
  const UtilizationFigures a = utilization_of_layers(before.work).value_or(LayersUtilization{}).mean, b = utilization_of_layers(after.work).value_or(LayersUtilization{}).mean;
  const LayerRouting sum = over_layers(after.work);
  process.out.write(fmt::format("mean of the layers: CV {:.3f} -> {:.3f}, utilization {:.3f} -> {:.3f}, entropy {:.4f} -> {:.4f}, mass kept {:.4f}\n", a.cv, b.cv, a.utilization,
                                b.utilization, a.entropy, b.entropy, sum.moved_mass / static_cast<double>(sum.tokens)));
  process.out.write(fmt::format("perplexity {:.4f} -> {:.4f} ({:+.2f} %) on {} held-out tokens; the bias is in {}\n", before.score.perplexity(), after.score.perplexity(),
                                100 * (after.score.perplexity() / before.score.perplexity() - 1), held_out.size(), shown_name(options.output)));
  return {};
}

}  // namespace

void add_calibrate(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("calibrate", "Find the frozen bias that evens the load of experts, within a guard of quality");
  const auto options = std::make_shared<CalibrateOptions>();
  add_common_options(*parser, options->common);
  parser->get_option("-c")->description("Tokens of a window, after each of which the bias moves (default: 2048)");
  parser->add_option("-f,--file", options->file, "The text; every second window is held out")->required()->type_name("FILE");
  parser->add_option("-o,--output", options->output, "Where the bias goes, for --moe dynamic:reset=frozen,bias=FILE")->required()->type_name("FILE");
  parser->add_option("--windows", options->windows, "Use at most this many windows (default: all)")->type_name("N")->check(whole_number(2, std::numeric_limits<std::uint32_t>::max()));
  parser->add_option("--passes", options->passes, "How often the text is gone through (default: 2)")->type_name("N")->check(whole_number(1, 1000));
  parser->add_option("--bytes", options->first_bytes, "Use only the first N bytes of the text")->type_name("N")->check(whole_number(1, kLongestText));
  parser->add_option("--cv", options->goal.cv, "Coefficient of variation that is enough (default: 0.07)")->check(CLI::Range(0.0, 10.0));
  parser->add_option("--retained", options->goal.retained, "Least share of router mass that must be kept (default: 0.97)")->check(CLI::Range(0.0, 1.0));
  commands.push_back({parser, [options](Process& process) { return run_calibrate(*options, process); }});
}

}  // namespace fovea::cli
