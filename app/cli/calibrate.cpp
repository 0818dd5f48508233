// `calibrate`: finds, over one half of a text, the frozen prices that even the load of a mixture's experts within a guard of
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
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/text_source.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/expert_calibration.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

struct CalibrateOptions {
  CommonOptions common;
  std::string file, output;
  std::uint32_t windows = 0, passes = 3;
  std::optional<std::size_t> first_bytes;
  CalibrationGoal goal;
};

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

double delta_percent(const ExpertCalibration& done) { return 100 * (done.perplexity_after / done.perplexity_before - 1); }

Json to_json(const CalibrateOptions& options, const ModelSummary& model, const ExpertCalibration& done) {
  Json value{{"bias", options.output},
             {"policy", shown_moe(model)},
             {"goal", {{"cv", options.goal.cv}, {"retained", options.goal.retained}}},
             {"tokens", done.tokens},
             {"held_out_tokens", over_layers(done.after).tokens / std::max(model.layers, 1u)},
             {"before", overall(done.before)},
             {"after", overall(done.after)},
             {"perplexity", {{"before", done.perplexity_before}, {"after", done.perplexity_after}}},
             {"delta_ppl_percent", delta_percent(done)},
             {"layers", Json::array()}};
  for (std::uint32_t layer = 0; layer < model.layers; ++layer)
    value["layers"].push_back({{"layer", layer},
                               {"ended", name(done.layers[layer].end)},
                               {"guard_won", done.layers[layer].guard_won},
                               {"before", figures(done.before[layer])},
                               {"after", figures(done.after[layer])}});
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
  const std::uint32_t window = options.common.context == 0 ? kCalibrationWindow : options.common.context;
  FOVEA_ASSIGN(const std::string text, read_file(options.file, "text file " + shown_name(options.file), kLongestText, options.first_bytes));
  FOVEA_ASSIGN(const auto engine, load_calibrated(options.common, window, stop));
  const ModelSummary& model = engine->summary();
  const std::vector<TokenId> all = engine->tokenizer().encode(text, {.add_bos = true, .parse_special = false});
  const bool watched = isatty(STDERR_FILENO) != 0;
  const auto tell = [&](const char* doing, double fraction) {
    if (watched) fmt::print(stderr, "\r{}, {:3.0f} % ", doing, 100 * fraction);
  };
  FOVEA_ASSIGN(const ExpertCalibration done,
               calibrate_experts(*engine, {options.file, window, options.windows, options.passes, options.output}, options.goal, all, tell, stop));
  if (watched) fmt::print(stderr, "\n");
  if (options.common.json) {
    process.out.write_json(to_json(options, model, done));
    return {};
  }
  for (std::uint32_t layer = 0; layer < model.layers; ++layer)
    process.out.write(layer_line(fmt::format("layer {}", layer), done.before[layer], done.after[layer], name(done.layers[layer].end)));
  const UtilizationFigures a = utilization_of_layers(done.before).value_or(LayersUtilization{}).mean, b = utilization_of_layers(done.after).value_or(LayersUtilization{}).mean;
  const LayerRouting sum = over_layers(done.after);
  process.out.write(fmt::format("mean of the layers: CV {:.3f} -> {:.3f}, utilization {:.3f} -> {:.3f}, entropy {:.4f} -> {:.4f}, mass kept {:.4f}\n", a.cv, b.cv, a.utilization,
                                b.utilization, a.entropy, b.entropy, sum.moved_mass / static_cast<double>(sum.tokens)));
  process.out.write(fmt::format("perplexity {:.4f} -> {:.4f} ({:+.2f} %) on {} held-out tokens; the prices are in {}\n", done.perplexity_before, done.perplexity_after,
                                delta_percent(done), done.held_out_tokens, shown_name(options.output)));
  return {};
}

}  // namespace

void add_calibrate(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("calibrate", "Find the frozen prices that even the load of experts, within a guard of quality");
  const auto options = std::make_shared<CalibrateOptions>();
  add_common_options(*parser, options->common);
  parser->get_option("-c")->description("Tokens of a window, after each of which the prices move (default: 2048)");
  parser->add_option("-f,--file", options->file, "The text; every second window is held out")->required()->type_name("FILE");
  parser->add_option("-o,--output", options->output, "Where the prices go, for --moe dynamic:reset=frozen,bias=FILE")->required()->type_name("FILE");
  parser->add_option("--windows", options->windows, "Use at most this many windows (default: all)")->type_name("N")->check(whole_number(2, std::numeric_limits<std::uint32_t>::max()));
  parser->add_option("--passes", options->passes, "How often the text is gone through; of two or more the last time fits the scale of the prices alone (default: 3)")->type_name("N")->check(whole_number(1, 1000));
  parser->add_option("--bytes", options->first_bytes, "Use only the first N bytes of the text")->type_name("N")->check(whole_number(1, kLongestText));
  parser->add_option("--cv", options->goal.cv, "Coefficient of variation that is enough (default: 0.07)")->check(CLI::Range(0.0, 10.0));
  parser->add_option("--retained", options->goal.retained, "Least share of router mass that must be kept (default: 0.97)")->check(CLI::Range(0.0, 1.0));
  commands.push_back({parser, [options](Process& process) { return run_calibrate(*options, process); }});
}

}  // namespace fovea::cli
