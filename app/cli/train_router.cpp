// `train-router` and `evaluate-router`: the small network that predicts domain, need and experts from a model's early layers, and how
// well it does on text that it has not learned from.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/router_texts.hpp"
#include "engine/io/sha256.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/semantic_router/evaluation.hpp"
#include "engine/semantic_router/training.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kDefaultWindow = 512;
constexpr std::uint32_t kFirstLayer = 2;  // the residual behind the second layer is what the network sees
constexpr std::size_t kHeldOutShare = 10; // the last tenth of a text

struct RouterOptions {
  CommonOptions common;
  std::vector<std::string> files;
  std::string router;
  std::uint32_t windows = 0;
  std::uint32_t width = 64;
  RouterTraining training;
  RouterTracing tracing{.need_every = 4, .need_windows = 2};
};

void show(const std::string& line) {
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r{} ", line);
}

Result<std::unique_ptr<Engine>> load_mixture(const CommonOptions& options, std::uint32_t window, const std::stop_token& stop) {
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options));
  FOVEA_ASSIGN(const ModelSummary summary, inspect(path));
  if (summary.experts == 0)
    return fail(ErrorCode::unsupported, "the semantic router", "not applicable: this model is dense, it has no experts to predict", "use a mixture");
  if (summary.layers <= kFirstLayer)
    return fail(ErrorCode::unsupported, "the semantic router", fmt::format("the model has {} layers and the first {} are only seen", summary.layers, kFirstLayer), "use a deeper model");
  return load_engine(options, window, stop);
}

Result<void> run_train(RouterOptions options, Process& process) {
  const std::stop_token stop = process.stop.get_token();
  options.tracing.window = options.common.context == 0 ? kDefaultWindow : options.common.context;
  options.training.seed = options.common.seed < 0 ? 1 : static_cast<std::uint64_t>(options.common.seed);
  FOVEA_ASSIGN(const auto engine, load_mixture(options.common, options.tracing.window, stop));
  const ModelSummary& model = engine->summary();
  FOVEA_ASSIGN(const std::vector<DomainText> texts, read_domain_texts(*engine, options.files, options.tracing.window));
  const RouterShape shape{.input = model.width, .width = options.width, .first_layer = kFirstLayer, .layers = model.layers, .experts = model.experts,
                          .experts_used = model.experts_used, .domains = static_cast<std::uint32_t>(texts.size())};
  FOVEA_ASSIGN(const std::string hash, file_sha256(model.path, stop));
  SemanticRouterFacts facts{.model = model.name, .model_sha256 = hash, .model_bytes = model.file_bytes, .width = shape.width, .first_layer = shape.first_layer,
                            .layers = shape.layers, .experts = shape.experts, .experts_used = shape.experts_used, .parameters = shape.parameters(),
                            .seed = options.training.seed, .passes = options.training.passes, .window = options.tracing.window};
  facts.bytes = facts.parameters * 2;
  std::vector<RouterTrace> learn, held_out;
  for (std::uint32_t domain = 0; domain < texts.size(); ++domain) {
    show(fmt::format("tracing {} of {} texts", domain + 1, texts.size()));
    facts.domains.push_back(texts[domain].name);
    const auto starts = spread_windows(texts[domain].tokens.size(), options.tracing.window, options.windows);
    FOVEA_ASSIGN(std::vector<RouterTrace> traces, trace_windows(*engine, shape, domain, texts[domain].tokens, starts, options.tracing, stop));
    const std::size_t kept = traces.size() - std::max<std::size_t>(1, traces.size() / kHeldOutShare);
    for (std::size_t i = 0; i < traces.size(); ++i) (i < kept ? learn : held_out).push_back(std::move(traces[i]));
  }
  for (const RouterTrace& trace : learn) {
    facts.tokens += trace.tokens;
    facts.need_tokens += static_cast<std::uint64_t>(std::ranges::count_if(trace.need, [](std::uint8_t need) { return need > 0; }));
  }
  const auto tell = [](double done, double loss) { show(fmt::format("training, {:3.0f} %, loss {:.4f}", 100 * done, loss)); };
  FOVEA_ASSIGN(RouterNetwork<float> network, train_router(shape, learn, options.training, tell, stop));
  facts.held_out = evaluate_router(network, held_out);
  if (facts.need_tokens > 0) facts.need_mean = mean_predicted_need(network, learn);
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  const SemanticRouter router{std::move(network), std::move(facts)};
  FOVEA_TRY(write_semantic_router(options.router, router));
  const double share = static_cast<double>(router.facts.bytes) / static_cast<double>(model.file_bytes);
  if (options.common.json) {
    process.out.write_json({{"router", options.router},
                            {"model", model.name},
                            {"domains", router.facts.domains},
                            {"parameters", router.facts.parameters},
                            {"bytes", router.facts.bytes},
                            {"share_of_model", share},
                            {"tokens", router.facts.tokens},
                            {"need_tokens", router.facts.need_tokens},
                            {"passes", router.facts.passes},
                            {"seed", router.facts.seed},
                            {"held_out", to_json(router.facts.held_out, router.facts.domains)}});
    return {};
  }
  process.out.write(fmt::format("{} parameters, {} bytes ({:.2f} % of the model), learned from {} tokens; the router is in {}\nheld out, ", router.facts.parameters,
                                router.facts.bytes, 100 * share, router.facts.tokens, shown_name(options.router)) +
                    accuracy_lines(router.facts.held_out, router.facts.domains));
  return {};
}

Result<void> run_evaluate(RouterOptions options, Process& process) {
  const std::stop_token stop = process.stop.get_token();
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options.common));
  const std::filesystem::path side = options.router.empty() ? semantic_router_path(path) : std::filesystem::path(options.router);
  const std::string what = "semantic router " + shown_name(side.string());
  FOVEA_ASSIGN(const SemanticRouter router, read_semantic_router(side));
  options.tracing.window = options.common.context == 0 ? std::max(router.facts.window, 2u) : options.common.context;
  FOVEA_ASSIGN(const auto engine, load_mixture(options.common, options.tracing.window, stop));
  std::string problem = mismatch(router.facts, engine->summary());
  if (problem.empty() && router.network.shape().input != engine->summary().width) problem = "it was trained for a model of another width";
  if (problem.empty()) {
    FOVEA_ASSIGN(const std::string hash, file_sha256(path, stop));
    if (hash != router.facts.model_sha256) problem = "it was trained for another file (by SHA-256)";
  }
  if (!problem.empty()) return fail(ErrorCode::usage, what, problem, "train one for this model with train-router");
  FOVEA_ASSIGN(const std::vector<DomainText> texts, read_domain_texts(*engine, options.files, options.tracing.window));
  if (router.facts.need_tokens == 0) options.tracing.need_every = 0;  // what it says of need means nothing
  std::vector<RouterTrace> traces;
  for (const DomainText& text : texts) {
    const auto domain = std::ranges::find(router.facts.domains, text.name);
    if (domain == router.facts.domains.end())
      return fail(ErrorCode::usage, "text " + shown_name(text.name), "the router knows no domain of this name", fmt::format("name the files after its domains: {}", fmt::join(router.facts.domains, ", ")));
    show(fmt::format("tracing {}", printable(text.name)));
    const auto starts = spread_windows(text.tokens.size(), options.tracing.window, options.windows);
    FOVEA_ASSIGN(std::vector<RouterTrace> some, trace_windows(*engine, router.network.shape(), static_cast<std::uint32_t>(domain - router.facts.domains.begin()),
                                                              text.tokens, starts, options.tracing, stop));
    std::ranges::move(some, std::back_inserter(traces));
  }
  const RouterAccuracy accuracy = evaluate_router(router.network, traces);
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  if (options.common.json)
    process.out.write_json(to_json(accuracy, router.facts.domains));
  else
    process.out.write(accuracy_lines(accuracy, router.facts.domains) +
                      (router.facts.need_tokens == 0 ? "  this router has not learned how many experts a token needs\n" : ""));
  return {};
}

void add_text_windows(CLI::App& parser, RouterOptions& options, const char* files) {
  add_common_options(parser, options.common);
  parser.get_option("-c")->description("Tokens of a window (default: 512)");
  parser.add_option("-f,--file", options.files, files)->required()->type_name("FILE");
  parser.add_option("--windows", options.windows, "Use at most this many windows of a text, evenly spread (default: all)")
      ->type_name("N")
      ->check(whole_number(2, std::numeric_limits<std::uint32_t>::max()));
  parser.add_option("--need-every", options.tracing.need_every, "Measure how many experts every Nth token in the last quarter of a window needs (default: 4; 0: none)")
      ->type_name("N")
      ->check(whole_number(0, 1 << 20));
  parser.add_option("--need-windows", options.tracing.need_windows, "Measure need in every Nth window (default: 2)")->type_name("N")->check(whole_number(1, 1 << 20));
}

}  // namespace

void add_train_router(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("train-router", "Train the semantic router, which predicts domain, need and experts, on texts");
  const auto options = std::make_shared<RouterOptions>();
  add_text_windows(*parser, *options, "A text for each domain, named after it; its last tenth is held out");
  parser->get_option("-s")->description("Seed of the training (default: 1)");
  parser->add_option("-o,--output", options->router, "Where the router goes, beside the model as NAME.router")->required()->type_name("FILE");
  parser->add_option("--width", options->width, "Channels of the network (default: 64)")->type_name("N")->check(whole_number(1, 1024));
  parser->add_option("--passes", options->training.passes, "How often the texts are gone through (default: 8)")->type_name("N")->check(whole_number(1, 1000));
  commands.push_back({parser, [options](Process& process) { return run_train(*options, process); }});
}

void add_evaluate_router(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("evaluate-router", "Measure how well the semantic router predicts texts");
  const auto options = std::make_shared<RouterOptions>();
  add_text_windows(*parser, *options, "A text for each domain, named as the router's domains are");
  parser->add_option("--semantic-router", options->router, "The router (default: NAME.router beside the model)")->type_name("FILE");
  commands.push_back({parser, [options](Process& process) { return run_evaluate(*options, process); }});
}

}  // namespace fovea::cli
