#include "app/cli/run_request.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <utility>

#include "app/cli/number_range.hpp"
#include "engine/session/spec.hpp"

namespace fovea::cli {
namespace {

// "3,11"; nullopt when it is not two numbers.
std::optional<HeadId> parse_head(std::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto layer = parse_count(text.substr(0, comma)), head = parse_count(text.substr(comma + 1));
  if (!layer || !head) return std::nullopt;
  return HeadId{*layer, *head};
}

Result<TracePlan> trace_plan(const RunRequest& options, const ModelSummary& model) {
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

void add_run_options(CLI::App& parser, RunRequest& request, bool text_required) {
  add_text_options(parser, request.text, text_required);
  parser.add_option("-n,--predict", request.tokens, "Tokens to generate; -1 = until the context is full (default: 128)")
      ->check(whole_number(-1, std::numeric_limits<std::uint32_t>::max()));
  add_sampling_options(parser, request.sampling);
  auto* const chat = parser.add_flag("--chat", request.chat, "Wrap the prompt in the model's chat format");
  parser.add_option("--system", request.system, "System message of the chat")->needs(chat)->type_name("TEXT");
  parser.add_option("--record", request.record, "Record exact attention rows of a head, or of all; repeatable")
      ->type_name("LAYER,HEAD|all")
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        return std::string(text == "all" || parse_head(text) ? "" : "write LAYER,HEAD in numbers, or all");
      });
  parser.add_flag("--no-routing", request.no_routing, "Do not record which experts were chosen");
  parser.add_option("--measure", request.measure, "Measure in every Nth row how much of dense attention its pages hold")
      ->type_name("N")
      ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
}

Result<std::string> read_prompt(const RunRequest& request) {
  FOVEA_ASSIGN(std::string prompt, read_text(request.text));
  if (!request.text.file.empty() && !prompt.empty() && prompt.back() == '\n') prompt.pop_back();
  return prompt;
}

Result<Generate> request_of(const RunRequest& options, std::int64_t seed, const ModelSummary& model, std::string prompt) {
  Generate request;
  request.prompt = std::move(prompt);
  request.chat = options.chat;
  request.system = options.system;
  request.max_tokens =
      options.tokens < 0 ? std::numeric_limits<std::uint32_t>::max() : static_cast<std::uint32_t>(options.tokens);
  request.sampling = options.sampling;
  request.sampling.seed = seed;
  FOVEA_ASSIGN(request.trace, trace_plan(options, model));
  return request;
}

}  // namespace fovea::cli
